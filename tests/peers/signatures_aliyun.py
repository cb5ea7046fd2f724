"""Alibaba Cloud's own code as the judge of its signatures: both generations of
its SDK for RPC version 1, the newer for version 3, the object store's SDK for
that one's."""

import datetime
import types
from urllib.parse import quote

from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.signer import SignerV4
from alibabacloud_oss_v2.types import HttpRequest, SigningContext
from alibabacloud_tea_openapi.utils import Utils
from aliyunsdkcore.auth.algorithm import sha_hmac1
from aliyunsdkcore.auth.composer import rpc_signature_composer


def unsigned(request):
    """Returns the parameters without the signature, and that."""
    params = dict(request["params"])
    return params, params.pop("Signature")


def rpc_with_tea(request):
    """Signs as the current SDK does."""
    params, ours = unsigned(request)
    return Utils.get_rpcsignature(params, request["method"], request["secret"]), ours


def rpc_with_core(request):
    """Signs as the older SDK does."""
    params, ours = unsigned(request)
    text = rpc_signature_composer.__compose_string_to_sign(request["method"], params)
    return sha_hmac1.get_sign_string(text, request["secret"] + "&"), ours


def acs3_with_tea(request):
    """Signs as the current SDK does: every header there is."""
    headers = dict(request["headers"])
    ours = headers.pop("authorization")
    key = ours.split("Credential=")[1].split(",")[0]
    asked = types.SimpleNamespace(
        method=request["method"], pathname="/", query=request["params"], headers=headers)
    theirs = Utils.get_authorization(
        asked, "ACS3-HMAC-SHA256", Utils.hex_encode(Utils.hash(b"", "ACS3-HMAC-SHA256")), key,
        request["secret"])
    return theirs, ours


def oss_with_sdk(request):
    """Signs as the object store's SDK does, which adds its own headers."""
    headers = dict(request["headers"])
    ours = headers.pop("authorization")
    query = "&".join(
        quote(name, safe="") + (f"={quote(value, safe='')}" if value else "")
        for name, value in request["params"].items())
    host = f"oss-{request['region']}.aliyuncs.com"
    if request["bucket"]:
        host = f"{request['bucket']}.{host}"
    asked = HttpRequest(method=request["method"], url=f"https://{host}/?{query}")
    key = ours.split("Credential=")[1].split("/")[0]
    provider = StaticCredentialsProvider(key, request["secret"], request["token"])
    time = datetime.datetime.strptime(headers["x-oss-date"], "%Y%m%dT%H%M%SZ")
    SignerV4().sign(SigningContext(
        product="oss", region=request["region"], bucket=request["bucket"], request=asked,
        credentials=provider.get_credentials(),
        signing_time=time.replace(tzinfo=datetime.timezone.utc)))
    theirs = {name.lower(): value for name, value in asked.headers.items()}
    del theirs["date"]
    return theirs, request["headers"]


SIGNERS = {
    "rpc-v1": {"alibabacloud_tea_openapi": rpc_with_tea, "aliyun-python-sdk-core": rpc_with_core},
    "acs3": {"alibabacloud_tea_openapi": acs3_with_tea},
    "oss4": {"alibabacloud_oss_v2": oss_with_sdk},
}
