"""Starts each bootstrap under AWS's Runtime Interface Emulator and gives it
its files of events/, against the tables and queues of MiniStack and the
simulated cloud. Together the files tell one story: the tick makes the task
that the work message is about, which the other events then ask for.

    python rie.py --emulator aws-lambda-rie-x86_64 --template template.yaml \\
        --sam sam --bootstraps target/lambda --program target/debug/cloud-sync
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import harness
from harness import (CLEAN_PATH, FUNCTIONS, REPOSITORY, Failed, MiniStack, Server, SimulatedCloud,
                     Workplace, answers, check, equal, free_port, http, put_account)

STACK = "cloud-sync"
TASK = "20261123T101500Z-08787ea2ce15"
TIMEOUTS = {"dispatcher": 300, "region-sync": 900, "finalizer": 60, "api": 29, "publisher": 60}


class Emulated(Server):
    """A function under the emulator."""

    def __init__(self, place: Path, function: str, emulator: str, bootstrap: Path,
                 environment: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
                   "--runtime-api-address", f"127.0.0.1:{free_port()}", str(bootstrap)]
        variables = {
            "PATH": CLEAN_PATH, "HOME": str(place),
            "AWS_LAMBDA_FUNCTION_NAME": f"{STACK}-{function}",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUTS[function]),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        }
        super().__init__(f"rie-{function}", command, variables | environment, place)

    def __enter__(self) -> "Emulated":
        super().__enter__()
        try:
            self.wait_until(10, answers(self.url))
        except Failed as failed:
            self.__exit__(failed)
            raise
        return self

    def invoke(self, event: str | dict) -> dict:
        """Returns the answer to an event, or to a file of events/. A failure
        comes with `errorType`."""
        if isinstance(event, str):
            event = json.loads((REPOSITORY / "events" / event).read_text())
        status, body = http(f"{self.url}/2015-03-31/functions/function/invocations",
                            data=json.dumps(event).encode(), timeout=120)
        equal(status, 200, "the emulator's status")
        return json.loads(body)


def dispatcher(function: Emulated) -> None:
    """The tick makes the task; in flight, nothing is due for another."""
    first = function.invoke("schedule.json")
    equal(first, {"task_ids": [TASK], "problems": 0}, "schedule.json")
    equal(function.invoke("schedule-eventbridge.json"), {"task_ids": [], "problems": 0},
          "schedule-eventbridge.json")
    answer = function.invoke("on-demand.json")
    equal((len(answer["task_ids"]), answer["problems"]), (1, 0), "on-demand.json")
    equal(function.invoke("on-demand.json"), answer, "on-demand.json once more")
    check("errorType" in function.invoke({"surprise": True}), "an event of another shape is taken")


def region_sync(function: Emulated) -> None:
    """The work message is done, twice with the same result; what cannot be
    read comes again, until the queue gives it up."""
    equal(function.invoke("work.json"), {"batchItemFailures": []}, "work.json")
    equal(function.invoke("work.json"), {"batchItemFailures": []}, "work.json once more")
    failures = function.invoke("work-malformed.json")["batchItemFailures"]
    message = json.loads((REPOSITORY / "events" / "work-malformed.json").read_text())
    equal([failure["itemIdentifier"] for failure in failures],
          [message["Records"][0]["messageId"]], "work-malformed.json")


def finalizer(function: Emulated) -> None:
    """Results end the task; a dead letter of a task that has ended is no harm."""
    equal(function.invoke("results.json"), {"batchItemFailures": []}, "results.json")
    equal(function.invoke("dead-letter.json"), {"batchItemFailures": []}, "dead-letter.json")


def api(function: Emulated, instances: int) -> None:
    """The task that all the other events were about ended in success."""
    equal(function.invoke("api-health.json")["statusCode"], 200, "api-health.json")
    answer = function.invoke("api-get-task.json")
    equal(answer["statusCode"], 200, "api-get-task.json")
    task = json.loads(answer["body"])
    equal((task["task_id"], task["status"], task["added_count"], task["error_count"]),
          (TASK, "success", instances, 0), "the task")
    # The dispatcher's other task waits for a worker for ever here.
    answer = function.invoke("api-post-syncs.json")
    equal(answer["statusCode"], 409, "api-post-syncs.json beside a sync of the same")
    equal(len(json.loads(answer["body"])["task_ids"]), 1, "the task that is named")
    event = json.loads((REPOSITORY / "events" / "api-post-syncs.json").read_text())
    event |= {"rawPath": "/plans", "body": json.dumps({"account_ids": ["prod"]})}
    event["requestContext"]["http"]["path"] = "/plans"
    answer = function.invoke(event)
    equal(answer["statusCode"], 202, "a plan beside it")
    equal(len(json.loads(answer["body"])["task_ids"]), 1, "the plan's tasks")


def publisher(function: Emulated) -> None:
    """What the streams tell is taken by the bus."""
    for table in ("changes", "tasks", "accounts"):
        equal(function.invoke(f"stream-{table}.json"), {"batchItemFailures": []},
              f"stream-{table}.json")


def main() -> None:
    """Runs every function's events, in the order in which the service would."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emulator", required=True)
    parser.add_argument("--template", type=Path, required=True, help="the built template")
    parser.add_argument("--sam", default="sam")
    parser.add_argument("--bootstraps", type=Path, required=True,
                        help="a directory with FUNCTION/bootstrap")
    parser.add_argument("--program", required=True, help="the program cloud-sync")
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    with (Workplace() as place, SimulatedCloud(place, program, 1, 120) as cloud,
          MiniStack(place, auth=False) as stack):
        outputs = stack.deploy(STACK, arguments.template.resolve(), arguments.sam,
                               ScheduleState="DISABLED")
        # The functions of the stack would take the messages.
        lambdas = stack.client("lambda")
        for mapping in lambdas.list_event_source_mappings()["EventSourceMappings"]:
            lambdas.delete_event_source_mapping(UUID=mapping["UUID"])
        truth = cloud.truth()
        equal(sorted(truth), ["cn-hangzhou"], "the regions of the simulated cloud")
        put_account(stack, program, outputs["TablePrefix"], cloud, "prod", cloud.key)
        environment = stack.client_environment() | {
            "TABLE_PREFIX": outputs["TablePrefix"],
            "WORK_QUEUE_URL": outputs["WorkQueueUrl"],
            "RESULTS_QUEUE_URL": outputs["ResultsQueueUrl"],
            "NOTIFY_TOPIC_ARN": outputs["OperatorTopicArn"],
            "EVENT_BUS_NAME": outputs["EventBusName"],
            "METRICS_NAMESPACE": "CloudSync", "RUST_LOG": "info",
        }
        instances = len(truth["cn-hangzhou"])
        tests = {"dispatcher": dispatcher, "region-sync": region_sync, "finalizer": finalizer,
                 "api": lambda function: api(function, instances), "publisher": publisher}
        for name in FUNCTIONS:
            bootstrap = (arguments.bootstraps / name / "bootstrap").resolve()
            check(os.access(bootstrap, os.X_OK), f"{bootstrap} is not there, or not executable")
            started = time.monotonic()
            with Emulated(place, name, arguments.emulator, bootstrap, environment) as function:
                tests[name](function)
            print(f"  {time.monotonic() - started:6.1f} s  {name} answers its events")


if __name__ == "__main__":
    harness.run("rie", main)
