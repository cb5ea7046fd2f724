"""What the peer tests have in common: processes that are started, watched and
ended, and the servers among them. Everything listens on loopback only."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
ROOT_KEY = ("test", "test")
FUNCTIONS = ("dispatcher", "region-sync", "finalizer", "api", "publisher")
CLEAN_PATH = "/usr/local/bin:/usr/bin:/bin"


class Failed(Exception):
    """Something is not as it has to be."""


def check(holds: bool, text: str) -> None:
    """Fails with `text` unless the condition holds."""
    if not holds:
        raise Failed(text)


def equal(found: object, wanted: object, what: str) -> None:
    """Fails unless both are equal."""
    check(found == wanted, f"{what}: found {found!r}, wanted {wanted!r}")


def wait_for(what: str, seconds: float, probe: Callable[[], object]) -> object:
    """Returns the first truthy answer of `probe`; fails after some seconds."""
    until = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        check(time.monotonic() < until, f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.2)


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def http(url: str, data: bytes | None = None, headers: dict | None = None,
         method: str | None = None, timeout: float = 10) -> tuple[int, bytes]:
    """Returns the status and body of an answer, whatever the status is."""
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def run(name: str, main: Callable[[], None]) -> None:
    """Runs a test as a program: its servers end with it, also where it is
    told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Failed as failed:
        sys.exit(f"{name}: {failed}")


class Server:
    """A process with a log, ended with the `with` block that began it."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str],
                 directory: Path) -> None:
        self.name, self.command, self.environment = name, command, environment
        self.directory = directory
        self.log = directory / f"{name}.log"

    def __enter__(self) -> "Server":
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if kind is not None:
            print(f"--- the end of the log of {self.name} ---\n{self.tail()}", file=sys.stderr)

    def tail(self, lines: int = 60) -> str:
        """Returns the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, seconds: float, probe: Callable[[], object]) -> object:
        """Waits for the server; fails at once where its process has ended."""

        def answer() -> object:
            code = self.process.poll()
            check(code is None, f"{self.name} ended with code {code}")
            return probe()

        return wait_for(self.name, seconds, answer)


def answers(url: str) -> Callable[[], bool]:
    """Returns a probe that tells whether anything answers at a URL."""

    def probe() -> bool:
        try:
            http(url, timeout=1)
            return True
        except OSError:
            return False

    return probe


class MiniStack(Server):
    """The AWS services, in a process. With `auth`, roles are held to their
    policies."""

    def __init__(self, directory: Path, auth: bool) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        home = directory / "ministack"
        environment = {
            "PATH": CLEAN_PATH, "HOME": str(home), "TMPDIR": str(home / "tmp"),
            "GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1",
            # An API's host ends in it, and nothing that ends in a number but an
            # address is a host.
            "MINISTACK_HOST": "localhost", "MINISTACK_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url, "LAMBDA_EXECUTOR": "local",
            "AUTH": "true" if auth else "false",
        }
        (home / "tmp").mkdir(parents=True)
        executable = Path(sys.executable).with_name("ministack")
        super().__init__("ministack", [str(executable)], environment, home)

    def __enter__(self) -> "MiniStack":
        super().__enter__()
        try:
            self.wait_until(30, answers(f"{self.url}/_ministack/health"))
        except Failed as failed:
            self.__exit__(failed)
            raise
        return self

    def client_environment(self) -> dict[str, str]:
        """Returns the variables by which an AWS client finds it, as root."""
        return {
            "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ROOT_KEY[0], "AWS_SECRET_ACCESS_KEY": ROOT_KEY[1],
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str):
        """Returns a client with the rights of root."""
        import boto3

        return boto3.client(service, endpoint_url=self.url, region_name=REGION,
                            aws_access_key_id=ROOT_KEY[0], aws_secret_access_key=ROOT_KEY[1])

    def deploy(self, stack: str, template: Path, sam: str, **parameters: str) -> dict[str, str]:
        """Deploys a built template with the SAM CLI; returns the outputs."""
        command = [
            sam, "deploy", "--template-file", str(template),
            "--stack-name", stack, "--capabilities", "CAPABILITY_IAM", "--resolve-s3",
            "--no-confirm-changeset", "--no-progressbar", "--region", REGION,
            "--parameter-overrides", *[f"{name}={value}" for name, value in parameters.items()],
        ]
        environment = self.client_environment() | {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "SAM_CLI_TELEMETRY": "0"}
        done = subprocess.run(command, env=environment, cwd=self.directory, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check(done.returncode == 0, f"sam deploy failed:\n{done.stdout}")
        described = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        equal(described["StackStatus"], "CREATE_COMPLETE", "the stack")
        return {out["OutputKey"]: out["OutputValue"] for out in described["Outputs"]}


class SimulatedCloud(Server):
    """The vendor. `truth` tells what it really holds, by region and id."""

    def __init__(self, directory: Path, program: str, regions: int, instances: int,
                 latency_ms: int = 2) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.truth_file = directory / "truth.json"
        # The keys follow from the seed; the secret opens nothing else.
        seed = 4711
        self.key = (f"LTAI5tSimulated{seed}", f"simulated-secret-{seed}")
        command = [
            program, "simulated-cloud", "--listen", f"127.0.0.1:{self.port}", "--seed", str(seed),
            "--instances", str(instances), "--regions", str(regions), "--latency-ms", str(latency_ms),
            "--truth", str(self.truth_file),
        ]
        environment = {"PATH": CLEAN_PATH, "HOME": str(directory)}
        super().__init__("simulated-cloud", command, environment, directory)

    def __enter__(self) -> "SimulatedCloud":
        super().__enter__()
        try:
            self.wait_until(30, lambda: self.truth_file.exists() and answers(self.url)())
        except Failed as failed:
            self.__exit__(failed)
            raise
        return self

    def truth(self) -> dict[str, dict[str, dict]]:
        """Returns what it holds: region → id → instance."""
        account = json.loads(self.truth_file.read_text())["accounts"][0]
        return {region: {one["id"]: one for one in instances}
                for region, instances in account["regions"].items()}


class Workplace:
    """A directory for everything a test writes, removed at its end."""

    def __enter__(self) -> Path:
        self.path = Path(tempfile.mkdtemp(prefix="cloud-sync-peers-"))
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def put_account(stack: MiniStack, program: str, table_prefix: str, cloud: SimulatedCloud,
                identifier: str, key: tuple[str, str], hook_token: str = "") -> None:
    """Configures an account over the cloud's regions, as an operator would,
    with its credentials, and the secret of its events, in Secrets Manager."""
    secrets = stack.client("secretsmanager")
    secret = secrets.create_secret(
        Name=f"cloud-sync/{identifier}",
        SecretString=json.dumps({"access_key_id": key[0], "access_key_secret": key[1]}))
    hook = ""
    if hook_token:
        arn = secrets.create_secret(Name=f"cloud-sync/hooks/{identifier}",
                                    SecretString=hook_token)["ARN"]
        hook = f'hook = {{ secret_arn = "{arn}" }}\n'
    regions = sorted(cloud.truth())
    config = stack.directory / f"{identifier}.toml"
    config.write_text(
        f'[[accounts]]\nid = "{identifier}"\nprovider = "aliyun"\n'
        'kinds = ["aliyun.ecs.instance"]\n'
        f'default_region = "{regions[0]}"\nregions = {json.dumps(regions)}\n'
        f'endpoint = "{cloud.url}"\ncredentials = {{ secret_arn = "{secret["ARN"]}" }}\n{hook}')
    done = subprocess.run(
        [program, "accounts", "apply", "--config", str(config), "--aws", "--table-prefix",
         table_prefix],
        env=stack.client_environment() | {"PATH": CLEAN_PATH, "HOME": str(stack.directory)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode == 0, f"accounts apply failed:\n{done.stdout}")
