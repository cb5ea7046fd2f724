"""Checks requests signed by this repository with a vendor's own code.

Reads a file of JSON lines as `cargo run -p cloud-sync-provider --example
sign_requests -- VENDOR` prints them. Signs each anew with the vendor's code
(signatures_VENDOR.py says how), prints how many agree, and exits with 1 if any
does not.
"""

import collections
import importlib
import json
import sys


def main(vendor, path):
    # Each signs a request and returns its name, what it signed and what was to
    # be signed; a request may be signed by several.
    signers = importlib.import_module(f"signatures_{vendor}").SIGNERS
    agreed, asked = collections.Counter(), collections.Counter()
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            request = json.loads(line)
            for name, sign in signers[request["signature"]].items():
                name = f"{request['signature']} by {name}"
                asked[name] += 1
                theirs, ours = sign(request)
                if theirs == ours:
                    agreed[name] += 1
                else:
                    print(f"line {number}: {name}: {theirs}, not {ours}: {request}")
    for name, count in asked.items():
        print(f"{name}: {agreed[name]} of {count} signatures agree")
    expected = sum(len(each) for each in signers.values())
    return 0 if len(asked) == expected and agreed == asked else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: verify_signatures.py VENDOR REQUESTS.jsonl")
    sys.exit(main(*sys.argv[1:]))
