#!/usr/bin/env python3
"""Asks a simulated Tencent Cloud with the vendor's own client.

The client lists, filters and fails against a server that claims to be CVM,
CDB and STS, and what it gets is compared with what the server says it holds.
See aliyun_client.py for how to run it by hand; serve with --vendors tencent.
"""

import sys

from tencentcloud.cdb.v20170320 import cdb_client
from tencentcloud.cdb.v20170320 import models as cdb
from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import cvm_client
from tencentcloud.cvm.v20170312 import models as cvm
from tencentcloud.sts.v20180813 import models as sts
from tencentcloud.sts.v20180813 import sts_client

from checks import as_text, by_id, run

MOST = 100


def client(make, served, region, key=None):
    key = key or served.key
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=served.address))
    return make(credential.Credential(key.id, key.secret, key.token), region, profile)


def ask(request, **params):
    for name, value in params.items():
        setattr(request, name, value)
    return request


def fails(call, request, **params):
    """Returns the code of the error that a call ends in."""
    try:
        call(ask(request, **params))
    except TencentCloudSDKException as error:
        return error.get_code()
    return "no error"


def filters(**values):
    made = []
    for name, value in values.items():
        each = cvm.Filter()
        each.Name, each.Values = name.replace("_", "-"), [value]
        made.append(each)
    return made


def walk(call, request, items, most=MOST, **params):
    """Walks a listing by offsets until a page is empty."""
    found = []
    while True:
        page = getattr(call(ask(request(), Offset=len(found), Limit=most, **params)), items)
        if not page:
            return found
        found += page


def as_truth(each):
    return {
        "id": each.InstanceId,
        "name": each.InstanceName,
        "status": each.InstanceState,
        "instance_type": each.InstanceType,
        "zone": each.Placement.Zone,
        "image": each.ImageId,
        "charge_type": each.InstanceChargeType,
        "vpc": each.VirtualPrivateCloud.VpcId,
        "resource_group": str(each.Placement.ProjectId),
        "private_ips": sorted(each.PrivateIpAddresses),
        "public_ips": sorted(each.PublicIpAddresses or []),
        "security_groups": sorted(each.SecurityGroupIds),
        "data_disks": by_id([{"id": disk.DiskId, "size_gib": disk.DiskSize, "category": disk.DiskType}
                             for disk in each.DataDisks or []]),
        "tags": {tag.Key: tag.Value for tag in each.Tags or []},
    }


def check_region(checks, served, region, truth):
    ours = client(cvm_client.CvmClient, served, region)
    found = walk(ours.DescribeInstances, cvm.DescribeInstancesRequest, "InstanceSet")
    checks.equal(f"{region}: instances in full", by_id(map(as_truth, found)),
                 by_id(map(as_text, truth)))
    small = walk(ours.DescribeInstances, cvm.DescribeInstancesRequest, "InstanceSet", most=17)
    checks.equal(f"{region}: pages of 17", [each.InstanceId for each in small],
                 [each.InstanceId for each in found])
    total = ours.DescribeInstances(ask(cvm.DescribeInstancesRequest(), Limit=1)).TotalCount
    checks.equal(f"{region}: total", total, len(truth))
    words = walk(ours.DescribeInstancesStatus, cvm.DescribeInstancesStatusRequest, "InstanceStatusSet")
    checks.equal(f"{region}: statuses", {each.InstanceId: each.InstanceState for each in words},
                 {each["id"]: each["status"] for each in truth})


def check_filters(checks, served, region, truth):
    ours = client(cvm_client.CvmClient, served, region)

    def ids(**params):
        return sorted(each.InstanceId for each in
                      walk(ours.DescribeInstances, cvm.DescribeInstancesRequest, "InstanceSet", **params))

    def chosen(keep):
        return sorted(each["id"] for each in truth if keep(each))

    some = [each["id"] for each in truth[::7]][:MOST]
    one = ask(cvm.DescribeInstancesRequest(), InstanceIds=some, Limit=MOST)
    found = sorted(each.InstanceId for each in ours.DescribeInstances(one).InstanceSet)
    checks.equal("InstanceIds", found, sorted(some))
    strangers = ask(cvm.DescribeInstancesRequest(), InstanceIds=[some[0], "ins-00000000"], Limit=MOST)
    checks.equal("an id of nothing", [each.InstanceId for each in ours.DescribeInstances(strangers).InstanceSet],
                 some[:1])
    for name, key in [("instance_state", "status"), ("zone", "zone"), ("instance_type", "instance_type"),
                      ("instance_charge_type", "charge_type")]:
        for value in sorted({each[key] for each in truth}):
            checks.equal(f"{name}={value}", ids(Filters=filters(**{name: value})),
                         chosen(lambda each: each[key] == value))
    for value in ["库", "测试 环境", "a&b=c%20d", "naïve-über"]:
        checks.equal(f"instance-name={value}", ids(Filters=filters(instance_name=value)),
                     chosen(lambda each: value in each["name"]))
    for key, value in [("env", "prod"), ("Owner", "ops team+1"), ("key-19", "值 19 / * ~ & = +")]:
        checks.equal(f"tag:{key}={value}", ids(Filters=filters(**{f"tag:{key}": value})),
                     chosen(lambda each: each["tags"].get(key) == value))
    group = truth[0]["security_groups"][0]
    checks.equal("security-group-id", ids(Filters=filters(security_group_id=group)),
                 chosen(lambda each: group in each["security_groups"]))


def check_refusals(checks, served, region, truth):
    ours = client(cvm_client.CvmClient, served, region)
    code = lambda call, **params: fails(call, cvm.DescribeInstancesRequest(), **params)
    checks.equal("Limit 101", code(ours.DescribeInstances, Limit=101), "InvalidParameterValueLimit")
    checks.equal("InstanceIds and Filters",
                 code(ours.DescribeInstances, InstanceIds=[truth[0]["id"]], Filters=filters(zone="x")),
                 "InvalidParameter")
    checks.equal("101 ids", code(ours.DescribeInstances, InstanceIds=[truth[0]["id"]] * 101),
                 "InvalidParameterValue.LimitExceeded")
    checks.equal("a malformed id", code(ours.DescribeInstances, InstanceIds=["nonsense"]),
                 "InvalidInstanceId.Malformed")
    for what, key, expected in [
            ("a wrong secret", served.key._replace(secret="wrong"), "AuthFailure.SignatureFailure"),
            ("an unknown key", served.key._replace(id="AKIDnobody"), "AuthFailure.SecretIdNotFound"),
            ("another vendor's key", served.key._replace(id="LTAI5tSimulatedCloudDemo"),
             "AuthFailure.SecretIdNotFound"),
            ("a token without need", served.key._replace(token="token"), "AuthFailure.TokenFailure")]:
        other = client(cvm_client.CvmClient, served, region, key)
        checks.equal(what, code(other.DescribeInstances), expected)
    elsewhere = client(cvm_client.CvmClient, served, "mars-north-1")
    checks.equal("an unknown region", code(elsewhere.DescribeInstances), "UnsupportedRegion")
    checks.equal("what is not simulated", fails(ours.DescribeImages, cvm.DescribeImagesRequest()), "InvalidAction")


def check_identity(checks, served, region, truth):
    ours = client(sts_client.StsClient, served, region)
    identity = ours.GetCallerIdentity(sts.GetCallerIdentityRequest())
    checks.true("an identity", identity.Arn.startswith(f"qcs::cam:uin/{identity.AccountId}:"))
    role = ask(sts.AssumeRoleRequest(), RoleArn=f"qcs::cam::uin/{identity.AccountId}:roleName/sync",
               RoleSessionName="check", DurationSeconds=900)
    lent = ours.AssumeRole(role)
    key = served.key._replace(id=lent.Credentials.TmpSecretId, secret=lent.Credentials.TmpSecretKey,
                              token=lent.Credentials.Token)
    theirs = client(cvm_client.CvmClient, served, region, key)
    total = theirs.DescribeInstances(cvm.DescribeInstancesRequest()).TotalCount
    checks.equal("what a role sees", total, len(truth))
    without = client(cvm_client.CvmClient, served, region, key._replace(token=None))
    checks.equal("a role without its token", fails(without.DescribeInstances, cvm.DescribeInstancesRequest()),
                 "AuthFailure.TokenFailure")
    itself = client(sts_client.StsClient, served, region, key).GetCallerIdentity(sts.GetCallerIdentityRequest())
    checks.equal("who a role is", (itself.AccountId, itself.Type), (identity.AccountId, "CAMRole"))
    role.RoleArn = role.RoleArn.replace("sync", "closed")
    checks.equal("a role that trusts nobody", fails(ours.AssumeRole, role), "AuthFailure.UnauthorizedOperation")
    role.RoleArn = role.RoleArn.replace("closed", "nothing")
    checks.equal("a role that is not there", fails(ours.AssumeRole, role), "ResourceNotFound.RoleNotFound")
    role.RoleArn = "qcs::cam::uin/1:roleName/sync"
    checks.equal("a role of nobody", fails(ours.AssumeRole, role), "InvalidParameterValue")


def check_databases(checks, served, region):
    truth = served.account["managed"]["database"][region]
    ours = client(cdb_client.CdbClient, served, region)
    found = walk(ours.DescribeDBInstances, cdb.DescribeDBInstancesRequest, "Items", most=2000)
    checks.equal(f"{region}: databases", by_id([{
        "id": each.InstanceId,
        "name": each.InstanceName,
        "status": str(each.Status),
        "spec": f"{each.Cpu}C{each.Memory}M",
        "engine_version": each.EngineVersion,
        "zone": each.Zone,
        "vpc": each.UniqVpcId,
        "resource_group": str(each.ProjectId),
        "prepaid": each.PayType == 0,
        "private_ips": [each.Vip],
        "storage_gib": each.Volume,
        "tags": {tag.TagKey: tag.TagValue for tag in each.TagList},
    } for each in found]), by_id([{name: each[name] for name in (
        "id", "name", "status", "spec", "engine_version", "zone", "vpc", "resource_group", "prepaid",
        "private_ips", "storage_gib", "tags")} for each in truth]))
    small = walk(ours.DescribeDBInstances, cdb.DescribeDBInstancesRequest, "Items", most=7)
    checks.equal(f"{region}: databases by pages of 7", [each.InstanceId for each in small],
                 [each.InstanceId for each in found])
    checks.equal("Limit 2001", fails(ours.DescribeDBInstances, cdb.DescribeDBInstancesRequest(), Limit=2001),
                 "InvalidParameterValueLimit")
    some = [each["id"] for each in truth[::3]]
    if some:
        page = ours.DescribeDBInstances(ask(cdb.DescribeDBInstancesRequest(), InstanceIds=some, Limit=2000)).Items
        checks.equal(f"{region}: databases by id", sorted(each.InstanceId for each in page), sorted(some))
    for status in (0, 1, 5):
        page = walk(ours.DescribeDBInstances, cdb.DescribeDBInstancesRequest, "Items", most=2000, Status=[status])
        checks.equal(f"{region}: databases in status {status}", sorted(each.InstanceId for each in page),
                     sorted(each["id"] for each in truth if each["status"] == str(status)))


def check_all(checks, served):
    region, truth = max(served.regions.items(), key=lambda item: len(item[1]))
    ours = client(cvm_client.CvmClient, served, region)
    regions = ours.DescribeRegions(cvm.DescribeRegionsRequest()).RegionSet
    checks.equal("regions", sorted(each.Region for each in regions), sorted(served.regions))
    for each, there in sorted(served.regions.items()):
        check_region(checks, served, each, there)
        check_databases(checks, served, each)
    check_filters(checks, served, region, truth)
    check_refusals(checks, served, region, truth)
    check_identity(checks, served, region, truth)


if __name__ == "__main__":
    sys.exit(run("tencent", __doc__.splitlines()[0], check_all))
