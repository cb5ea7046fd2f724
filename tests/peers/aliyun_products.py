#!/usr/bin/env python3
"""Asks a simulated Alibaba Cloud's other products with the vendor's own clients.

RDS, R-KVStore, disks, elastic addresses, SLB, STS, the accounts of an
organisation and OSS are listed, filtered and refused, by every client and in
every signature that the vendor has for them, and what comes is compared with
what the server says it holds. See aliyun_client.py for how to run it by hand;
serve with --managed 70.
"""

import json
import sys

import alibabacloud_oss_v2 as oss
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as Ecs
from alibabacloud_r_kvstore20150101 import models as kvstore
from alibabacloud_r_kvstore20150101.client import Client as KvStore
from alibabacloud_rds20140815 import models as rds
from alibabacloud_rds20140815.client import Client as Rds
from alibabacloud_resourcemanager20200331 import models as directory
from alibabacloud_resourcemanager20200331.client import Client as Directory
from alibabacloud_slb20140515 import models as slb
from alibabacloud_slb20140515.client import Client as Slb
from alibabacloud_sts20150401 import models as sts
from alibabacloud_sts20150401.client import Client as Sts
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client as Vpc
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from checks import Key, by_id, run

# The newer client's names for the two signatures of RPC APIs.
SIGNATURES = {"ACS3": "ACS3-HMAC-SHA256", "RPC v1": "v2"}


def newer(make, served, region, signature, key=None):
    """Makes one of the vendor's newer clients."""
    key = key or served.key
    return make(Config(access_key_id=key.id, access_key_secret=key.secret, security_token=key.token,
                       endpoint=served.address, protocol="http", region_id=region,
                       signature_algorithm=signature))


def older(served, region, version, action, key=None, method="GET", **params):
    """Makes a call with the vendor's older client."""
    key = key or served.key
    request = CommonRequest(domain=served.address, version=version, action_name=action)
    request.set_protocol_type("http")
    request.set_method(method)
    for name, value in params.items():
        request.add_query_param(name.replace("_", "."), value)
    if key.token:
        client = AcsClient(region_id=region, auto_retry=False,
                           credential=StsTokenCredential(key.id, key.secret, key.token))
    else:
        client = AcsClient(key.id, key.secret, region, auto_retry=False)
    return json.loads(client.do_action_with_exception(request))


def code(call, *given, **named):
    """Returns the code of the error that a call ends in."""
    try:
        call(*given, **named)
    except ServerException as error:
        return error.get_error_code()
    except oss.exceptions.OperationError as error:
        return error.unwrap().code
    except Exception as error:  # The newer client has one for each status.
        return getattr(error, "code", repr(error))
    return "no error"


def tags(items, key="key", value="value"):
    listed = (items and items.tag) or []
    return {getattr(tag, key): getattr(tag, value) for tag in listed}


def rows(truth, *fields):
    return [{field: row[field] for field in fields} for row in by_id(truth)]


def numbered(call, request, items, page, **params):
    """Walks a listing from number to number, until a page is empty."""
    found, number = [], 1
    while True:
        body = call(request(page_number=number, page_size=page, **params)).body
        some = items(body)
        if not some:
            return found
        found += some
        number += 1


def check_databases(checks, served, region, truth, name, signature):
    ours = newer(Rds, served, region, signature)

    def walk(**params):
        found, token = [], None
        while token != "":
            body = ours.describe_dbinstances(rds.DescribeDBInstancesRequest(
                region_id=region, max_results=30, next_token=token, **params)).body
            found += body.items.dbinstance
            token = body.next_token or ""
        return found

    def ids(found):
        return sorted(each.dbinstance_id for each in found)

    listed = walk()
    everything = sorted(row["id"] for row in truth)
    checks.equal(f"{name}: databases by token", ids(listed), everything)
    by_number = numbered(ours.describe_dbinstances, rds.DescribeDBInstancesRequest,
                         lambda body: body.items.dbinstance, 20, region_id=region)
    checks.equal(f"{name}: databases by number", ids(by_number), everything)
    details, labels, private, public = {}, {}, {}, {}
    for start in range(0, len(everything), 30):
        some = ",".join(everything[start:start + 30])
        body = ours.describe_dbinstance_attribute(
            rds.DescribeDBInstanceAttributeRequest(dbinstance_id=some)).body
        details |= {each.dbinstance_id: each for each in body.items.dbinstance_attribute}
    for each in everything[:15]:
        infos = ours.describe_dbinstance_net_info(
            rds.DescribeDBInstanceNetInfoRequest(dbinstance_id=each)).body
        infos = infos.dbinstance_net_infos.dbinstance_net_info
        private[each] = [info.ipaddress for info in infos if info.iptype == "Private"]
        public[each] = [info.ipaddress for info in infos if info.iptype == "Public"]
    token = None
    while token != "":
        body = ours.list_tag_resources(rds.ListTagResourcesRequest(
            region_id=region, resource_type="INSTANCE", next_token=token)).body
        for tag in body.tag_resources.tag_resource:
            labels.setdefault(tag.resource_id, {})[tag.tag_key] = tag.tag_value
        token = body.next_token or ""
    found = [{
        "id": each.dbinstance_id, "name": each.dbinstance_description, "status": each.dbinstance_status,
        "spec": each.dbinstance_class, "engine": each.engine, "engine_version": each.engine_version,
        "zone": each.zone_id, "vpc": each.vpc_id, "resource_group": each.resource_group_id,
        "storage_gib": details[each.dbinstance_id].dbinstance_storage,
        "created": each.create_time, "expires": each.expire_time or None,
        "prepaid": each.pay_type == "Prepaid", "tags": labels.get(each.dbinstance_id, {}),
    } for each in listed]
    checks.equal(f"{name}: databases in full", by_id(found), rows(truth, *found[0]))
    some = [row for row in by_id(truth) if row["id"] in private]
    checks.equal(f"{name}: where databases are", [private, public], [
        {row["id"]: row["private_ips"] for row in some}, {row["id"]: row["public_ips"] for row in some}])
    one = truth[3]["id"]
    checks.equal(f"{name}: a database by id", ids(walk(dbinstance_id=one)), [one])
    checks.equal(f"{name}: two ids are none", ids(walk(dbinstance_id=f"{one},{truth[4]['id']}")), [])
    running = sorted(row["id"] for row in truth if row["status"] == "Running" and row["engine"] == "MySQL")
    checks.equal(f"{name}: databases that run", ids(walk(engine="MySQL", dbinstance_status="Running")), running)
    asks = rds.DescribeDBInstancesRequest
    for what, params, expected in [
        ("a page too large", {"page_size": 101}, "InvalidParameter"),
        ("too many results", {"max_results": 101}, "InvalidParameter"),
        ("a token of nothing", {"next_token": "AAAA"}, "InvalidParameter.NextToken"),
        ("what is not simulated", {"tags": '{"a":"b"}'}, "InvalidParameter"),
    ]:
        checks.equal(f"{name}: {what}",
                     code(ours.describe_dbinstances, asks(region_id=region, **params)), expected)
    many = ",".join(["rm-none"] * 31)
    checks.equal(f"{name}: more than 30 attributes", code(
        ours.describe_dbinstance_attribute, rds.DescribeDBInstanceAttributeRequest(dbinstance_id=many)), "InvalidParameter")
    checks.equal(f"{name}: attributes of nothing", code(
        ours.describe_dbinstance_attribute, rds.DescribeDBInstanceAttributeRequest(dbinstance_id="rm-none")),
        "InvalidDBInstanceId.NotFound")
    regions = ours.describe_regions(rds.DescribeRegionsRequest()).body.regions.rdsregion
    checks.equal(f"{name}: regions of databases", sorted({each.region_id for each in regions}),
                 sorted(served.regions))


def check_caches(checks, served, region, truth, name, signature):
    ours = newer(KvStore, served, region, signature)

    def walk(page=50, **params):
        return numbered(ours.describe_instances, kvstore.DescribeInstancesRequest,
                        lambda body: body.instances.kvstore_instance, page, region_id=region, **params)

    def ids(found):
        return sorted(each.instance_id for each in found)

    listed = walk()
    found = [{
        "id": each.instance_id, "name": each.instance_name, "status": each.instance_status,
        "spec": each.instance_class, "engine": each.instance_type, "engine_version": each.engine_version,
        "zone": each.zone_id, "vpc": each.vpc_id, "private_ips": [each.private_ip],
        "resource_group": each.resource_group_id, "created": each.create_time,
        "expires": each.end_time or None, "prepaid": each.charge_type == "PrePaid", "tags": tags(each.tags),
    } for each in listed]
    checks.equal(f"{name}: caches in full", by_id(found), rows(truth, *found[0]))
    checks.equal(f"{name}: caches in small pages", ids(walk(page=7)), ids(listed))
    some = [row["id"] for row in truth[::3]][:30]
    checks.equal(f"{name}: caches by id", ids(walk(instance_ids=",".join(some))), sorted(some))
    tagged = walk(tag=[kvstore.DescribeInstancesRequestTag(key="env", value="prod")])
    checks.equal(f"{name}: caches by tag", ids(tagged),
                 sorted(row["id"] for row in truth if row["tags"].get("env") == "prod"))
    asks = kvstore.DescribeInstancesRequest
    checks.equal(f"{name}: a page of 51 caches",
                 code(ours.describe_instances, asks(region_id=region, page_size=51)), "InvalidParameter")
    checks.equal(f"{name}: 31 ids of caches",
                 code(ours.describe_instances, asks(region_id=region, instance_ids=",".join(["r-none"] * 31))),
                 "InvalidParameter")
    regions = ours.describe_regions(kvstore.DescribeRegionsRequest()).body.region_ids.kvstore_region
    checks.equal(f"{name}: regions of caches", sorted(each.region_id for each in regions), sorted(served.regions))


def check_addresses(checks, served, region, truth, name, signature):
    ours = newer(Vpc, served, region, signature)

    def walk(page=100, **params):
        return numbered(ours.describe_eip_addresses, vpc.DescribeEipAddressesRequest,
                        lambda body: body.eip_addresses.eip_address, page, region_id=region, **params)

    def ids(found):
        return sorted(each.allocation_id for each in found)

    found = [{
        "id": each.allocation_id, "name": each.name, "status": each.status, "spec": each.bandwidth,
        "public_ips": [each.ip_address], "bound_to": each.instance_id or None,
        "resource_group": each.resource_group_id, "created": each.allocation_time,
        "expires": each.expired_time or None, "prepaid": each.charge_type == "PrePaid", "tags": tags(each.tags),
    } for each in walk()]
    checks.equal(f"{name}: addresses in full", by_id(found), rows(truth, *found[0]))
    checks.equal(f"{name}: addresses in small pages", ids(walk(page=33)), sorted(row["id"] for row in truth))
    some = [row for row in truth[::7]][:50]
    checks.equal(f"{name}: addresses by id", ids(walk(allocation_id=",".join(row["id"] for row in some))),
                 sorted(row["id"] for row in some))
    checks.equal(f"{name}: addresses by address",
                 ids(walk(eip_address=",".join(row["public_ips"][0] for row in some))),
                 sorted(row["id"] for row in some))
    free = sorted(row["id"] for row in truth if not row["bound_to"])
    checks.true(f"{name}: some addresses are free", free and len(free) < len(truth))
    checks.equal(f"{name}: free addresses", ids(walk(status="Available")), free)
    holder = next(row for row in truth if row["bound_to"])
    checks.equal(f"{name}: the address of an instance", ids(walk(
        associated_instance_type="EcsInstance", associated_instance_id=holder["bound_to"])), [holder["id"]])
    asks = vpc.DescribeEipAddressesRequest
    checks.equal(f"{name}: a page of 101 addresses",
                 code(ours.describe_eip_addresses, asks(region_id=region, page_size=101)), "InvalidParameter")
    checks.equal(f"{name}: 51 ids of addresses", code(ours.describe_eip_addresses, asks(
        region_id=region, allocation_id=",".join(["eip-none"] * 51))), "InvalidParameter")


def check_balancers(checks, served, region, truth, name, signature):
    ours = newer(Slb, served, region, signature)

    def walk(page=100, **params):
        return numbered(ours.describe_load_balancers, slb.DescribeLoadBalancersRequest,
                        lambda body: body.load_balancers.load_balancer, page, region_id=region, **params)

    def ids(found):
        return sorted(each.load_balancer_id for each in found)

    found = [{
        "id": each.load_balancer_id, "name": each.load_balancer_name, "status": each.load_balancer_status,
        "spec": each.load_balancer_spec, "zone": each.master_zone_id, "vpc": each.vpc_id,
        "private_ips": [each.address] if each.address_type == "intranet" else [],
        "public_ips": [each.address] if each.address_type == "internet" else [],
        "resource_group": each.resource_group_id, "prepaid": each.pay_type == "PrePay",
        "tags": tags(each.tags, "tag_key", "tag_value"),
    } for each in walk()]
    checks.equal(f"{name}: balancers in full", by_id(found), rows(truth, *found[0]))
    some = [row["id"] for row in truth[::5]][:10]
    checks.equal(f"{name}: balancers by id", ids(walk(page=3, load_balancer_id=",".join(some))), sorted(some))
    off = sorted(row["id"] for row in truth if row["status"] == "inactive")
    checks.equal(f"{name}: balancers that are off", ids(walk(load_balancer_status="inactive")), off)
    asks = slb.DescribeLoadBalancersRequest
    checks.equal(f"{name}: 11 ids of balancers", code(ours.describe_load_balancers, asks(
        region_id=region, load_balancer_id=",".join(["lb-none"] * 11))), "InvalidParameter")
    checks.equal(f"{name}: a size without a number", code(
        ours.describe_load_balancers, asks(region_id=region, page_size=50)), "MissingParameter")


def check_disks(checks, served, region, truth, name, signature):
    ours = newer(Ecs, served, region, signature)

    def walk(**params):
        found, token = [], None
        while token != "":
            body = ours.describe_disks(ecs.DescribeDisksRequest(
                region_id=region, max_results=500, next_token=token, **params)).body
            found += body.disks.disk
            token = body.next_token or ""
        return found

    found = [{
        "id": each.disk_id, "name": each.disk_name, "system": each.type == "system",
        "size_gib": each.size, "category": each.category, "zone": each.zone_id,
        "instances": [at.instance_id for at in each.attachments.attachment],
        "tags": tags(each.tags, "tag_key", "tag_value"),
    } for each in walk()]
    checks.equal(f"{name}: disks in full", by_id(found), rows(truth, *found[0]))
    some = [row["id"] for row in truth[::9]][:100]
    checks.equal(f"{name}: disks by id", sorted(each.disk_id for each in walk(disk_ids=json.dumps(some))),
                 sorted(some))
    tagged = walk(tag=[ecs.DescribeDisksRequestTag(key="team", value="基础架构")])
    checks.equal(f"{name}: disks by tag", sorted(each.disk_id for each in tagged),
                 sorted(row["id"] for row in truth if row["tags"].get("team") == "基础架构")[:1000])


def check_older(checks, served, region, managed):
    """The same through the vendor's older client, whose signature is RPC v1."""
    for version, action, path, item_id, size, family in [
        ("2014-08-15", "DescribeDBInstances", ("Items", "DBInstance"), "DBInstanceId", 100, "database"),
        ("2015-01-01", "DescribeInstances", ("Instances", "KVStoreInstance"), "InstanceId", 50, "cache"),
        ("2016-04-28", "DescribeEipAddresses", ("EipAddresses", "EipAddress"), "AllocationId", 100, "address"),
        ("2014-05-15", "DescribeLoadBalancers", ("LoadBalancers", "LoadBalancer"), "LoadBalancerId", 100,
         "balancer"),
    ]:
        for method in ("GET", "POST"):
            found, number = [], 1
            while True:
                reply = older(served, region, version, action, method=method, RegionId=region,
                              PageNumber=number, PageSize=size)
                some = reply[path[0]][path[1]]
                found += [each[item_id] for each in some]
                total = reply.get("TotalCount", reply.get("TotalRecordCount"))
                if number * size >= total:
                    break
                number += 1
            checks.equal(f"older client: {action} by {method}", sorted(found),
                         sorted(row["id"] for row in managed[family][region]))
        wrong = served.key._replace(secret="wrong")
        # Of a call without a class of its own the client does not know what it
        # signed, and so cannot tell a wrong secret from a wrong signature.
        checks.equal(f"older client: {action} with a wrong secret", code(
            older, served, region, version, action, key=wrong, RegionId=region), "SignatureDoesNotMatch")
        checks.equal(f"older client: {action} in no region", code(
            older, served, region, version, action, RegionId="mars-north-1"), "InvalidRegionId.NotFound")


def check_refusals(checks, served, region, name, signature):
    calls = [
        ("databases", Rds, "describe_dbinstances", rds.DescribeDBInstancesRequest),
        ("caches", KvStore, "describe_instances", kvstore.DescribeInstancesRequest),
        ("addresses", Vpc, "describe_eip_addresses", vpc.DescribeEipAddressesRequest),
        ("balancers", Slb, "describe_load_balancers", slb.DescribeLoadBalancersRequest),
        ("disks", Ecs, "describe_disks", ecs.DescribeDisksRequest),
    ]
    keys = [
        ("a wrong secret", served.key._replace(secret="wrong"), "SignatureDoesNotMatch"),
        ("an unknown key", served.key._replace(id="LTAI5tNobody"), "InvalidAccessKeyId.NotFound"),
        ("a token of nobody", served.key._replace(token="made-up"),
         "InvalidSecurityToken.MismatchWithAccessKey"),
    ]
    for what, make, method, request in calls:
        for why, key, expected in keys:
            call = getattr(newer(make, served, region, signature, key), method)
            checks.equal(f"{name}: {what} with {why}", code(call, request(region_id=region)), expected)
        call = getattr(newer(make, served, region, signature), method)
        checks.equal(f"{name}: {what} in no region", code(call, request(region_id="mars-north-1")),
                     "InvalidRegionId.NotFound")


def identity(served, signature, key=None):
    return newer(Sts, served, "cn-hangzhou", signature, key).get_caller_identity().body


def key_of_older(lent):
    return Key(lent["AccessKeyId"], lent["AccessKeySecret"], lent["SecurityToken"])


def check_roles(checks, served, region, name, signature):
    ours = newer(Sts, served, region, signature)
    mine = identity(served, signature).account_id

    def assume(client, account, role, session="check", seconds=900):
        return client.assume_role(sts.AssumeRoleRequest(
            role_arn=f"acs:ram::{account}:role/{role}", role_session_name=session, duration_seconds=seconds))

    def key(lent):
        lent = lent.body.credentials
        return Key(lent.access_key_id, lent.access_key_secret, lent.security_token)

    lent = assume(ours, mine, "sync")
    session = key(lent)
    checks.true(f"{name}: a temporary key", session.id.startswith("STS.") and len(session.token) > 60)
    checks.true(f"{name}: it ends", lent.body.credentials.expiration.endswith("Z"))
    who = identity(served, signature, session)
    checks.equal(f"{name}: who a role is", [who.identity_type, who.account_id, who.arn],
                 ["AssumedRoleUser", mine, f"acs:sts::{mine}:assumed-role/sync/check"])
    theirs = newer(Slb, served, region, signature, session)
    total = theirs.describe_load_balancers(slb.DescribeLoadBalancersRequest(region_id=region)).body.total_count
    checks.equal(f"{name}: what a role sees", total, len(served.account["managed"]["balancer"][region]))
    old = older(served, region, "2014-05-15", "DescribeLoadBalancers", key=session, RegionId=region)
    checks.equal(f"{name}: the older client in a role", old["TotalCount"], total)
    old = older(served, region, "2015-04-01", "AssumeRole", RoleArn=f"acs:ram::{mine}:role/sync",
                RoleSessionName="older")
    old = key_of_older(old["Credentials"])
    checks.equal(f"{name}: a role by the older client", identity(served, signature, old).arn,
                 f"acs:sts::{mine}:assumed-role/sync/older")
    without = newer(Slb, served, region, signature, session._replace(token=None))
    checks.equal(f"{name}: a role without its token", code(
        without.describe_load_balancers, slb.DescribeLoadBalancersRequest(region_id=region)), "MissingSecurityToken")
    for what, account, role, session_name, seconds, expected in [
        ("a role that trusts nobody", mine, "closed", "check", 900, "NoPermission"),
        ("a role that is not there", mine, "none", "check", 900, "EntityNotExist.Role"),
        ("a session too short", mine, "sync", "check", 60, "InvalidParameter.DurationSeconds"),
        ("a session with a bad name", mine, "sync", "a b", 900, "InvalidParameter.RoleSessionName"),
        ("a role of no account", "none", "sync", "check", 900, "InvalidParameter.RoleArn"),
    ]:
        checks.equal(f"{name}: {what}", code(assume, ours, account, role, session_name, seconds), expected)

    organisation = newer(Directory, served, region, signature)
    members = numbered(organisation.list_accounts, directory.ListAccountsRequest,
                       lambda body: body.accounts.account, 1)
    checks.equal(f"{name}: members", [each.display_name for each in members], ["member-1", "member-2"])
    checks.true(f"{name}: none is the head", mine not in [each.account_id for each in members])
    first, second = [each.account_id for each in members]
    member = key(assume(ours, first, "ResourceDirectoryAccountAccessRole"))
    checks.equal(f"{name}: a member", identity(served, signature, member).account_id, first)
    inside = newer(Ecs, served, region, signature, member)
    seen = inside.describe_instances(ecs.DescribeInstancesRequest(region_id="cn-hangzhou")).body.total_count
    checks.equal(f"{name}: what a member has", seen, 30)
    chained = assume(newer(Sts, served, region, signature, member), second, "chained")
    checks.equal(f"{name}: a role by a role", identity(served, signature, key(chained)).account_id, second)
    checks.equal(f"{name}: a role not for the head", code(assume, ours, second, "chained"), "NoPermission")
    below = newer(Directory, served, region, signature, member)
    checks.equal(f"{name}: a member heads nothing",
                 code(below.list_accounts, directory.ListAccountsRequest()), "ResourceDirectoryNotInUse")


def buckets_of(served, signature, region, key=None):
    """Makes a client of the object store."""
    key = key or served.key
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(key.id, key.secret, key.token)
    config.region, config.endpoint, config.signature_version = region, served.url, signature
    config.retry_max_attempts = 1
    return oss.Client(config)


def check_buckets(checks, served, region, truth, signature):
    name = f"OSS {signature}"
    ours = buckets_of(served, signature, region)
    everything = sorted((each["id"], where) for where, some in truth.items() for each in some)
    kinds = {each["id"]: each for some in truth.values() for each in some}

    def walk(size, **params):
        found, marker, pages = [], None, 0
        while True:
            page = ours.list_buckets(oss.ListBucketsRequest(max_keys=size, marker=marker, **params))
            found += page.buckets or []
            marker, pages = page.next_marker, pages + 1
            if not page.is_truncated:
                return found, pages

    for size in (7, 100, 1000):
        found, pages = walk(size)
        checks.equal(f"{name}: buckets, {size} a page", [(each.name, each.region) for each in found], everything)
        checks.equal(f"{name}: pages of {size}", pages, -(-len(everything) // size))
    found, _ = walk(1000)
    checks.equal(f"{name}: classes of buckets", {each.name: each.storage_class for each in found},
                 {bucket: row["spec"] for bucket, row in kinds.items()})
    checks.equal(f"{name}: when buckets were made",
                 {each.name: each.creation_date.strftime("%Y-%m-%dT%H:%M:%SZ") for each in found},
                 {bucket: row["created"] for bucket, row in kinds.items()})
    checks.true(f"{name}: places of buckets", all(each.location == f"oss-{each.region}" for each in found))
    whole = ours.list_buckets(oss.ListBucketsRequest(max_keys=1000))
    checks.equal(f"{name}: what fits a page says nothing of pages",
                 [whole.is_truncated, whole.next_marker, whole.max_keys], [None, None, None])
    some, _ = walk(5, prefix="logs-")
    checks.equal(f"{name}: buckets by prefix", [each.name for each in some],
                 [bucket for bucket, _ in everything if bucket.startswith("logs-")])
    for row in truth[region][:12]:
        labels = ours.get_bucket_tags(oss.GetBucketTagsRequest(bucket=row["id"])).tagging.tag_set.tags
        checks.equal(f"{name}: tags of {row['id']}", {tag.key: tag.value for tag in labels or []}, row["tags"])
        info = ours.get_bucket_info(oss.GetBucketInfoRequest(bucket=row["id"])).bucket_info
        checks.equal(f"{name}: facts of {row['id']}", [info.name, info.location, info.storage_class],
                     [row["id"], f"oss-{region}", row["spec"]])
    everyone = oss.ListBucketsRequest()
    for what, key, expected in [
        ("a wrong secret", served.key._replace(secret="wrong"), "SignatureDoesNotMatch"),
        ("an unknown key", served.key._replace(id="LTAI5tNobody"), "InvalidAccessKeyId"),
        ("a token of nobody", served.key._replace(token="made-up"), "InvalidSecurityToken"),
    ]:
        checks.equal(f"{name}: {what}", code(buckets_of(served, signature, region, key).list_buckets, everyone),
                     expected)
    checks.equal(f"{name}: a bucket that is not there", code(
        ours.get_bucket_tags, oss.GetBucketTagsRequest(bucket="no-such-bucket")), "NoSuchBucket")
    checks.equal(f"{name}: too many keys", code(ours.list_buckets, oss.ListBucketsRequest(max_keys=1001)),
                 "InvalidArgument")
    mine = identity(served, SIGNATURES["ACS3"]).account_id
    lent = newer(Sts, served, region, SIGNATURES["ACS3"]).assume_role(sts.AssumeRoleRequest(
        role_arn=f"acs:ram::{mine}:role/sync", role_session_name="check")).body.credentials
    session = Key(lent.access_key_id, lent.access_key_secret, lent.security_token)
    page = buckets_of(served, signature, region, session).list_buckets(oss.ListBucketsRequest(max_keys=1000))
    checks.equal(f"{name}: buckets by a role", len(page.buckets), len(everything))
    checks.equal(f"{name}: a role without its token", code(
        buckets_of(served, signature, region, session._replace(token=None)).list_buckets, everyone),
        "InvalidSecurityToken")
    if signature == "v4":
        elsewhere = next(where for where, some in truth.items() if some and where != region)
        checks.equal(f"{name}: a bucket of another region", code(
            ours.get_bucket_tags, oss.GetBucketTagsRequest(bucket=truth[elsewhere][0]["id"])), "AccessDenied")


def check_all(checks, served):
    managed, volumes = served.account["managed"], served.account["volumes"]
    region = max(served.regions, key=lambda region: len(served.regions[region]))
    for name, signature in SIGNATURES.items():
        check_databases(checks, served, region, managed["database"][region], name, signature)
        check_caches(checks, served, region, managed["cache"][region], name, signature)
        check_addresses(checks, served, region, managed["address"][region], name, signature)
        check_balancers(checks, served, region, managed["balancer"][region], name, signature)
        check_disks(checks, served, region, volumes[region], name, signature)
        check_refusals(checks, served, region, name, signature)
        check_roles(checks, served, region, name, signature)
    check_older(checks, served, region, managed)
    for signature in ("v4", "v1"):
        check_buckets(checks, served, region, managed["bucket"], signature)


if __name__ == "__main__":
    sys.exit(run("aliyun", __doc__.splitlines()[0], check_all))
