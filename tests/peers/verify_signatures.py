"""Checks requests signed by this repository with the vendor's own code.

Reads a file of JSON lines {"method", "params" (Signature included), "secret"},
as `cargo run -p cloud-sync-provider --example sign_requests` prints them.
Signs each anew, with both generations of the vendor's SDK, prints how many
agree, and exits with 1 if any does not.
"""

import json
import sys

from alibabacloud_tea_openapi.utils import Utils
from aliyunsdkcore.auth.algorithm import sha_hmac1
from aliyunsdkcore.auth.composer import rpc_signature_composer


def with_tea(method, params, secret):
    """Signs as the current SDK does."""
    return Utils.get_rpcsignature(dict(params), method, secret)


def with_core(method, params, secret):
    """Signs as the older SDK does."""
    text = rpc_signature_composer.__compose_string_to_sign(method, dict(params))
    return sha_hmac1.get_sign_string(text, secret + "&")


SIGNERS = {
    "alibabacloud_tea_openapi": with_tea,
    "aliyun-python-sdk-core": with_core,
}


def main(path):
    agreed = {name: 0 for name in SIGNERS}
    lines = 0
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            request = json.loads(line)
            lines += 1
            params = request["params"]
            ours = params.pop("Signature")
            for name, sign in SIGNERS.items():
                theirs = sign(request["method"], params, request["secret"])
                if theirs == ours:
                    agreed[name] += 1
                else:
                    print(f"line {number}: {name} signs {theirs}, not {ours}: {params}")
    for name, count in agreed.items():
        print(f"{name}: {count} of {lines} signatures agree")
    return 0 if lines and all(count == lines for count in agreed.values()) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: verify_signatures.py REQUESTS.jsonl")
    sys.exit(main(sys.argv[1]))
