"""What schemathesis is told beside its configuration.

What `api.py` has made is left alone: accounts that are written or removed are
others. And of the well-formed requests outside of its stories every other is
about something that exists: the document cannot say which accounts do, nor
what a vendor's event looks like.
"""

import itertools

import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase

OWN, SPARE = "prod", "spare"
WRITES = ("PUT /accounts/{id}", "PATCH /accounts/{id}", "DELETE /accounts/{id}")
READS = ("GET /accounts/{id}", "POST /accounts/{id}/verify", "POST /accounts/{id}/resume")
AN_ACCOUNT = {"id": SPARE, "provider": "aliyun", "default_region": "cn-hangzhou",
              "credentials": {"env": "SPARE"}}
# As `api.py` has it.
HOOK_TOKEN = "the-secret-of-the-hook-of-prod"

numbers = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Changes a request before it is sent."""
    label, number = case.operation.label, next(numbers)
    if label in WRITES and case.path_parameters.get("id") == OWN:
        case.path_parameters["id"] = SPARE
    is_well_formed = case.meta and case.meta.generation.mode == GenerationMode.POSITIVE
    if not is_well_formed or case.meta.phase.name == TestPhase.STATEFUL or number % 2:
        return
    if label in WRITES:
        case.path_parameters["id"] = SPARE
        for precondition in ("If-Match", "If-None-Match"):
            case.headers.pop(precondition, None)
        if label == WRITES[0]:
            case.body = AN_ACCOUNT
    elif label in READS:
        case.path_parameters["id"] = OWN
    elif label == "POST /hooks/{provider}":
        case.path_parameters["provider"] = "aliyun"
        case.query["account"] = OWN
        case.headers.pop("X-Hook-Signature", None)
        case.headers["X-Hook-Token"] = HOOK_TOKEN
        case.body = an_event(number)


def an_event(number: int) -> dict:
    """Returns an event as the vendor writes it."""
    return {
        "specversion": "1.0", "id": f"event-{number}", "source": "acs.ecs",
        "type": "ecs:Instance:StateChange", "aliyunregionid": "cn-hangzhou",
        "subject": "acs:ecs:cn-hangzhou::instance/i-bp1resync00000001",
        "data": {"resourceId": "i-bp1resync00000001", "state": "Stopping"},
    }
