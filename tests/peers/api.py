"""The HTTP API, held to its own document by programs that nobody here wrote.

`cloud-sync serve` runs over the simulated cloud with one account. A client
that openapi-python-client makes of `/openapi.json` lives through one story:
it creates an account, has it verified, syncs it, waits, asks, and cancels.
Then schemathesis asks everything that the document allows, and much that it
forbids, following its links: no answer may be one that it does not announce.
"""

import argparse
import importlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from harness import (CLEAN_PATH, Failed, Server, SimulatedCloud, Workplace, check, equal,
                     free_port, http, run, wait_for)

HERE = Path(__file__).resolve().parent
# Longer than it takes on a machine that does much else.
SECONDS = 900
KIND = "aliyun.ecs.instance"
LATENCY_MS = 300
# As schemathesis.toml has it.
HOOK_TOKEN = "the-secret-of-the-hook-of-prod"

class Service(Server):
    """The whole service on this machine, with a token."""

    def __init__(self, directory: Path, program: str, cloud: SimulatedCloud) -> None:
        self.port, self.token = free_port(), secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self.port}"
        regions = sorted(cloud.truth())
        (directory / "accounts.toml").write_text(
            '[[accounts]]\nid = "prod"\nprovider = "aliyun"\n'
            f'kinds = ["{KIND}"]\n'
            f'default_region = "{regions[0]}"\nendpoint = "{cloud.url}"\n'
            'credentials = { env = "PROD" }\nhook = { env = "PROD_HOOK" }\n'
            # What is missing is held until somebody approves it.
            'deletion = { plausible_count = 0, plausible_percent = 0, agreeing_listings = 1000000 }\n')
        command = [program, "serve", "-v", "--listen", f"127.0.0.1:{self.port}", "--every", "1h"]
        environment = {"PATH": CLEAN_PATH, "HOME": str(directory),
                       "CLOUD_SYNC_API_TOKEN": self.token, "PROD_HOOK": HOOK_TOKEN}
        # Accounts that schemathesis makes up have hosts of real vendors: no
        # request to them leaves this machine.
        nowhere = f"http://127.0.0.1:{free_port()}"
        environment |= {"HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
                        "AWS_EC2_METADATA_DISABLED": "true"}
        for name, key in (("PROD", cloud.key), ("STORY", cloud.key), ("WRONG", ("nobody", "no"))):
            environment[f"{name}_ACCESS_KEY_ID"], environment[f"{name}_ACCESS_KEY_SECRET"] = key
        super().__init__("serve", command, environment, directory)

    def __enter__(self) -> "Service":
        super().__enter__()
        try:
            self.wait_until(60, self.is_well)
        except Failed as failed:
            self.__exit__(failed)
            raise
        return self

    def is_well(self) -> bool:
        """Tells whether it answers."""
        try:
            return http(f"{self.url}/healthz", timeout=1)[0] == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: dict | None = None) -> tuple[int, bytes]:
        """Returns what it answers to who has the token."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return http(f"{self.url}{path}", data=data, headers=headers, method=method)

    def document(self) -> bytes:
        """Returns what it says of itself."""
        status, body = self.ask("GET", "/openapi.json")
        equal(status, 200, "the document's status")
        return body


def made_client(directory: Path, document: bytes) -> None:
    """Makes a client of the document, and lets it be imported."""
    (directory / "openapi.json").write_bytes(document)
    config = directory / "client.yml"
    config.write_text("project_name_override: cloud-sync-client\n"
                      "package_name_override: cloud_sync_client\n"
                      "content_type_overrides:\n"
                      "  application/problem+json: application/json\n"
                      "post_hooks: []\n")
    tool = Path(sys.executable).with_name("openapi-python-client")
    done = subprocess.run(
        [str(tool), "generate", "--path", "openapi.json", "--meta", "none", "--config",
         str(config), "--output-path", "cloud_sync_client", "--fail-on-warning"],
        cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode == 0, f"no client can be made of the document:\n{done.stdout}")
    sys.path.insert(0, str(directory))


class Story:
    """One account's life, told through the client that was made."""

    def __init__(self, service: Service, cloud: SimulatedCloud, later: SimulatedCloud,
                 document: bytes) -> None:
        package = importlib.import_module("cloud_sync_client")
        self.client = package.AuthenticatedClient(base_url=service.url, token=service.token)
        self.models = importlib.import_module("cloud_sync_client.models")
        self.cloud, self.later = cloud, later
        self.modules = {
            f"{method.upper()} {path}": f"{operation['tags'][0]}.{operation['operationId']}"
            for path, item in json.loads(document)["paths"].items()
            for method, operation in item.items()
        }

    def call(self, route: str, *path: str, status: int, **arguments: object):
        """Calls a route, and returns what the client read of the answer."""
        module = importlib.import_module(f"cloud_sync_client.api.{self.modules[route]}")
        answer = module.sync_detailed(*path, client=self.client, **arguments)
        equal(int(answer.status_code), status, f"{route} {path}: {answer.content[:500]!r}")
        return answer.parsed

    def everything(self, route: str, *path: str, **arguments: object) -> list:
        """Returns the items of all pages of a list."""
        items, cursor = [], {}
        while True:
            page = self.call(route, *path, status=200, limit=250, **cursor, **arguments)
            items += page.items
            if not page.cursor:
                return items
            cursor = {"cursor": page.cursor}

    def ended(self, task_id: str):
        """Waits for a task's end."""

        def look():
            task = self.call("GET /tasks/{id}", task_id, status=200)
            return task if task.status not in ("pending", "running") else None

        return wait_for(f"the end of {task_id}", 60, look)

    def account(self, cloud: SimulatedCloud, identifier: str = "story"):
        """Returns an account over a cloud, with the key that is called like it."""
        return self.models.AccountInput.from_dict({
            "id": identifier, "provider": "aliyun", "default_region": sorted(cloud.truth())[0],
            "kinds": [KIND], "endpoint": cloud.url, "credentials": {"env": identifier.upper()},
        })

    def verify(self, identifier: str) -> tuple:
        """Returns whether an account works, what its credentials are, and what
        may be listed with them."""
        found = self.call("POST /accounts/{id}/verify", identifier, status=200).to_dict()
        kinds = [(one["kind"], one["region"], one["verdict"]) for one in found["kinds"]]
        return found["works"], found["credentials"]["verdict"], kinds

    def tell(self) -> None:
        """Tells it, from the account's creation to its removal."""
        models = self.models
        region = sorted(self.cloud.truth())[0]
        self.call("PUT /accounts/{id}", "story", status=201, body=self.account(self.cloud))
        equal(self.verify("story"), (True, "ok", [(KIND, region, "ok")]), "what works")
        self.call("PUT /accounts/{id}", "wrong", status=201, body=self.account(self.cloud, "wrong"))
        equal(self.verify("wrong"), (False, "refused", []), "what works with a wrong key")
        self.call("DELETE /accounts/{id}", "wrong", status=204)

        request = models.SyncRequest.from_dict({"account_ids": ["story"]})
        key = secrets.token_hex(8)
        started = self.call("POST /syncs", status=202, body=request, idempotency_key=key)
        again = self.call("POST /syncs", status=202, body=request, idempotency_key=key)
        equal(again.task_ids, started.task_ids, "the same key's tasks")
        task = self.ended(started.task_ids[0])
        truth = {one for region in self.cloud.truth().values() for one in region}
        equal((task.status, task.added_count), ("success", len(truth)), "the first sync")

        resources = self.everything("GET /resources", account=["story"])
        equal({row.id for row in resources}, truth, "the resources")
        changes = self.everything("GET /tasks/{id}/changes", started.task_ids[0])
        equal({change.id for change in changes}, truth, "the task's changes")
        tasks = self.call("GET /tasks", status=200, account="story")
        equal([one.task_id for one in tasks.items], started.task_ids, "the account's tasks")

        plan = models.PlanRequest.from_dict({"account_ids": ["story"]})
        planned = self.call("POST /plans", status=202, body=plan)
        self.cancelled(planned.task_ids[0])
        self.a_sync_under_way_is_cancelled(truth)
        self.call("DELETE /accounts/{id}", "story", status=204)

    def cancelled(self, task_id: str):
        """Cancels a task, and returns it once it has ended."""
        self.call("POST /tasks/{id}/cancel", task_id, status=202)
        task = self.ended(task_id)
        equal(task.status, "cancelled", "the cancelled task")
        refused = self.call("POST /tasks/{id}/cancel", task_id, status=409)
        check("cancelled" in refused.detail, f"the refusal: {refused}")
        return task

    def a_sync_under_way_is_cancelled(self, before: set[str]) -> None:
        """It stops in the middle, and deletes nothing of what a whole one then
        does."""
        request = self.models.SyncRequest.from_dict({"account_ids": ["story"]})
        self.call("PUT /accounts/{id}", "story", status=200, body=self.account(self.later))
        left = {one for region in self.later.truth().values() for one in region}
        check(left < before, "no machine is gone")
        task_id = self.call("POST /syncs", status=202, body=request).task_ids[0]

        def is_under_way() -> bool:
            task = self.call("GET /tasks/{id}", task_id, status=200)
            return any(region.status == "running" for region in task.region_results)

        wait_for("the sync to be under way", 30, is_under_way)
        time.sleep(3 * LATENCY_MS / 1000)
        task = self.cancelled(task_id)
        equal(task.deleted_count, 0, "what the cancelled sync deleted")
        check(task.total_count < len(left), f"it was not stopped before its end: {task}")
        equal(self.everything("GET /tasks/{id}/changes", task_id), [], "its changes")
        rows = self.everything("GET /resources", account=["story"])
        equal({row.id for row in rows}, before, "the resources after it")

        whole = self.ended(self.call("POST /syncs", status=202, body=request).task_ids[0])
        equal((whole.status, whole.deleted_count), ("success", len(before - left)),
              "the whole sync after it")


def hold_some(service: Service, later: SimulatedCloud) -> None:
    """Lets machines of the account be missing, so that there are deletions to
    be decided on."""

    def status() -> str:
        task = json.loads(service.ask("GET", "/tasks?account=prod&limit=1")[1])["items"]
        return task[0]["status"] if task else "pending"

    wait_for("the first sync", 60, lambda: status() == "success")
    equal(service.ask("PATCH", "/accounts/prod", {"endpoint": later.url})[0], 200, "the account")
    equal(service.ask("POST", "/syncs", {"account_ids": ["prod"]})[0], 202, "the sync")
    wait_for("deletions to be held", 60, lambda: status() == "partial")


def schemathesis(service: Service, directory: Path) -> None:
    """Asks everything there is to be asked."""
    tool = Path(sys.executable).with_name("schemathesis")
    began = time.monotonic()
    done = subprocess.run(
        [str(tool), "--config-file", str(HERE / "schemathesis.toml"), "run",
         f"{service.url}/openapi.json", "--header", f"Authorization: Bearer {service.token}",
         "--phases", "examples,coverage,fuzzing,stateful", "--checks", "all",
         "--max-examples", "25", "--seed", "20261124", "--workers", "1",
         "--generation-database", "none", "--suppress-health-check", "all",
         "--request-timeout", "40", "--continue-on-failure", "--no-color"],
        cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={"PATH": CLEAN_PATH, "HOME": str(directory),
             "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py")}, timeout=SECONDS)
    print(done.stdout)
    check(done.returncode == 0, "the API does not keep what its document says")
    print(f"schemathesis: no failure, {time.monotonic() - began:.0f} s")


def reached(service: Service, document: bytes) -> None:
    """Shows how often each route answered what. Every one has succeeded."""
    line = re.compile(r'http\.method=(\S+) http\.route="([^"]+)" http\.status=(\d+)')
    never = []
    found = Counter(line.findall(service.log.read_text(errors="replace")))
    for path, item in json.loads(document)["paths"].items():
        for method in item:
            answers = {status: count for (one, route, status), count in sorted(found.items())
                       if (one, route) == (method.upper(), path)}
            print(f"{method.upper():6} {path}: "
                  + ", ".join(f"{status} × {count}" for status, count in answers.items()))
            if not any(status < "300" for status in answers):
                never.append(f"{method.upper()} {path}")
    check(not never, f"never succeeded: {', '.join(never)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="the cloud-sync to run")
    parser.add_argument("--only", choices=["story", "schemathesis"], help="only this part")
    options = parser.parse_args()
    program = str(Path(options.program).resolve())
    with (Workplace() as place,
          SimulatedCloud(place, program, regions=2, instances=60) as cloud,
          Service(place, program, cloud) as service):
        if options.only != "schemathesis":
            document = service.document()
            made_client(place, document)
            # Slow enough to be cancelled in the middle. The other is the same
            # cloud after a hundred machines went, which is plausible.
            with (SimulatedCloud(place / "slow", program, 2, 1200, LATENCY_MS) as slow,
                  SimulatedCloud(place / "later", program, 2, 1100, LATENCY_MS) as later):
                Story(service, slow, later, document).tell()
            print("the generated client's story: told")
        if options.only != "story":
            with SimulatedCloud(place / "fewer", program, 2, 50) as fewer:
                hold_some(service, fewer)
                schemathesis(service, place)
            reached(service, service.document())
        log = service.log.read_text(errors="replace")
        for secret in (service.token, cloud.key[1], HOOK_TOKEN):
            check(secret not in log, "the log holds a secret")


if __name__ == "__main__":
    run(os.path.basename(__file__), main)
