"""Measures how long bootstraps take to start under AWS's Runtime Interface
Emulator: from the moment it runs one to the moment that one asks for its first
event, with every client and the root certificates set up.

    python start.py --emulator aws-lambda-rie-x86_64 --bootstraps target/size/lambda

`.ci/run start` builds the functions as they are deployed, and runs this. None of
what they are told of in their variables is there: they ask nobody before their
first event.

A shell between the two notes the time and lets the function ask a relay, which
notes it too and hands everything on; so what is shown is a millisecond or two
too much.
"""

import argparse
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

import harness
from harness import CLEAN_PATH, FUNCTIONS, Failed, Server, check, free_port, http


class Relay:
    """Hands connections on to another port, and notes when the first event is
    asked for."""

    def __init__(self, port: int) -> None:
        self.to = port
        self.asked_at = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=ends, daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                if not self.asked_at and b"/invocation/next" in data:
                    self.asked_at = time.time_ns()
                sink.sendall(data)
        except OSError:
            pass


def start(emulator: str, bootstrap: Path) -> float:
    """Returns how many milliseconds one start takes."""
    with tempfile.TemporaryDirectory() as name:
        place, port, api = Path(name), free_port(), free_port()
        relay = Relay(api)
        script = place / "bootstrap"
        script.write_text("#!/bin/sh\ndate +%s%N >started\n"
                          f"AWS_LAMBDA_RUNTIME_API=127.0.0.1:{relay.port} exec {bootstrap}\n")
        script.chmod(0o755)
        command = [emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
                   "--runtime-api-address", f"127.0.0.1:{api}", str(script)]
        nowhere = "http://127.0.0.1:1/queue"
        variables = {
            "PATH": CLEAN_PATH, "HOME": name, "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_REGION": harness.REGION,
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "TABLE_PREFIX": "t-",
            "WORK_QUEUE_URL": nowhere, "RESULTS_QUEUE_URL": nowhere,
            "NOTIFY_TOPIC_ARN": f"arn:aws:sns:{harness.REGION}:1:t", "EVENT_BUS_NAME": "t-events",
            "SECRETS_PREFIX": "t/", "METRICS_NAMESPACE": "Start",
        }
        with Server("rie", command, variables, place) as server:
            server.wait_until(10, harness.answers(f"http://127.0.0.1:{port}"))
            url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
            # An event that no function takes: it only has to be asked for.
            replies = []
            threading.Thread(target=lambda: replies.append(http(url, b"{}")), daemon=True).start()

            def asked() -> int:
                ended = list(replies)
                check(relay.asked_at or not ended, f"{bootstrap} did not start: {ended}")
                return relay.asked_at

            server.wait_until(30, asked)
            relay.listener.close()
            return (relay.asked_at - int((place / "started").read_text())) / 1e6


def main() -> None:
    """Starts every function so many times and shows the least and the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emulator", required=True)
    parser.add_argument("--bootstraps", type=Path, required=True,
                        help="a directory with FUNCTION/bootstrap")
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--most-ms", type=float, help="fail where a median is above")
    arguments = parser.parse_args()
    slow = []
    for function in FUNCTIONS:
        bootstrap = (arguments.bootstraps / function / "bootstrap").resolve()
        times = sorted(start(arguments.emulator, bootstrap) for _ in range(arguments.runs))
        median = statistics.median(times)
        print(f"{function:12} starts in {times[0]:.1f} ms at best, {median:.1f} ms as a median")
        if arguments.most_ms and median > arguments.most_ms:
            slow.append(function)
    if slow:
        raise Failed(f"too slow to start: {', '.join(slow)}")


if __name__ == "__main__":
    harness.run("start", main)
