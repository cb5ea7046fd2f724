"""Deploys template.yaml with the real bootstraps into MiniStack, which holds
the functions' roles to their policies, and runs the service there.

One schedule goes off → dispatcher → FIFO queue → region-sync against the
simulated cloud → results → finalizer. Then the task, the rows and the history
are compared with what the cloud really holds, and with what a rule on the
event bus was told. After that the ways on which something goes wrong: a second
tick, a poisoned message, a batch that fails in part, dead letters, refused
credentials; and the HTTP API, with accounts and vendors' events over it.

    python deploy.py --template .aws-sam/build/template.yaml \\
        --sam sam --program target/debug/cloud-sync
"""

import argparse
import datetime
import json
import subprocess
import sys
import time
from pathlib import Path

import boto3
from boto3.dynamodb.conditions import Key
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import harness
from harness import (FUNCTIONS, REGION, ROOT_KEY, Failed, MiniStack, SimulatedCloud, Workplace,
                     check, equal, http, put_account, wait_for)

STACK = "peers"
KIND = "aliyun.ecs.instance"
HOOK_TOKEN = "canary-token-of-the-hook"
ENDED = {"success", "partial", "failed", "cancelled"}


class Deployment:
    """A deployed stack and what it works with."""

    def __init__(self, stack: MiniStack, cloud: SimulatedCloud, outputs: dict[str, str],
                 program: str) -> None:
        self.stack, self.cloud, self.outputs, self.program = stack, cloud, outputs, program
        self.prefix = outputs["TablePrefix"]
        tables = boto3.resource("dynamodb", endpoint_url=stack.url, region_name=REGION,
                                aws_access_key_id=ROOT_KEY[0], aws_secret_access_key=ROOT_KEY[1])
        self.table = lambda name: tables.Table(self.prefix + name)
        self.sqs, self.logs = stack.client("sqs"), stack.client("logs")
        self.lambdas = stack.client("lambda")
        self.requests = 0

    def put_account(self, identifier: str, key: tuple[str, str], hook_token: str = "") -> None:
        """Configures an account over all regions of the cloud."""
        put_account(self.stack, self.program, self.prefix, self.cloud, identifier, key, hook_token)

    def items(self, table: str) -> list[dict]:
        """Returns every item of a table."""
        table, found, more = self.table(table), [], {}
        while True:
            page = table.scan(ConsistentRead=True, **more)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                return found
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def live_rows(self) -> list[dict]:
        """Returns the rows of what is not deleted."""
        return [row for row in self.items("resources") if "live" in row]

    def tasks(self) -> dict[str, dict]:
        """Returns every task by id."""
        return {item["task_id"]: item for item in self.items("tasks") if item["part"] == "task"}

    def ended_task(self, task_id: str, seconds: float = 90) -> dict:
        """Returns a task once it has ended."""

        def probe() -> dict | None:
            task = self.tasks().get(task_id)
            return task if task and task["status"] in ENDED else None

        return wait_for(f"the end of task {task_id}", seconds, probe)

    def invoke(self, function: str, event: dict) -> dict:
        """Invokes a function by hand and returns its answer."""
        answer = self.lambdas.invoke(FunctionName=f"{STACK}-{function}",
                                     Payload=json.dumps(event).encode())
        text = answer["Payload"].read().decode()
        check("FunctionError" not in answer, f"{function} failed: {text}")
        return json.loads(text)

    def log_lines(self, function: str) -> list[str]:
        """Returns what a function logged."""
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{STACK}-{function}")
        return [event["message"].rstrip() for page in pages for event in page["events"]]

    def print_logs(self) -> None:
        """Prints the end of what every function logged."""
        for function in FUNCTIONS:
            print(f"--- {function} ---", *self.log_lines(function)[-40:], sep="\n", file=sys.stderr)
        for task in self.items("tasks"):
            print(json.dumps(task, default=str), file=sys.stderr)


class Listener:
    """A user of the event bus: a rule that puts all the service says on a
    queue, and a sample rule, deployed as its template says."""

    def __init__(self, run: Deployment) -> None:
        self.run, self.heard = run, []
        self.bus = run.outputs["EventBusName"]
        self.queue = run.sqs.create_queue(QueueName="told")["QueueUrl"]
        arn = run.sqs.get_queue_attributes(
            QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events = run.stack.client("events")
        rule = events.put_rule(Name="told", EventBusName=self.bus,
                               EventPattern=json.dumps({"source": ["cloud-sync"]}))["RuleArn"]
        statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
                     "Action": "sqs:SendMessage", "Resource": arn,
                     "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}
        run.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={
            "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
        failed = events.put_targets(Rule="told", EventBusName=self.bus,
                                    Targets=[{"Id": "queue", "Arn": arn}])
        equal(failed["FailedEntryCount"], 0, "the rule's targets that failed")
        formation = run.stack.client("cloudformation")
        formation.create_stack(
            StackName="tag-changes",
            TemplateBody=(harness.REPOSITORY / "infra/rules/tag-changes-to-sqs.yaml").read_text(),
            Parameters=[{"ParameterKey": "EventBusName", "ParameterValue": self.bus}])
        formation.get_waiter("stack_create_complete").wait(
            StackName="tag-changes", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        outputs = formation.describe_stacks(StackName="tag-changes")["Stacks"][0]["Outputs"]
        self.tag_queue = next(out["OutputValue"] for out in outputs
                              if out["OutputKey"] == "QueueUrl")

    def receive(self, queue: str) -> list[dict]:
        """Returns what a queue has, which is then empty."""
        found = []
        while True:
            got = self.run.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            for message in got.get("Messages", []):
                found.append(json.loads(message["Body"]))
                self.run.sqs.delete_message(QueueUrl=queue,
                                            ReceiptHandle=message["ReceiptHandle"])
            if not got.get("Messages"):
                return found

    def hears(self, what: str, holds) -> list[dict]:
        """Waits until an event is heard for which `holds`; returns all such."""

        def probe() -> list[dict]:
            self.heard += self.receive(self.queue)
            return [event for event in self.heard if holds(event)]

        try:
            return wait_for(f"an event of {what}", 60, probe)
        except Failed as failed:
            types = sorted({event["detail-type"] for event in self.heard})
            raise Failed(f"{failed}; heard: {types}") from None


def allow_batches(stack: MiniStack) -> None:
    """Lets whoever may send one message send ten at once.

    In IAM sqs:SendMessage covers SendMessageBatch, which is no action there;
    MiniStack asks for one of that name.
    """
    iam = stack.client("iam")
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            resources = [resource for statement in document["Statement"]
                         if "sqs:SendMessage" in listed(statement["Action"])
                         for resource in listed(statement["Resource"])]
            if resources:
                statement = {"Effect": "Allow", "Action": "sqs:SendMessageBatch",
                             "Resource": resources}
                iam.put_role_policy(
                    RoleName=name, PolicyName="batches", PolicyDocument=json.dumps(
                        {"Version": "2012-10-17", "Statement": [statement]}))


def listed(value: str | list[str]) -> list[str]:
    """Returns a list of what a policy has as a list or a single text."""
    return value if isinstance(value, list) else [value]


def the_schedule_goes_off(run: Deployment) -> str:
    """Lets a one-shot schedule invoke what the template's schedule invokes,
    as its role and with its input, and returns the event's id."""
    scheduler = run.stack.client("scheduler")
    tick = scheduler.get_schedule(Name=f"{STACK}-tick")
    equal(tick["ScheduleExpression"], "rate(5 minutes)", "the schedule's rate")
    at = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(seconds=1)
    # What EventBridge Scheduler fills in, MiniStack leaves as it stands.
    filled = (tick["Target"]["Input"]
              .replace("<aws.scheduler.schedule-arn>", tick["Arn"])
              .replace("<aws.scheduler.scheduled-time>", at.strftime("%Y-%m-%dT%H:%M:%SZ")))
    check("<aws" not in filled, f"a context attribute that is not known: {filled}")
    scheduler.create_schedule(
        Name=f"{STACK}-once", ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"}, ActionAfterCompletion="DELETE",
        Target={"Arn": tick["Target"]["Arn"], "RoleArn": tick["Target"]["RoleArn"],
                "Input": filled})
    return filled


def the_task_counts_what_the_cloud_holds(run: Deployment) -> str:
    """The tick made one task, which ended in success with exact counts."""
    task_id = wait_for("a task", 60, lambda: next(iter(run.tasks()), None))
    task = run.ended_task(task_id)
    truth = run.cloud.truth()
    total = sum(len(instances) for instances in truth.values())
    equal(task["status"], "success", f"the task ({task.get('error_message')})")
    counts = {name: int(task[f"{name}_count"]) for name in
              ("total", "added", "updated", "deleted", "unchanged", "error")}
    equal(counts, {"total": total, "added": total, "updated": 0, "deleted": 0, "unchanged": 0,
                   "error": 0}, "the counts")
    equal(sorted(task["regions"]), sorted(truth), "the regions")
    check(int(task["api_calls"]) > 0 and task["write_units"] > 0, "the task cost nothing")
    parts = run.table("tasks").query(
        KeyConditionExpression=Key("task_id").eq(task_id) & Key("part").begins_with("region#"))
    by_region = {part["region"]: int(part["total_count"]) for part in parts["Items"]}
    equal(by_region, {region: len(instances) for region, instances in truth.items()},
          "the counts by region")
    return task_id


def row_view(row: dict) -> dict:
    """Returns what is compared of a row."""
    return {
        "name": row.get("name", ""), "status": row["vendor_status"], "type": row["spec"],
        "zone": row["zone"], "public": sorted(row.get("public_ips", [])),
        "private": sorted(row.get("private_ips", [])),
        "groups": sorted(row.get("security_groups", [])), "tags": row.get("tags", {}),
        "disks": sorted((disk["id"], disk.get("category", ""), int(disk["size_gib"]))
                        for disk in row.get("data_disks", [])),
    }


def truth_view(one: dict) -> dict:
    """Returns the same of an instance as it really is."""
    return {
        "name": one["name"], "status": one["status"], "type": one["instance_type"],
        "zone": one["zone"], "public": sorted(one["public_ips"]),
        "private": sorted(one["private_ips"]), "groups": sorted(one["security_groups"]),
        "tags": one["tags"],
        "disks": sorted((disk["id"], disk["category"], disk["size_gib"])
                        for disk in one["data_disks"]),
    }


def the_rows_equal_the_cloud(run: Deployment) -> None:
    """Every instance has its row, field by field, and its one change."""
    wanted = {(f"prod#{KIND}#{region}", identifier): truth_view(one)
              for region, instances in run.cloud.truth().items()
              for identifier, one in instances.items()}
    rows = {(row["scope"], row["id"]): row for row in run.items("resources")}
    equal(sorted(rows), sorted(wanted), "the rows")
    for key, row in rows.items():
        equal(row_view(row), wanted[key], f"row {key}")
        check("live" in row, f"row {key} is not in the index of live rows")
    changes = run.items("changes")
    equal(sorted(change["resource"] for change in changes),
          sorted("#".join(key) for key in wanted), "the changes")
    equal({(change["change"], int(change["version"])) for change in changes}, {("added", 1)},
          "the kind and version of every change")


def the_same_tick_again_starts_nothing(run: Deployment, event: str, task_id: str) -> None:
    """The tick's event a second time is answered with nothing new."""
    answer = run.invoke("dispatcher", json.loads(event))
    check(set(answer["task_ids"]) <= {task_id}, f"another task: {answer}")
    equal(set(run.tasks()), {task_id}, "the tasks")


def signed(run: Deployment, method: str, path: str, body: dict | None = None,
           key: tuple[str, str] = ROOT_KEY) -> tuple[int, dict]:
    """Asks the API as an IAM user would; returns the status and the answer."""
    url = run.outputs["ApiUrl"] + path
    host = url.split("/")[2]
    data = json.dumps(body).encode() if body is not None else None
    request = AWSRequest(method, url, data=data, headers={"content-type": "application/json"})
    SigV4Auth(Credentials(*key), "execute-api", REGION).add_auth(request)
    # The name is not in any DNS: the gateway tells its APIs apart by the header.
    status, text = http(run.stack.url + path, data=data, method=method, timeout=40,
                        headers=dict(request.headers) | {"Host": host})
    return status, json.loads(text or b"null")


def the_api_starts_a_sync_that_finds_no_change(run: Deployment) -> None:
    """POST /syncs → 202; the task ends; GET /tasks/{id} shows it; nothing was
    written for what did not change."""
    total = sum(len(instances) for instances in run.cloud.truth().values())
    host = {"Host": run.outputs["ApiUrl"].split("/")[2]}
    equal(http(f"{run.stack.url}/healthz", headers=host)[0], 200, "GET /healthz")
    status, _ = http(f"{run.stack.url}/syncs", data=b"{}", headers=host)
    equal(status, 403, "POST /syncs without a signature")
    status, _ = signed(run, "POST", "/syncs", {}, key=("nobody", "guessed"))
    equal(status, 403, "POST /syncs with the signature of nobody")
    for path in ("/", "/openapi.json", "/accounts", "/nowhere"):
        equal(http(f"{run.stack.url}{path}", headers=host)[0], 403, f"GET {path} without one")
    status, answer = signed(run, "POST", "/syncs", {"account_ids": ["prod"], "mode": "full"})
    equal((status, len(answer["task_ids"]), answer["problems"]), (202, 1, []), "POST /syncs")
    task_id = answer["task_ids"][0]
    run.ended_task(task_id)
    status, task = signed(run, "GET", f"/tasks/{task_id}")
    equal((status, task["status"], task["trigger"]), (200, "success", "on_demand"), "the task")
    equal((task["total_count"], task["unchanged_count"]), (total, total), "the counts")
    equal(len(run.items("changes")), total, "the changes")
    status, problem = signed(run, "POST", "/syncs", {"account_ids": ["nobody"]})
    equal((status, problem["errors"][0]["field"]), (422, "account_ids"), "an unknown account")
    equal(signed(run, "GET", "/tasks/none")[0], 404, "an unknown task")


def the_api_may_do_what_its_routes_do(run: Deployment, task_id: str) -> None:
    """No route meets a permission that the function's role lacks."""
    row = run.items("resources")[0]
    account, kind, region = row["scope"].split("#")
    one = f"/resources/{account}/{kind}/{region}/{row['id']}"
    scope = {"account_id": account, "kind": kind, "region": region}
    named = scope | {"ids": [row["id"]]}
    plan = {"account_ids": [account], "regions": [region]}
    for method, path, body, wanted in (
            ("GET", "/openapi.json", None, 200),
            ("GET", "/tasks?account=prod", None, 200),
            ("GET", "/tasks?status=success", None, 200),
            ("GET", f"/tasks/{task_id}/changes", None, 200),
            ("POST", f"/tasks/{task_id}/cancel", None, 409),
            ("GET", "/resources", None, 200),
            ("GET", "/resources?account=prod&sort=-name&deleted=with", None, 200),
            ("GET", f"/resources?account=prod&id={row['id']}", None, 200),
            ("GET", one, None, 200),
            ("GET", f"{one}/history", None, 200),
            ("GET", f"{one}x", None, 404),
            ("GET", "/changes?account=prod", None, 200),
            ("GET", "/stats", None, 200),
            ("GET", "/stats/trend?account=prod", None, 200),
            ("GET", "/deletions", None, 200),
            ("POST", "/deletions", scope | {"decision": "reject"}, 409),
            ("POST", "/status-changes", named, 200),
            ("POST", "/plans", plan, 202),
            ("GET", "/nowhere", None, 404)):
        status, answer = signed(run, method, path, body)
        equal(status, wanted, f"{method} {path}: {answer}")
        for planned in answer.get("task_ids", []):
            run.ended_task(planned)


def an_account_is_written_verified_and_removed_over_http(run: Deployment) -> None:
    """Its credentials are handed in, kept where only the functions read them,
    used, never answered with, and removed with it."""
    secret = {"access_key_id": run.cloud.key[0], "access_key_secret": run.cloud.key[1]}
    body = {"provider": "aliyun", "default_region": sorted(run.cloud.truth())[0], "kinds": [KIND],
            "endpoint": run.cloud.url, "enabled": False, "secret": secret}
    for method, path, sent, wanted in (
            ("PUT", "/accounts/team", body, 201),
            ("GET", "/accounts/team", None, 200),
            ("GET", "/accounts", None, 200),
            ("PATCH", "/accounts/team", {"name": "The team's", "secret": secret}, 200),
            ("POST", "/accounts/team/verify", None, 200),
            ("POST", "/accounts/team/resume", None, 200),
            ("DELETE", "/accounts/team", None, 204),
            ("GET", "/accounts/team", None, 404)):
        status, answer = signed(run, method, path, sent)
        equal(status, wanted, f"{method} {path}: {answer}")
        check(run.cloud.key[1] not in json.dumps(answer), f"{method} {path} answers with a secret")
        check(not path.endswith("/verify") or answer["works"], f"{method} {path}: {answer}")


def sync_again(run: Deployment, status: str = "success") -> dict:
    """Asks the dispatcher for a full sync, twice with the same event, and
    returns the one task once it ended as it should."""
    run.requests += 1
    event = {"id": f"request-{run.requests}", "time": "2026-11-23T10:15:00Z",
             "request": {"account_ids": ["prod"]}}
    answer = run.invoke("dispatcher", event)
    equal(run.invoke("dispatcher", event), answer, "the answer to the same request again")
    task = run.ended_task(answer["task_ids"][0])
    equal(task["status"], status, f"the task ({task.get('error_message')})")
    return task


def changed(task: dict) -> tuple[int, ...]:
    """Returns how many resources a task added, updated and deleted."""
    return tuple(int(task[f"{name}_count"]) for name in ("added", "updated", "deleted"))


def what_differs_is_found_and_nothing_else(run: Deployment) -> None:
    """With a row that is out of date, one of an instance that does not exist
    and one that is lost, a sync updates, deletes and adds one."""
    rows, table = run.items("resources"), run.table("resources")
    stale, other, lost = rows[0], rows[1], rows[2]
    table.put_item(Item=stale | {"name": "its name before", "fingerprint": other["fingerprint"]})
    table.put_item(Item=stale | {"id": "i-phantom"})
    equal(changed(sync_again(run)), (0, 1, 1), "added, updated, deleted")
    changes = {(change["id"], int(change["version"])): change for change in run.items("changes")}
    renamed = changes[stale["id"], 2]
    equal((renamed["change"], renamed["fields"]["name"]["old"], renamed["fields"]["name"]["new"]),
          ("updated", "its name before", stale["name"]), "the change of the name")
    equal(changes["i-phantom", 2]["change"], "deleted", "the change of the phantom")
    dead = table.get_item(Key={"scope": stale["scope"], "id": "i-phantom"})["Item"]
    check(dead["deleted_at"] and "live" not in dead, f"no tombstone: {dead}")
    # Without its history too: with it, this would be a write to be finished.
    key = {"scope": lost["scope"], "id": lost["id"]}
    table.delete_item(Key=key)
    run.table("changes").delete_item(
        Key={"resource": f"{lost['scope']}#{lost['id']}", "version": 1})
    equal(changed(sync_again(run)), (1, 0, 0), "added, updated, deleted")
    check("Item" in table.get_item(Key=key), "the lost row is not there again")


def the_bus_tells_what_differed(run: Deployment, listener: Listener) -> None:
    """A rule is told of the row that was changed, with what it was and is."""
    renamed = listener.hears("a name that changed", lambda event: (
        event["detail-type"] == "Resource Updated"
        and event["detail"]["changed_fields"] == ["name"]))
    equal(renamed[0]["detail"]["fields"]["name"]["old"], "its name before", "the old name")
    deleted = listener.hears("the phantom", lambda event: (
        event["detail-type"] == "Resource Deleted"))
    equal([event["detail"]["resource_id"] for event in deleted], ["i-phantom"],
          "what was told to be deleted")


def a_vendors_event_changes_the_row_that_it_names(run: Deployment, listener: Listener) -> None:
    """An event is taken with the account's own secret only, and the row that
    it names is right soon after; the bus tells of it."""
    row, other = run.live_rows()[:2]
    wanted, before = row["name"], "its name before the event"
    region = row["scope"].split("#")[2]
    run.table("resources").put_item(Item=row | {"name": before, "fingerprint": other["fingerprint"]})
    account = run.table("accounts").get_item(Key={"account_id": "prod"})["Item"]
    number = account["identity"]["account_number"]
    event = json.dumps({
        "specversion": "1.0", "id": "of-the-deployment", "source": "acs.ecs",
        "type": "ecs:Instance:StateChange", "time": "2026-11-22T22:01:14.058+08:00",
        "subject": f"acs:ecs:{region}:{number}:instance/{row['id']}",
        "datacontenttype": "application/json;charset=utf-8",
        "aliyunaccountid": number, "aliyunregionid": region, "aliyuneventbusname": "default",
        "data": {"resourceId": row["id"], "resourceType": "ALIYUN::ECS::Instance",
                 "state": "Stopping"}}).encode()
    url = f"{run.stack.url}/hooks/aliyun?account=prod"
    headers = {"Host": run.outputs["ApiUrl"].split("/")[2], "content-type": "application/json"}
    equal(http(url, data=event, headers=headers, timeout=40)[0], 401, "an event without a secret")
    equal(http(url, data=event, headers=headers | {"x-hook-token": "guessed"}, timeout=40)[0], 401,
          "an event with another secret")
    headers |= {"x-hook-token": HOOK_TOKEN}
    status, body = http(url, data=event, headers=headers, timeout=40)
    equal((status, json.loads(body)["taken"]), (202, 1), f"the event: {body}")
    key = {"scope": row["scope"], "id": row["id"]}

    def is_right() -> bool:
        return run.table("resources").get_item(Key=key)["Item"]["name"] == wanted

    wait_for("the row to be right", 60, is_right)
    told = listener.hears("the change", lambda event: (
        event["detail-type"] == "Resource Updated"
        and event["detail"]["fields"].get("name", {}).get("old") == before))
    equal(told[0]["detail"]["resource_id"], row["id"], "what was told of")
    status, body = http(url, data=event, headers=headers, timeout=40)
    equal((status, json.loads(body)["known"]), (202, 1), f"the same event again: {body}")


def a_worker_out_of_time_hands_over(run: Deployment) -> None:
    """A worker with less time than it keeps in reserve saves a checkpoint
    after each page, and a continuation goes on from there."""
    name = f"{STACK}-region-sync"
    total = sum(len(instances) for instances in run.cloud.truth().values())
    run.lambdas.update_function_configuration(FunctionName=name, Timeout=45)
    task = sync_again(run)
    run.lambdas.update_function_configuration(FunctionName=name, Timeout=900)
    equal((int(task["total_count"]), int(task["unchanged_count"])), (total, total), "the counts")
    check(any("a continuation goes on" in line and task["task_id"] in line
              for line in run.log_lines("region-sync")), "no worker handed over")


def put_open_task(run: Deployment, task_id: str, deadline: str, account: str = "prod",
                  which: int = 0) -> tuple[str, str]:
    """Writes a task of one region that nobody works on; returns its id and
    region."""
    region = sorted(run.cloud.truth())[which]
    example = next(iter(run.tasks().values()))
    run.table("tasks").put_item(Item=example | {
        "task_id": task_id, "account_id": account, "regions": [region], "status": "running",
        "open": "open", "deadline": deadline})
    return task_id, region


def work_message(task_id: str, region: str, account: str = "prod") -> str:
    """Returns the message by which a region of a task is worked on."""
    return json.dumps({"task_id": task_id, "account_id": account, "kind": KIND, "region": region,
                       "mode": "full", "turn": 0})


def a_task_past_its_deadline_is_ended(run: Deployment) -> None:
    """The tick finds a task of which nothing was heard, and it fails."""
    task_id, _ = put_open_task(run, "20261101T000000Z-00000overdue",
                               "2026-11-01T06:00:00.000000000Z")
    at = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run.invoke("dispatcher", {"id": "sweep", "time": at})
    equal(run.ended_task(task_id)["status"], "failed", "the task")


def the_bus_tells_of_every_change_and_of_the_task(run: Deployment, listener: Listener,
                                                  task_id: str) -> None:
    """Every instance was added, each told once, and the task was told to have
    completed with its counts."""
    total = sum(len(instances) for instances in run.cloud.truth().values())
    completed = listener.hears("the task", lambda event: (
        event["detail-type"] == "Sync Task Completed" and event["detail"]["task_id"] == task_id))
    detail = completed[0]["detail"]
    equal((len(completed), detail["status"], detail["added_count"], detail["account_id"]),
          (1, "success", total, "prod"), "the events of the task")

    def added(event: dict) -> bool:
        return event["detail-type"] == "Resource Added" and event["detail"]["task_id"] == task_id

    wait_for("an event of every instance", 60,
             lambda: len(listener.hears("an instance", added)) >= total)
    told = listener.hears("an instance", added)
    equal(len({event["detail"]["event_id"] for event in told}), len(told), "the events' ids")
    truth = {identifier: one["name"] for instances in run.cloud.truth().values()
             for identifier, one in instances.items()}
    # An instance without a name has none in its event.
    equal({event["detail"]["resource_id"]: event["detail"].get("name", "") for event in told},
          truth, "the instances that were told of, and their names")
    tagged = {event["detail"]["resource_id"] for event in told
              if "tags" in event["detail"]["changed_fields"]}
    check(tagged, "no instance has tags")
    equal({event["detail"]["resource_id"] for event in listener.receive(listener.tag_queue)},
          tagged, "what the sample rule put on its queue")


def the_command_line_tells_what_the_bus_does(run: Deployment, listener: Listener) -> None:
    """`changes --follow` over the deployed tables writes the same documents."""
    command = [run.program, "changes", "--follow", "--json", "--since", "1h", "--aws",
               "--table-prefix", run.prefix]
    environment = run.stack.client_environment() | {
        "PATH": harness.CLEAN_PATH, "HOME": str(run.stack.directory)}
    wanted = {event["detail"]["event_id"]: event for event in listener.heard}
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as follow:
        found = {}
        while not wanted.keys() <= found.keys():
            line = follow.stdout.readline()
            check(bool(line), f"it ended after {len(found)} of {len(wanted)} documents")
            document = json.loads(line)
            identifier = document["detail"]["event_id"]
            check(identifier not in found, f"{identifier} came twice")
            found[identifier] = document
        follow.terminate()
    for identifier, event in wanted.items():
        document = found[identifier]
        equal((document["source"], document["detail-type"], document["detail"]),
              (event["source"], event["detail-type"], event["detail"]), f"event {identifier}")


class Operator:
    """Somebody who reads the notices."""

    def __init__(self, run: Deployment) -> None:
        self.run, self.heard = run, []
        self.queue = run.sqs.create_queue(QueueName="operator")["QueueUrl"]
        arn = run.sqs.get_queue_attributes(
            QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = run.outputs["OperatorTopicArn"]
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                     "Action": "sqs:SendMessage", "Resource": arn,
                     "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        run.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        run.stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def receive(self) -> None:
        """Takes what there is, as kind and text."""
        got = self.run.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        for message in got.get("Messages", []):
            notice = json.loads(message["Body"])
            # Alarms come without a kind.
            kind = notice.get("MessageAttributes", {}).get("kind", {}).get("Value")
            self.heard.append((kind, f"{notice.get('Subject')}\n{notice['Message']}"))
            self.run.sqs.delete_message(QueueUrl=self.queue,
                                        ReceiptHandle=message["ReceiptHandle"])

    def hears_of(self, kind: str, *words: str) -> None:
        """Waits for a notice of this kind with all these words, and sees that
        there is one only."""

        def probe() -> list[str]:
            self.receive()
            return [text for of, text in self.heard
                    if of == kind and all(word in text for word in words)]

        try:
            found = wait_for(f"a notice '{kind}' of {words}", 60, probe)
            equal(len(found), 1, f"the notices '{kind}' of {words}")
        except Failed as failed:
            raise Failed(f"{failed}; heard: {self.heard}") from None


def more_than_is_plausible_is_held_until_an_operator_decides(run: Deployment,
                                                             operator: Operator) -> None:
    """Forty rows of instances that do not exist are not deleted but told of,
    once, and deleted by the sync after an operator approved it."""
    row, table = run.live_rows()[0], run.table("resources")
    account, kind, region = row["scope"].split("#")
    phantoms = [f"i-phantom{number:02}" for number in range(40)]
    for phantom in phantoms:
        table.put_item(Item=row | {"id": phantom})
    first = sync_again(run, "partial")
    equal((changed(first), int(first["held_count"])), ((0, 0, 0), 40), "the first sync")
    equal(int(sync_again(run, "partial")["held_count"]), 40, "what is held once more")
    operator.hears_of("deletions_held", "40 resources of", region, first["task_id"])
    operator.hears_of("deletions_held", region)
    status, page = signed(run, "GET", f"/deletions?region={region}")
    equal((status, [held["count"] for held in page["items"]]), (200, [40]), f"what is held: {page}")
    equal(sorted(held["id"] for held in page["items"][0]["rows"]), phantoms, "the held rows")
    rule = {"account_id": account, "kind": kind, "region": region, "decision": "approve"}
    status, answer = signed(run, "POST", "/deletions", rule)
    equal((status, answer.get("ids")), (200, phantoms), f"the approval: {answer}")
    equal(changed(sync_again(run)), (0, 0, 40), "added, updated, deleted")
    for phantom in phantoms:
        dead = table.get_item(Key={"scope": row["scope"], "id": phantom})["Item"]
        check(dead["deleted_at"] and "live" not in dead, f"no tombstone: {dead}")


def a_poisoned_message_is_dead_lettered_with_a_reason(run: Deployment, operator: Operator) -> None:
    """What cannot be read goes to the dead-letter queue, and the operators
    are told; it does not go round for ever."""
    run.sqs.send_message(QueueUrl=run.outputs["WorkQueueUrl"], MessageBody='{"poison":',
                         MessageGroupId="poison", MessageDeduplicationId="poison")
    operator.hears_of("dead_letter", "not a work message", "poison")
    for name in ("WorkQueueUrl", "WorkDeadLetterQueueUrl"):
        wait_for(f"an empty {name}", 20, lambda name=name: depth(run, name) == 0)


def depth(run: Deployment, queue: str) -> int:
    """Returns how many messages a queue has, those in flight included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = run.sqs.get_queue_attributes(QueueUrl=run.outputs[queue], AttributeNames=names)
    return sum(int(count) for count in found["Attributes"].values())


def a_dead_work_message_is_its_regions_failure(run: Deployment, operator: Operator) -> None:
    """A message that was given up ends its region and its task."""
    task_id, region = put_open_task(run, "20261101T000000Z-deadletter00",
                                    "2100-01-01T00:00:00.000000000Z")
    run.sqs.send_message(QueueUrl=run.outputs["WorkDeadLetterQueueUrl"],
                         MessageBody=work_message(task_id, region), MessageGroupId="dead",
                         MessageDeduplicationId="dead")
    task = run.ended_task(task_id)
    equal(task["status"], "failed", "the task")
    check("too many deliveries" in task["error_message"], task["error_message"])
    operator.hears_of("dead_letter", task_id)
    operator.hears_of("task_failed", task_id)


def what_nobody_can_handle_is_dead_lettered_and_ends_its_task(run: Deployment,
                                                              operator: Operator) -> None:
    """A message that fails at every delivery reaches the dead-letter queue by
    its count, and from there its region and its task have failed."""
    task_id, region = put_open_task(run, "20261101T000000Z-00000poisoned",
                                    "2100-01-01T00:00:00.000000000Z", account="poisoned")
    accounts, work = run.table("accounts"), run.outputs["WorkQueueUrl"]
    policy = run.sqs.get_queue_attributes(
        QueueUrl=work, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    equal(int(json.loads(policy)["maxReceiveCount"]), 8, "the deliveries of a message")
    # Eight deliveries wait for ten minutes in between.
    fewer = json.dumps(json.loads(policy) | {"maxReceiveCount": 2})
    run.sqs.set_queue_attributes(QueueUrl=work, Attributes={"RedrivePolicy": fewer})
    accounts.put_item(Item={"account_id": "poisoned", "account": "no account"})
    run.sqs.send_message(QueueUrl=work, MessageBody=work_message(task_id, region, "poisoned"),
                         MessageGroupId="poisoned", MessageDeduplicationId="poisoned")
    task = run.ended_task(task_id)
    accounts.delete_item(Key={"account_id": "poisoned"})
    run.sqs.set_queue_attributes(QueueUrl=work, Attributes={"RedrivePolicy": policy})
    equal(task["status"], "failed", "the task")
    check("too many deliveries" in task["error_message"], task["error_message"])
    equal(sum("the message comes again" in line and task_id in line
              for line in run.log_lines("region-sync")), 2, "the deliveries that failed")
    operator.hears_of("dead_letter", task_id)
    operator.hears_of("task_failed", task_id)


def what_failed_of_a_batch_is_delivered_again_and_nothing_else(run: Deployment) -> None:
    """Of two dead letters that come together one has to wait, since a worker
    holds its scope: the other is done with, and that one comes again."""
    deadline = "2100-01-01T00:00:00.000000000Z"
    free, free_region = put_open_task(run, "20261101T000000Z-000000000free", deadline)
    held, held_region = put_open_task(run, "20261101T000000Z-000000000held", deadline, which=1)
    scopes, queue = run.table("scopes"), run.outputs["WorkDeadLetterQueueUrl"]
    key = {"account_id": "prod", "entry": f"{KIND}#{held_region}"}
    until = (int(time.time()) + 3600) * 1_000_000_000
    scopes.update_item(
        Key=key, UpdateExpression="SET lease_owner = :owner, lease_until = :until, "
                                  "lease_tasks = :tasks",
        ExpressionAttributeValues={":owner": "a worker", ":until": until, ":tasks": {held}})
    run.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "5"})
    mapping = next(found["UUID"] for found in run.lambdas.list_event_source_mappings(
        FunctionName=f"{STACK}-finalizer")["EventSourceMappings"]
        if found["EventSourceArn"].endswith("-work-dlq.fifo"))
    run.lambdas.update_event_source_mapping(UUID=mapping, Enabled=False)
    for task_id, region in ((held, held_region), (free, free_region)):
        run.sqs.send_message(QueueUrl=queue, MessageBody=work_message(task_id, region),
                             MessageGroupId=task_id, MessageDeduplicationId=task_id)
    run.lambdas.update_event_source_mapping(UUID=mapping, Enabled=True)
    equal(run.ended_task(free)["status"], "failed", "the task whose scope is free")

    def comes_again() -> bool:
        return sum("the message comes again" in line and held_region in line
                   for line in run.log_lines("finalizer")) >= 2

    wait_for("the held scope's message to come twice", 60, comes_again)
    equal(run.tasks()[held]["status"], "running", "the task whose scope is held")
    scopes.update_item(Key=key, UpdateExpression="REMOVE lease_owner, lease_until, lease_tasks")
    equal(run.ended_task(held)["status"], "failed", "the task whose scope was held")
    equal(sum("region given up" in line and free in line
              for line in run.log_lines("finalizer")), 1, "how often the free one was handled")
    wait_for("an empty queue", 30, lambda: depth(run, "WorkDeadLetterQueueUrl") == 0)


def refused_credentials_suspend_the_account(run: Deployment, operator: Operator) -> None:
    """Both functions that meet a refusal suspend the account and tell of it:
    the dispatcher, who asks for regions, and the worker."""
    run.put_account("refused", ("nobody", "x" * 16))
    event = {"id": "refused", "time": "2026-11-23T10:15:00Z",
             "request": {"account_ids": ["refused"]}}
    equal(run.invoke("dispatcher", event), {"task_ids": [], "problems": 1}, "the dispatcher")
    operator.hears_of("account_suspended", "account suspended: refused")
    accounts = run.table("accounts")
    check(accounts.get_item(Key={"account_id": "refused"})["Item"]["suspended"],
          "the account is not suspended")
    # With regions that are known, the worker is the first to be refused.
    known = accounts.get_item(Key={"account_id": "prod"})["Item"]["regions"]
    run.put_account("revoked", ("nobody", "y" * 16))
    accounts.update_item(Key={"account_id": "revoked"}, UpdateExpression="SET regions = :known",
                         ExpressionAttributeValues={":known": known})
    answer = run.invoke("dispatcher", event | {
        "id": "revoked", "request": {"account_ids": ["revoked"]}})
    task = run.ended_task(answer["task_ids"][0])
    equal(task["status"], "failed", "the task of the account that is refused")
    operator.hears_of("account_suspended", "account suspended: revoked")
    operator.hears_of("task_failed", task["task_id"])


def the_bus_tells_of_the_suspensions(run: Deployment, listener: Listener) -> None:
    """Each account that was suspended is told of once, and without anything of
    its credentials."""
    for account in ("refused", "revoked"):
        told = listener.hears(f"the suspension of {account}", lambda event, account=account: (
            event["detail-type"] == "Account Suspended"
            and event["detail"]["account_id"] == account))
        equal(len(told), 1, f"the events of {account}")
        check("digest" not in json.dumps(told), f"{told}")


def no_secret_is_anywhere(run: Deployment, listener: Listener) -> None:
    """The vendor's secret is in no log, row, task, event or message."""
    secrets = {HOOK_TOKEN, run.cloud.key[1], "x" * 16, "y" * 16}
    tables = ("accounts", "scopes", "tasks", "resources", "changes")
    texts = {f"the log of {name}": "\n".join(run.log_lines(name)) for name in FUNCTIONS}
    texts |= {"the event bus": json.dumps(listener.heard)}
    texts |= {f"table {name}": json.dumps(run.items(name), default=repr) for name in tables}
    for place, text in texts.items():
        check(not any(secret in text for secret in secrets), f"a secret is in {place}")


def the_logs_are_structured(run: Deployment) -> None:
    """Every function's lines are JSON; a region and a task each have their
    line of metrics."""
    for function in FUNCTIONS:
        lines = [line for line in run.log_lines(function) if line.startswith("{")]
        check(lines, f"{function} logged nothing")
        for line in lines:
            json.loads(line)
    for function in ("region-sync", "finalizer"):
        check(any('"CloudWatchMetrics"' in line for line in run.log_lines(function)),
              f"{function} wrote no metrics")


def main() -> None:
    """Runs everything, in order; each step is a sentence that holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--template", type=Path, required=True, help="the built template")
    parser.add_argument("--sam", default="sam", help="the SAM CLI")
    parser.add_argument("--program", required=True, help="the program cloud-sync")
    parser.add_argument("--instances", type=int, default=250)
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    with (Workplace() as place, SimulatedCloud(place, program, 3, arguments.instances) as cloud,
          MiniStack(place, auth=True) as stack):
        started = time.monotonic()
        outputs = stack.deploy(STACK, arguments.template.resolve(), arguments.sam,
                               ScheduleState="DISABLED")
        allow_batches(stack)
        run = Deployment(stack, cloud, outputs, program)
        run.put_account("prod", cloud.key, HOOK_TOKEN)
        operator, listener = Operator(run), Listener(run)

        def step(action, *values: object) -> object:
            answer = action(run, *values)
            print(f"  {time.monotonic() - started:6.1f} s  {action.__name__.replace('_', ' ')}")
            return answer

        try:
            event = step(the_schedule_goes_off)
            task_id = step(the_task_counts_what_the_cloud_holds)
            step(the_rows_equal_the_cloud)
            step(the_bus_tells_of_every_change_and_of_the_task, listener, task_id)
            step(the_command_line_tells_what_the_bus_does, listener)
            step(the_same_tick_again_starts_nothing, event, task_id)
            step(the_api_starts_a_sync_that_finds_no_change)
            step(the_api_may_do_what_its_routes_do, task_id)
            step(an_account_is_written_verified_and_removed_over_http)
            step(what_differs_is_found_and_nothing_else)
            step(the_bus_tells_what_differed, listener)
            step(more_than_is_plausible_is_held_until_an_operator_decides, operator)
            step(a_vendors_event_changes_the_row_that_it_names, listener)
            step(a_worker_out_of_time_hands_over)
            step(a_task_past_its_deadline_is_ended)
            step(a_poisoned_message_is_dead_lettered_with_a_reason, operator)
            step(a_dead_work_message_is_its_regions_failure, operator)
            step(what_nobody_can_handle_is_dead_lettered_and_ends_its_task, operator)
            step(what_failed_of_a_batch_is_delivered_again_and_nothing_else)
            step(refused_credentials_suspend_the_account, operator)
            step(the_bus_tells_of_the_suspensions, listener)
            step(the_logs_are_structured)
            step(no_secret_is_anywhere, listener)
        except Exception:
            run.print_logs()
            raise


if __name__ == "__main__":
    harness.run("deploy", main)
