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
import secrets
import subprocess
import sys
import time
from pathlib import Path

from harness import (CLEAN_PATH, Failed, Server, SimulatedCloud, Workplace, check, equal,
                     free_port, http, run, wait_for)

HERE = Path(__file__).resolve().parent
SECONDS = 180


class Service(Server):
    """The whole service on this machine, with a token."""

    def __init__(self, directory: Path, program: str, cloud: SimulatedCloud) -> None:
        self.port, self.token = free_port(), secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self.port}"
        regions = sorted(cloud.truth())
        (directory / "accounts.toml").write_text(
            '[[accounts]]\nid = "prod"\nprovider = "aliyun"\n'
            'kinds = ["aliyun.ecs.instance"]\n'
            f'default_region = "{regions[0]}"\nendpoint = "{cloud.url}"\n'
            'credentials = { env = "PROD" }\n')
        command = [program, "serve", "-v", "--listen", f"127.0.0.1:{self.port}", "--every", "1h"]
        environment = {"PATH": CLEAN_PATH, "HOME": str(directory),
                       "CLOUD_SYNC_API_TOKEN": self.token}
        for name in ("PROD", "STORY"):
            environment[f"{name}_ACCESS_KEY_ID"] = cloud.key[0]
            environment[f"{name}_ACCESS_KEY_SECRET"] = cloud.key[1]
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

    def document(self) -> bytes:
        """Returns what it says of itself."""
        status, body = http(f"{self.url}/openapi.json",
                            headers={"authorization": f"Bearer {self.token}"})
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

    def __init__(self, service: Service, cloud: SimulatedCloud) -> None:
        package = importlib.import_module("cloud_sync_client")
        self.client = package.AuthenticatedClient(base_url=service.url, token=service.token)
        self.models = importlib.import_module("cloud_sync_client.models")
        self.cloud = cloud

    def call(self, module: str, *path: str, status: int, **arguments: object):
        """Calls an operation, and returns what the client read of the answer."""
        operation = importlib.import_module(f"cloud_sync_client.api.{module}")
        answer = operation.sync_detailed(*path, client=self.client, **arguments)
        equal(int(answer.status_code), status, f"{module}{path}: {answer.content[:500]!r}")
        return answer.parsed

    def ended(self, task_id: str):
        """Waits for a task's end."""

        def look():
            task = self.call("tasks.get_task", task_id, status=200)
            return task if task.status not in ("pending", "running") else None

        return wait_for(f"the end of {task_id}", 60, look)

    def tell(self) -> None:
        """Tells it, from the account's creation to its removal."""
        models = self.models
        regions = sorted(self.cloud.truth())
        account = models.AccountInput.from_dict({
            "id": "story", "provider": "aliyun", "default_region": regions[0],
            "kinds": ["aliyun.ecs.instance"], "endpoint": self.cloud.url,
            "credentials": {"env": "STORY"},
        })
        self.call("accounts.put_account", "story", status=201, body=account)
        verified = self.call("accounts.verify", "story", status=200)
        check("aliyun.ecs.instance" in json.dumps(verified.to_dict()), f"verified: {verified}")

        request = models.SyncRequest.from_dict({"account_ids": ["story"]})
        key = secrets.token_hex(8)
        started = self.call("syncs.create_syncs", status=202, body=request, idempotency_key=key)
        again = self.call("syncs.create_syncs", status=202, body=request, idempotency_key=key)
        equal(again.task_ids, started.task_ids, "the same key's tasks")
        task = self.ended(started.task_ids[0])
        truth = {one for region in self.cloud.truth().values() for one in region}
        equal((task.status, task.added_count), ("success", len(truth)), "the first sync")

        found, cursor = set(), {}
        while True:
            page = self.call("resources.list_resources", status=200, limit=50,
                             account_id="story", **cursor)
            found |= {row.id for row in page.items}
            if not page.cursor:
                break
            cursor = {"cursor": page.cursor}
        equal(found, truth, "the resources")
        changes = self.call("tasks.list_task_changes", started.task_ids[0], status=200, limit=1000)
        equal(len(changes.items), len(truth), "the task's changes")
        tasks = self.call("tasks.list_tasks", status=200, account_id="story")
        equal([one.task_id for one in tasks.items], started.task_ids, "the account's tasks")

        plan = models.PlanRequest.from_dict({"account_ids": ["story"]})
        planned = self.call("plans.create_plans", status=202, body=plan)
        self.call("tasks.cancel_task", planned.task_ids[0], status=202)
        equal(self.ended(planned.task_ids[0]).status, "cancelled", "the cancelled task")
        refused = self.call("tasks.cancel_task", planned.task_ids[0], status=409)
        check("cancelled" in refused.detail, f"the refusal: {refused}")
        self.call("accounts.delete_account", "story", status=204)


def schemathesis(service: Service, directory: Path) -> None:
    """Asks everything there is to be asked."""
    tool = Path(sys.executable).with_name("schemathesis")
    began = time.monotonic()
    done = subprocess.run(
        [str(tool), "--config-file", str(HERE / "schemathesis.toml"), "run",
         f"{service.url}/openapi.json", "--header", f"Authorization: Bearer {service.token}",
         "--phases", "examples,coverage,fuzzing,stateful", "--checks", "all",
         "--max-examples", "25", "--seed", "20261124", "--workers", "2",
         "--generation-database", "none", "--suppress-health-check", "all",
         "--request-timeout", "40", "--continue-on-failure", "--no-color"],
        cwd=directory, env={"PATH": CLEAN_PATH, "HOME": str(directory)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS * 2)
    print(done.stdout)
    check(done.returncode == 0, "the API does not keep what its document says")
    print(f"schemathesis: no failure, {time.monotonic() - began:.0f} s")


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
            made_client(place, service.document())
            Story(service, cloud).tell()
            print("the generated client's story: told")
        if options.only != "story":
            schemathesis(service, place)
        log = service.log.read_text(errors="replace")
        check(service.token not in log and cloud.key[1] not in log, "the log holds a secret")


if __name__ == "__main__":
    run(os.path.basename(__file__), main)
