"""What the checks of the vendors' own clients have in common."""

import argparse
import json
import sys
import typing
import urllib.parse

# The secret of the accounts that the example serves.
DEMO_SECRET = "simulated-secret-of-the-demo"


class Key(typing.NamedTuple):
    """An access key."""

    id: str
    secret: str
    token: str | None = None


class Served(typing.NamedTuple):
    """An account that a simulated cloud holds."""

    url: str
    address: str
    key: Key
    regions: dict
    account: dict


class Checks:
    """Counts what held and what did not."""

    def __init__(self):
        self.passed = 0
        self.failed = []

    def equal(self, what, found, expected):
        if found == expected:
            self.passed += 1
        else:
            self.failed.append(f"{what}: {difference(found, expected)}")

    def true(self, what, holds):
        self.equal(what, bool(holds), True)


def difference(found, expected):
    """Says in a line how two values differ."""
    if isinstance(found, list) and isinstance(expected, list):
        missing = [item for item in expected if item not in found][:3]
        extra = [item for item in found if item not in expected][:3]
        return (f"{len(found)} found, {len(expected)} expected; "
                f"missing, for example: {missing}; too many, for example: {extra}")
    return f"{found!r} found, {expected!r} expected"


def as_text(instance):
    """Sorts addresses as text, since the truth sorts them as numbers, and
    leaves out what no listing says by itself."""
    sets = ("private_ips", "public_ips")
    return {name: sorted(value) if name in sets else value for name, value in instance.items() if name != "eip"}


def by_id(items, key="id"):
    return sorted(items, key=lambda item: item[key])


def run(vendor, description, check_all):
    """Runs a vendor's checks, and returns the exit code: 0 if all held, 1 if
    one did not, 2 if they could not begin."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("url", help="where the simulated cloud listens, such as http://127.0.0.1:8790")
    parser.add_argument("truth", help="the file that it wrote what it holds to")
    parser.add_argument("--secret", default=DEMO_SECRET, help="the secret of the account's access key")
    options = parser.parse_args()
    try:
        with open(options.truth, encoding="utf-8") as file:
            accounts = json.load(file)["accounts"]
        account = next(account for account in accounts if account["provider"] == vendor)
        key = Key(account["access_key_ids"][0], options.secret)
    except (OSError, ValueError, KeyError, IndexError, StopIteration) as error:
        print(f"cannot read {vendor}'s truth from {options.truth}: {error!r}", file=sys.stderr)
        return 2
    address = urllib.parse.urlparse(options.url).netloc
    checks = Checks()
    check_all(checks, Served(options.url, address, key, account["regions"], account))
    for failure in checks.failed:
        print(f"FAILED {failure}", file=sys.stderr)
    print(f"{vendor}: {checks.passed} checks passed, {len(checks.failed)} failed")
    return 1 if checks.failed else 0
