#!/usr/bin/env python3
"""Asks a simulated AWS with the vendor's own client.

The client lists, filters and fails against a server that claims to be EC2,
RDS, ElastiCache, S3 and STS, and what it gets is compared with what the server
says it holds. See aliyun_client.py for how to run it by hand; serve with
--vendors aws.
"""

import sys

import boto3
import botocore.client
from botocore.exceptions import ClientError

from checks import as_text, by_id, run


def client(service, served, region, key=None):
    key = key or served.key
    config = botocore.client.Config(retries={"total_max_attempts": 1})
    return boto3.client(service, region_name=region, endpoint_url=served.url, config=config,
                        aws_access_key_id=key.id, aws_secret_access_key=key.secret,
                        aws_session_token=key.token)


def fails(call, **params):
    """Returns the status and the code of the error that a call ends in."""
    try:
        call(**params)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return 200, "no error"


def walk(ours, action, *path, size=None, **params):
    """Walks a listing with the client's own paginator."""
    config = {"PageSize": size} if size else {}
    found = []
    for page in ours.get_paginator(action).paginate(PaginationConfig=config, **params):
        items = [page]
        for name in path:
            items = [each for item in items for each in item.get(name, [])]
        found += items
    return found


def instances(ours, **params):
    return walk(ours, "describe_instances", "Reservations", "Instances", **params)


def tags(item):
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}


def as_truth(each, volumes):
    interfaces = each["NetworkInterfaces"]
    private = {ip["PrivateIpAddress"] for one in interfaces for ip in one["PrivateIpAddresses"]}
    public = {one["Association"]["PublicIp"] for one in interfaces if "Association" in one}
    data = [device["Ebs"]["VolumeId"] for device in each["BlockDeviceMappings"]
            if device["DeviceName"] != each["RootDeviceName"]]
    return {
        "id": each["InstanceId"],
        "name": tags(each)["Name"],
        "status": each["State"]["Name"],
        "instance_type": each["InstanceType"],
        "zone": each["Placement"]["AvailabilityZone"],
        "image": each["ImageId"],
        "charge_type": "",
        "vpc": each["VpcId"],
        "resource_group": "",
        "private_ips": sorted(private),
        "public_ips": sorted(public),
        "security_groups": sorted(group["GroupId"] for group in each["SecurityGroups"]),
        "data_disks": by_id([{"id": disk, "size_gib": volumes[disk]["Size"],
                              "category": volumes[disk]["VolumeType"]} for disk in data]),
        "tags": tags(each),
    }


def check_region(checks, served, region, truth):
    ours = client("ec2", served, region)
    volumes = {each["VolumeId"]: each for each in walk(ours, "describe_volumes", "Volumes", size=500)}
    shown = instances(ours, size=200)
    live = [each for each in shown if each["State"]["Name"] != "terminated"]
    checks.equal(f"{region}: instances in full", by_id([as_truth(each, volumes) for each in live]),
                 by_id(map(as_text, truth)))
    small = instances(ours, size=7)
    checks.equal(f"{region}: pages of 7", [each["InstanceId"] for each in small],
                 [each["InstanceId"] for each in shown])
    whole = instances(ours)
    checks.equal(f"{region}: without pages", whole, shown)
    gone = [each for each in shown if each["State"]["Name"] == "terminated"]
    checks.true(f"{region}: what is terminated is nowhere",
                all("PrivateIpAddress" not in each and not each["BlockDeviceMappings"] for each in gone))
    words = walk(ours, "describe_instance_status", "InstanceStatuses", size=100, IncludeAllInstances=True)
    checks.equal(f"{region}: statuses", {each["InstanceId"]: each["InstanceState"]["Name"] for each in words},
                 {each["InstanceId"]: each["State"]["Name"] for each in shown})
    running = walk(ours, "describe_instance_status", "InstanceStatuses", size=100)
    checks.equal(f"{region}: running ones", sorted(each["InstanceId"] for each in running),
                 sorted(each["id"] for each in truth if each["status"] == "running"))
    return len(gone)


def check_filters(checks, served, region, truth):
    ours = client("ec2", served, region)

    def ids(**values):
        filters = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]
        return sorted(each["InstanceId"] for each in instances(ours, size=100, Filters=filters)
                      if each["State"]["Name"] != "terminated")

    def chosen(keep):
        return sorted(each["id"] for each in truth if keep(each))

    some = [each["id"] for each in truth[::7]][:100]
    found = ours.describe_instances(InstanceIds=some)["Reservations"]
    checks.equal("InstanceIds", sorted(each["InstanceId"] for one in found for each in one["Instances"]),
                 sorted(some))
    for name, key in [("instance_state_name", "status"), ("availability_zone", "zone"),
                      ("instance_type", "instance_type"), ("image_id", "image")]:
        for value in sorted({each[key] for each in truth}):
            checks.equal(f"{name}={value}", ids(**{name: value}), chosen(lambda each: each[key] == value))
    for key, value in [("env", "prod"), ("env", "测试"), ("Owner", "ops team+1"), ("empty", "")]:
        checks.equal(f"tag:{key}={value}", ids(**{f"tag:{key}": value}),
                     chosen(lambda each: each["tags"].get(key) == value) if value else [])
    group = truth[0]["security_groups"][0]
    checks.equal("instance.group-id", ids(**{"instance.group-id": group}),
                 chosen(lambda each: group in each["security_groups"]))
    holder = next(each for each in truth if len(each["data_disks"]) > 1)
    found = ours.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [holder["id"]]}])
    mine = {each["VolumeId"] for each in found["Volumes"]}
    checks.true("volumes of an instance", {disk["id"] for disk in holder["data_disks"]} < mine)
    loose = walk(ours, "describe_volumes", "Volumes", size=50, Filters=[{"Name": "status", "Values": ["available"]}])
    checks.true("there are volumes that hang nowhere", loose and not any(each["Attachments"] for each in loose))


def check_refusals(checks, served, region, truth):
    ours = client("ec2", served, region)
    ask = ours.describe_instances
    one = truth[0]["id"]
    checks.equal("DryRun", fails(ask, DryRun=True), (412, "DryRunOperation"))
    checks.equal("MaxResults 4", fails(ask, MaxResults=4), (400, "InvalidParameterValue"))
    checks.equal("MaxResults 1001", fails(ask, MaxResults=1001), (400, "InvalidParameterValue"))
    checks.equal("ids and pages", fails(ask, MaxResults=5, InstanceIds=[one]), (400, "InvalidParameterCombination"))
    checks.equal("an id of nothing", fails(ask, InstanceIds=[one, "i-00000000000000001"]),
                 (400, "InvalidInstanceID.NotFound"))
    checks.equal("a malformed id", fails(ask, InstanceIds=["nonsense"]), (400, "InvalidInstanceID.Malformed"))
    checks.equal("a token of nothing", fails(ask, NextToken="AAAA"), (400, "InvalidParameterValue"))
    token = ask(MaxResults=5)["NextToken"]
    checks.equal("a token of another listing",
                 fails(ask, NextToken=token, Filters=[{"Name": "image-id", "Values": ["ami-1"]}]),
                 (400, "InvalidParameterValue"))
    checks.equal("what is not simulated", fails(ours.describe_images), (400, "InvalidAction"))
    elsewhere = client("ec2", served, "mars-north-1")
    checks.equal("an unknown region", fails(elsewhere.describe_instances), (401, "AuthFailure"))
    for what, key, expected in [
            ("a wrong secret", served.key._replace(secret="wrong"), (403, "SignatureDoesNotMatch")),
            ("an unknown key", served.key._replace(id="AKIANOBODY"), (403, "InvalidClientTokenId")),
            ("a token without need", served.key._replace(token="token"), (403, "InvalidClientTokenId"))]:
        checks.equal(f"EC2: {what}", fails(client("ec2", served, region, key).describe_instances),
                     (401, "AuthFailure"))
        checks.equal(f"STS: {what}", fails(client("sts", served, region, key).get_caller_identity), expected)


def check_identity(checks, served, region, truth):
    ours = client("sts", served, region)
    identity = ours.get_caller_identity()
    checks.true("an identity", identity["Arn"].startswith(f"arn:aws:iam::{identity['Account']}:"))
    role = f"arn:aws:iam::{identity['Account']}:role/sync"
    lent = ours.assume_role(RoleArn=role, RoleSessionName="check")["Credentials"]
    key = served.key._replace(id=lent["AccessKeyId"], secret=lent["SecretAccessKey"], token=lent["SessionToken"])
    theirs = client("ec2", served, region, key)
    live = [each for each in instances(theirs, size=1000) if each["State"]["Name"] != "terminated"]
    checks.equal("what a role sees", len(live), len(truth))
    without = client("ec2", served, region, key._replace(token=None))
    checks.equal("a role without its token", fails(without.describe_instances), (401, "AuthFailure"))
    checks.equal("a role of nobody", fails(ours.assume_role, RoleArn="arn:aws:iam::000000000000:role/sync",
                                           RoleSessionName="check"), (403, "AccessDenied"))


def check_all(checks, served):
    region, truth = max(served.regions.items(), key=lambda item: len(item[1]))
    regions = client("ec2", served, region).describe_regions()["Regions"]
    checks.equal("regions", sorted(each["RegionName"] for each in regions), sorted(served.regions))
    gone = [check_region(checks, served, each, there) for each, there in sorted(served.regions.items())]
    checks.true("something was terminated and is still shown", sum(gone) > 0)
    check_filters(checks, served, region, truth)
    check_refusals(checks, served, region, truth)
    check_identity(checks, served, region, truth)


if __name__ == "__main__":
    sys.exit(run("aws", __doc__.splitlines()[0], check_all))
