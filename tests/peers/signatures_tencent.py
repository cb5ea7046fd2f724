"""Tencent Cloud's own code as the judge of its signature."""

import datetime

from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal


def with_sdk(request):
    """Signs as the SDK does."""
    headers = {
        "Content-Type": request["content_type"],
        "Host": request["host"],
        "X-TC-Timestamp": str(request["second"]),
    }
    asked = RequestInternal(request["host"], "POST", "/", headers, request["body"])
    day = datetime.datetime.fromtimestamp(request["second"], datetime.timezone.utc)
    date = day.strftime("%Y-%m-%d")
    key, secret, service = request["key"], request["secret"], request["service"]
    client = AbstractClient(Credential(key, secret), "ap-guangzhou")
    signature = client._get_tc3_signature({}, asked, date, service, secret)
    theirs = (
        f"TC3-HMAC-SHA256 Credential={key}/{date}/{service}/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={signature}"
    )
    return theirs, request["authorization"]


SIGNERS = {"tc3": {"tencentcloud-sdk-python": with_sdk}}
