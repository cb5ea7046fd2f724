"""Checks requests to AWS signed by this repository with AWS's own code.

Reads a file of JSON lines, as `cargo run -p cloud-sync-provider --example
sign_requests aws` prints them. Signs each anew with botocore, prints how many
agree, and exits with 1 if any does not.
"""

import json
import sys

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def authorization(line):
    """Returns what botocore puts into the header of the same request."""
    headers = {
        name: value
        for name, value in line["headers"].items()
        if name not in ("authorization", "x-amz-content-sha256")
    }
    kind = S3SigV4Auth if line["service"] == "s3" else SigV4Auth
    credentials = Credentials(line["key"], line["secret"], line["token"])
    signer = kind(credentials, line["service"], line["region"])
    body = line["body"].encode()
    request = AWSRequest(line["method"], line["url"], headers=headers, data=body)
    request.context["timestamp"] = line["headers"]["x-amz-date"]
    if kind is S3SigV4Auth:
        request.headers["X-Amz-Content-SHA256"] = signer.payload(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    scope = signer.scope(request)
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={signature}"


def main(path):
    agreed = lines = 0
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            line = json.loads(text)
            lines += 1
            ours, theirs = line["headers"]["authorization"], authorization(line)
            if ours == theirs:
                agreed += 1
            else:
                print(f"line {number}: botocore says {theirs}, not {ours}: {line['url']}")
    print(f"botocore: {agreed} of {lines} signatures agree")
    return 0 if lines and agreed == lines else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: verify_aws_signatures.py REQUESTS.jsonl")
    sys.exit(main(sys.argv[1]))
