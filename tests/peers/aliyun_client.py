#!/usr/bin/env python3
"""Asks a simulated Alibaba Cloud with the vendor's own clients.

Both of the vendor's Python clients list, filter and fail against a server
that claims to be ECS, and what they get is compared with what the server
says it holds. To run it by hand, from the root of the repository:

    python3 -m venv .venv
    .venv/bin/pip install -r tests/peers/requirements-vendors.txt
    cargo run -p simulated-cloud --example serve -- \
        --listen 127.0.0.1:8790 --seed 7 --instances 2500 --churn 20 \
        --no-limits --truth /tmp/truth.json &
    .venv/bin/python tests/peers/aliyun_client.py http://127.0.0.1:8790 /tmp/truth.json

Exits with 0 if every check passed, with 1 if one did not, with 2 if it could
not begin.
"""

import argparse
import datetime
import fnmatch
import json
import sys
import urllib.parse
import warnings
import xml.etree.ElementTree as ElementTree

from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkecs.request.v20140526.DescribeDisksRequest import DescribeDisksRequest
from aliyunsdkecs.request.v20140526.DescribeInstancesRequest import DescribeInstancesRequest
from aliyunsdkecs.request.v20140526.DescribeInstanceStatusRequest import DescribeInstanceStatusRequest
from aliyunsdkecs.request.v20140526.DescribeInstanceTypesRequest import DescribeInstanceTypesRequest
from aliyunsdkecs.request.v20140526.DescribeRegionsRequest import DescribeRegionsRequest

from checks import DEMO_SECRET, Checks, Key

# No more than so many resources are listed by tag.
MOST_BY_TAG = 1000


class Sdk:
    """The vendor's long-lived client, aliyun-python-sdk-core."""

    def __init__(self, address, region, key):
        self.address = address
        self.client = AcsClient(key.id, key.secret, region, auto_retry=False)

    def call(self, request, xml=False, method="GET", **params):
        """Returns an answer: from JSON, or the root of one in XML."""
        request.set_endpoint(self.address)
        request.set_protocol_type("http")
        request.set_method(method)
        request.set_accept_format("XML" if xml else "JSON")
        for name, value in params.items():
            getattr(request, f"set_{name}")(value)
        if not xml:
            return json.loads(self.client.do_action_with_exception(request))
        with warnings.catch_warnings():
            # The call that is no longer recommended is the one that leaves
            # the format alone.
            warnings.simplefilter("ignore", DeprecationWarning)
            return ElementTree.fromstring(self.client.do_action(request))

    def fails(self, request, **params):
        """Returns the code of the error that a call ends in."""
        try:
            self.call(request, **params)
        except ServerException as error:
            return error.get_error_code()
        return "no error"

    def by_token(self, make, wrapper, item, page=100, **params):
        """Walks a listing from token to token."""
        found, token, pages = [], None, 0
        while token != "":
            request = make()
            if token is not None:
                request.set_NextToken(token)
            reply = self.call(request, MaxResults=page, **params)
            found += reply[wrapper][item]
            token = reply.get("NextToken", "")
            pages += 1
            if pages > 10_000:
                raise RuntimeError(f"the listing of {item} does not end")
        return found

    def by_number(self, make, wrapper, item, page=50, **params):
        """Walks a listing from number to number, up to its total."""
        found, number = [], 1
        while True:
            reply = self.call(make(), PageNumber=number, PageSize=page, **params)
            found += reply[wrapper][item]
            if number * page >= reply["TotalCount"]:
                return found
            number += 1

    def instances(self, **params):
        return self.by_token(DescribeInstancesRequest, "Instances", "Instance", **params)


def ids(items, key="InstanceId"):
    return sorted(item[key] for item in items)


def chosen(truth, keep):
    return sorted(instance["id"] for instance in truth if keep(instance))


def as_truth(instance, disks):
    """Writes an instance as the truth does."""
    inner = instance["InnerIpAddress"]["IpAddress"]
    private = set(instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"]) | set(inner)
    for interface in instance["NetworkInterfaces"]["NetworkInterface"]:
        private |= {each["PrivateIpAddress"] for each in interface["PrivateIpSets"]["PrivateIpSet"]}
    eip = instance["EipAddress"]["IpAddress"]
    return {
        "id": instance["InstanceId"],
        "name": instance["InstanceName"],
        "status": instance["Status"],
        "instance_type": instance["InstanceType"],
        "zone": instance["ZoneId"],
        "image": instance["ImageId"],
        "charge_type": instance["InstanceChargeType"],
        "vpc": instance["VpcAttributes"]["VpcId"],
        "resource_group": instance["ResourceGroupId"],
        "private_ips": sorted(private),
        "public_ips": sorted(instance["PublicIpAddress"]["IpAddress"] + ([eip] if eip else [])),
        "eip": eip or None,
        "security_groups": sorted(instance["SecurityGroupIds"]["SecurityGroupId"]),
        "data_disks": sorted(disks.get(instance["InstanceId"], []), key=lambda disk: disk["id"]),
        "tags": {tag["TagKey"]: tag["TagValue"] for tag in instance.get("Tags", {}).get("Tag", [])},
    }


def disks_by_instance(disks):
    found = {}
    for disk in disks:
        for attachment in disk["Attachments"]["Attachment"]:
            found.setdefault(attachment["InstanceId"], []).append(
                {"id": disk["DiskId"], "size_gib": disk["Size"], "category": disk["Category"]})
    return found


def sorted_truth(instance):
    """Sorts addresses as text, since the truth sorts them as numbers."""
    return {**instance, "private_ips": sorted(instance["private_ips"]),
            "public_ips": sorted(instance["public_ips"])}


def check_regions(checks, sdk, truth):
    regions = sdk.call(DescribeRegionsRequest())["Regions"]["Region"]
    checks.equal("regions", ids(regions, "RegionId"), sorted(truth))
    checks.true("every region has a host and a name",
                all(region["RegionEndpoint"] and region["LocalName"] for region in regions))
    root = sdk.call(DescribeRegionsRequest(), xml=True)
    checks.equal("the root of an answer in XML", root.tag, "DescribeRegionsResponse")
    checks.equal("regions in XML", sorted(region.findtext("RegionId") for region in root.iter("Region")),
                 sorted(truth))


def check_whole_region(checks, sdk, region, truth):
    by_token = sdk.instances()
    checks.equal(f"{region}: ids by token", ids(by_token), chosen(truth, lambda _: True))
    small = sdk.instances(page=1)
    checks.equal(f"{region}: MaxResults below 10", ids(small), ids(by_token))
    by_number = sdk.by_number(DescribeInstancesRequest, "Instances", "Instance")
    checks.equal(f"{region}: ids by page number", ids(by_number), ids(by_token))
    disks = sdk.by_token(DescribeDisksRequest, "Disks", "Disk", page=500, DiskType="data")
    numbered = sdk.by_number(DescribeDisksRequest, "Disks", "Disk", page=100, DiskType="data")
    checks.equal(f"{region}: data disks by number", ids(numbered, "DiskId"), ids(disks, "DiskId"))
    joined = disks_by_instance(disks)
    found = sorted((as_truth(each, joined) for each in by_token), key=lambda each: each["id"])
    checks.equal(f"{region}: instances in full", found, [sorted_truth(each) for each in truth])
    words = {}
    for start in range(0, len(truth), 50):
        some = [each["id"] for each in truth[start:start + 50]]
        reply = sdk.call(DescribeInstanceStatusRequest(), InstanceIds=some, PageSize=50)
        words |= {each["InstanceId"]: each["Status"]
                  for each in reply["InstanceStatuses"]["InstanceStatus"]}
    checks.equal(f"{region}: statuses", words, {each["id"]: each["status"] for each in truth})
    root = sdk.call(DescribeInstancesRequest(), xml=True, PageSize=10)
    checks.equal(f"{region}: the first ten in XML",
                 [each.findtext("InstanceName") for each in root.find("Instances")],
                 [each["name"] for each in truth[:10]])


def check_names(checks, sdk, truth):
    patterns = ["*库*", "生产环境*", "测试 环境*", "report **nightly**", "*~*", "c++*", "a&b=c%20d*",
                "naïve-über*", "*-0*1", "*", "nothing such", "*+*", "batch node*"]
    patterns += sorted({each["name"] for each in truth if "*" not in each["name"]})[:10]
    for pattern in patterns:
        # A bracket means nothing to the vendor; none of the names has one.
        expected = chosen(truth, lambda each: fnmatch.fnmatchcase(each["name"], pattern))
        for method in ["GET", "POST"]:
            found = ids(sdk.instances(InstanceName=pattern, method=method))
            checks.equal(f"InstanceName={pattern} by {method}", found, expected)


def check_ids_and_addresses(checks, sdk, truth):
    some = [each["id"] for each in truth[::7]][:100]
    checks.equal("InstanceIds", ids(sdk.instances(InstanceIds=json.dumps(some))), sorted(some))
    with_strangers = json.dumps(some[:3] + ["i-bp1acfm0000000000000", "nonsense"], indent=1)
    checks.equal("InstanceIds with ids of nothing", ids(sdk.instances(InstanceIds=with_strangers)), sorted(some[:3]))
    checks.equal("InstanceIds of an empty list", sdk.instances(InstanceIds="[]"), [])
    for name, key in [("PrivateIpAddresses", "private_ips"), ("EipAddresses", "eip")]:
        pairs = [(each["id"], each[key]) for each in truth if each["vpc"] and each[key]][:20]
        addresses = [value if isinstance(value, str) else value[0] for _, value in pairs]
        found = ids(sdk.instances(**{name: json.dumps(addresses)}))
        checks.equal(name, found, sorted(instance for instance, _ in pairs))
    public = [each for each in truth if each["public_ips"] and not each["eip"]][:20]
    found = ids(sdk.instances(PublicIpAddresses=json.dumps([each["public_ips"][0] for each in public])))
    checks.equal("PublicIpAddresses", found, sorted(each["id"] for each in public))


def check_other_filters(checks, sdk, truth):
    for name, key in [("Status", "status"), ("ZoneId", "zone"), ("InstanceType", "instance_type"),
                      ("ImageId", "image"), ("InstanceChargeType", "charge_type"),
                      ("ResourceGroupId", "resource_group")]:
        for value in sorted({each[key] for each in truth}):
            expected = chosen(truth, lambda each: each[key] == value)
            found = ids(sdk.instances(**{name: value}))
            if name == "ResourceGroupId":
                expected = expected[:MOST_BY_TAG]
            checks.equal(f"{name}={value}", found, expected)
    group = truth[0]["security_groups"][0]
    checks.equal("SecurityGroupId", ids(sdk.instances(SecurityGroupId=group)),
                 chosen(truth, lambda each: group in each["security_groups"]))
    vpc = next(each["vpc"] for each in truth if each["vpc"])
    checks.equal("VpcId", ids(sdk.instances(VpcId=vpc)), chosen(truth, lambda each: each["vpc"] == vpc))


def check_tags(checks, sdk, truth):
    for tags in [[("env", "prod")], [("team", "基础架构")], [("env", "测试")], [("empty", "")],
                 [("Owner", "ops team+1")], [("key-19", "值 19 / * ~ & = +")],
                 [("env", "prod"), ("team", "基础架构")], [("env", None)], [("no such", "x")]]:
        # A tag with an empty value is asked for by its key alone.
        wanted = {key: value for key, value in tags if value}
        keys = [key for key, _ in tags]

        def has(instance):
            owned = instance["tags"]
            return all(key in owned for key in keys) and all(owned[key] == wanted[key] for key in wanted)

        asked = [{"Key": key, "Value": value} for key, value in tags]
        expected = chosen(truth, has)[:MOST_BY_TAG]
        checks.equal(f"tags {tags}", ids(sdk.instances(Tags=asked)), expected)


def check_disks(checks, sdk, truth):
    holder = next(each for each in truth if len(each["data_disks"]) > 1)
    mine = [disk["id"] for disk in holder["data_disks"]]
    found = sdk.by_token(DescribeDisksRequest, "Disks", "Disk", InstanceId=holder["id"], DiskType="data")
    checks.equal("disks of an instance", ids(found, "DiskId"), mine)
    found = sdk.by_token(DescribeDisksRequest, "Disks", "Disk", DiskIds=json.dumps(mine))
    checks.equal("disks by id", ids(found, "DiskId"), mine)
    loose = sdk.by_token(DescribeDisksRequest, "Disks", "Disk", Status="Available")
    checks.true("there are disks that hang nowhere",
                loose and all(disk["InstanceId"] == "" for disk in loose))
    system = sdk.by_token(DescribeDisksRequest, "Disks", "Disk", DiskType="system")
    checks.equal("every instance has its system disk", ids(system), chosen(truth, lambda _: True))


def check_refusals(checks, sdk, address, region, key):
    wrong = Sdk(address, region, key._replace(secret="wrong"))
    # The client's own word for a signature that differs though both signed
    # the same text.
    checks.equal("a wrong secret", wrong.fails(DescribeInstancesRequest()), "InvalidAccessKeySecret")
    stranger = Sdk(address, region, key._replace(id="LTAI5tNobody"))
    checks.equal("an unknown key", stranger.fails(DescribeInstancesRequest()), "InvalidAccessKeyId.NotFound")
    checks.equal("DryRun", sdk.fails(DescribeInstancesRequest(), DryRun=True), "DryRunOperation")
    elsewhere = Sdk(address, "mars-north-1", key)
    checks.equal("an unknown region", elsewhere.fails(DescribeInstancesRequest()), "InvalidRegionId.NotFound")
    checks.equal("a token of nothing", sdk.fails(DescribeInstancesRequest(), NextToken="AAAA"),
                 "InvalidParameter.NextToken")
    token = sdk.call(DescribeInstancesRequest(), MaxResults=10)["NextToken"]
    checks.equal("a token of another listing",
                 sdk.fails(DescribeInstancesRequest(), NextToken=token, Status="Running"),
                 "InvalidParameter.NextToken")
    checks.equal("a page size too large", sdk.fails(DescribeInstancesRequest(), PageSize=101), "InvalidParameter")
    checks.equal("ids that are no list", sdk.fails(DescribeInstancesRequest(), InstanceIds="i-1"), "InvalidParameter")


def check_second_client(checks, address, region, truth, key):
    """The vendor's newer client, signing as version 2 of its documents."""
    from alibabacloud_ecs20140526.client import Client
    from alibabacloud_ecs20140526.models import DescribeInstancesRequest as Request
    from alibabacloud_ecs20140526.models import DescribeInstancesRequestTag as Tag
    from alibabacloud_tea_openapi.models import Config

    client = Client(Config(access_key_id=key.id, access_key_secret=key.secret, endpoint=address,
                           protocol="http", region_id=region, signature_algorithm="v2"))

    def walk(**params):
        found, token = [], None
        while token != "":
            body = client.describe_instances(
                Request(region_id=region, max_results=100, next_token=token, **params)).body
            found += [each.instance_id for each in body.instances.instance]
            token = body.next_token or ""
        return sorted(found)

    checks.equal("newer client: all", walk(), chosen(truth, lambda _: True))
    checks.equal("newer client: InstanceName=*库*", walk(instance_name="*库*"),
                 chosen(truth, lambda each: "库" in each["name"]))
    checks.equal("newer client: tag", walk(tag=[Tag(key="Owner", value="ops team+1")]),
                 chosen(truth, lambda each: each["tags"].get("Owner") == "ops team+1")[:MOST_BY_TAG])


def check_types(checks, sdk, truth):
    names = sorted({each["instance_type"] for each in truth})[:10]
    types = sdk.call(DescribeInstanceTypesRequest(), InstanceTypess=names)["InstanceTypes"]["InstanceType"]
    checks.equal("instance types", ids(types, "InstanceTypeId"), names)
    everything = sdk.call(DescribeInstanceTypesRequest())["InstanceTypes"]["InstanceType"]
    checks.true("all instance types", set(names) <= {each["InstanceTypeId"] for each in everything})
    checks.true("every type has processors and memory",
                all(each["CpuCoreCount"] >= 1 and each["MemorySize"] >= 0.5 for each in everything))
    checks.true("a type with GPUs says which",
                any(each["GPUAmount"] and each["GPUSpec"] for each in everything))


def check_identity(checks, address, region, key):
    request = CommonRequest(domain=address, version="2015-04-01", action_name="GetCallerIdentity")
    request.set_protocol_type("http")
    request.set_method("POST")
    client = AcsClient(key.id, key.secret, region, auto_retry=False)
    reply = json.loads(client.do_action_with_exception(request))
    checks.equal("fields of an identity", sorted(reply),
                 ["AccountId", "Arn", "IdentityType", "PrincipalId", "RequestId", "UserId"])
    checks.true("the name of an identity", reply["Arn"].startswith(f"acs:ram::{reply['AccountId']}:"))


def check_record(checks, address, region, truth, key):
    """What was done to instances, by the vendor's client for its record."""
    from alibabacloud_actiontrail20200706.client import Client
    from alibabacloud_actiontrail20200706.models import LookupEventsRequest as Request
    from alibabacloud_actiontrail20200706.models import LookupEventsRequestLookupAttribute as Attribute
    from alibabacloud_tea_openapi.models import Config
    from alibabacloud_tea_openapi.utils_models import GlobalParameters

    # Every region has its own host at the vendor, and none has here.
    parameters = GlobalParameters(queries={"RegionId": region})
    client = Client(Config(access_key_id=key.id, access_key_secret=key.secret, endpoint=address,
                           protocol="http", region_id=region, signature_algorithm="v2",
                           global_parameters=parameters))
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)

    def moment(ago):
        return (now - ago).strftime("%Y-%m-%dT%H:%M:%SZ")

    span = {"start_time": moment(datetime.timedelta(hours=2)), "end_time": moment(datetime.timedelta())}

    def walk(condition, page="50", **params):
        found, token, pages = [], None, 0
        while token != "" and pages < 1000:
            wanted = [Attribute(key=name, value=value) for name, value in condition.items()]
            body = client.lookup_events(Request(lookup_attribute=wanted, max_results=page,
                                                next_token=token, **span, **params)).body
            found += body.events
            token = body.next_token or ""
            pages += 1
        return found

    def instance(event):
        response = event["responseElements"].get("InstanceIdSets", {}).get("InstanceIdSet", [])
        request = event["requestParameters"]
        named = event.get("referencedResources", {}).get("ACS::ECS::Instance", [])
        return next(filter(None, named + response + [request.get("InstanceId"), request.get("ResourceId.1")]))

    writes = walk({"EventRW": "Write"})
    checks.true("record: something was done", len(writes) > 50)
    checks.true("record: of this region", all(event["acsRegion"] == region for event in writes))
    checks.true("record: in this time", all(span["start_time"] <= event["eventTime"] <= span["end_time"]
                                            for event in writes))
    checks.equal("record: small pages", walk({"EventRW": "Write"}, page="9"), writes)
    checks.equal("record: oldest first", walk({"EventRW": "Write"}, direction="FORWARD"), writes[::-1])
    touched = {instance(event) for event in writes}
    gone = {instance(event) for event in writes if event["eventName"] == "DeleteInstance"}
    there = {each["id"] for each in truth}
    checks.equal("record: what was released is gone", gone & there, set())
    checks.true("record: and is the only thing that is", gone and touched - gone <= there)
    one = next(event["resourceName"] for event in writes if event.get("resourceName"))
    checks.true("record: by resource", {instance(event) for event in walk({"ResourceName": one})
                                        if event["eventRW"] == "Write"} == {one})
    reads = walk({"ServiceName": "Ecs"})
    checks.true("record: reads among them", any(event["eventRW"] == "Read" for event in reads))


def check_all(checks, address, region, key, truth):
    sdk = Sdk(address, region, key)
    check_regions(checks, sdk, truth)
    for each, there in sorted(truth.items()):
        check_whole_region(checks, Sdk(address, each, key), each, there)
    instances = truth[region]
    check_names(checks, sdk, instances)
    check_ids_and_addresses(checks, sdk, instances)
    check_other_filters(checks, sdk, instances)
    check_tags(checks, sdk, instances)
    check_disks(checks, sdk, instances)
    check_refusals(checks, sdk, address, region, key)
    check_second_client(checks, address, region, instances, key)
    check_types(checks, sdk, instances)
    check_identity(checks, address, region, key)
    check_record(checks, address, region, instances, key)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="where the simulated cloud listens, such as http://127.0.0.1:8790")
    parser.add_argument("truth", help="the file that it wrote what it holds to")
    parser.add_argument("--secret", default=DEMO_SECRET, help="the secret of its first account's access key")
    options = parser.parse_args()
    address = urllib.parse.urlparse(options.url).netloc
    try:
        with open(options.truth, encoding="utf-8") as file:
            account = json.load(file)["accounts"][0]
        key, truth = Key(account["access_key_ids"][0], options.secret), account["regions"]
    except (OSError, ValueError, KeyError, IndexError) as error:
        print(f"cannot read the truth from {options.truth}: {error!r}", file=sys.stderr)
        return 2
    checks = Checks()
    region, instances = max(truth.items(), key=lambda item: len(item[1]))
    if not address or len(instances) < 300:
        print(f"need a URL and a region with at least 300 instances; got {options.url} and "
              f"{len(instances)} in {region}: serve more instances", file=sys.stderr)
        return 2
    try:
        check_all(checks, address, region, key, truth)
    except (ClientException, ServerException) as error:
        checks.failed.append(f"a call that should be answered: {error}")
    for failure in checks.failed:
        print(f"FAILED {failure}", file=sys.stderr)
    print(f"{checks.passed} checks passed, {len(checks.failed)} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
