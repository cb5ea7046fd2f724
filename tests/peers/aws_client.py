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


def check_types(checks, served, region, truth):
    ours = client("ec2", served, region)
    names = sorted({each["instance_type"] for each in truth})
    found = ours.describe_instance_types(InstanceTypes=names)["InstanceTypes"]
    checks.equal("instance types", sorted(each["InstanceType"] for each in found), names)
    everything = walk(ours, "describe_instance_types", "InstanceTypes", size=5)
    checks.true("every type has processors and memory",
                all(each["VCpuInfo"]["DefaultVCpus"] and each["MemoryInfo"]["SizeInMiB"] for each in everything))
    checks.true("one has a GPU", any(each["GpuInfo"]["Gpus"][0]["Count"] for each in everything if "GpuInfo" in each))


def check_volumes(checks, served, region):
    found = walk(client("ec2", served, region), "describe_volumes", "Volumes", size=500)
    checks.equal(f"{region}: volumes in full", by_id([{
        "id": each["VolumeId"],
        "name": tags(each).get("Name", ""),
        "size_gib": each["Size"],
        "category": each["VolumeType"],
        "zone": each["AvailabilityZone"],
        "instances": sorted(at["InstanceId"] for at in each["Attachments"]),
        "created": each["CreateTime"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tags": tags(each),
    } for each in found]), by_id([{name: sorted(value) if name == "instances" else value
                                   for name, value in each.items() if name != "system"}
                                  for each in served.account["volumes"][region]]))


def some(truth, names):
    return by_id([{name: each[name] for name in names} for each in truth])


def check_databases(checks, served, region):
    truth = served.account["managed"]["database"][region]
    ours = client("rds", served, region)
    found = walk(ours, "describe_db_instances", "DBInstances", size=20)
    checks.equal(f"{region}: databases", by_id([{
        "id": each["DBInstanceIdentifier"],
        "name": {tag["Key"]: tag["Value"] for tag in each["TagList"]}["Name"],
        "status": each["DBInstanceStatus"],
        "spec": each["DBInstanceClass"],
        "engine": each["Engine"],
        "engine_version": each["EngineVersion"],
        "vpc": each["DBSubnetGroup"]["VpcId"],
        "storage_gib": each["AllocatedStorage"],
        "tags": {tag["Key"]: tag["Value"] for tag in each["TagList"]},
    } for each in found]), some(truth, ["id", "name", "status", "spec", "engine", "engine_version", "vpc",
                                        "storage_gib", "tags"]))
    checks.equal(f"{region}: zones of databases",
                 {each["DBInstanceIdentifier"]: each.get("AvailabilityZone") for each in found},
                 {each["id"]: each["zone"] if each["status"] != "creating" else None for each in truth})
    checks.equal("DBInstanceNotFound", fails(ours.describe_db_instances, DBInstanceIdentifier="nobody"),
                 (404, "DBInstanceNotFound"))
    checks.equal("MaxRecords 19", fails(ours.describe_db_instances, MaxRecords=19), (400, "InvalidParameterValue"))
    checks.equal("a marker of nothing", fails(ours.describe_db_instances, Marker="AAAA"),
                 (400, "InvalidParameterValue"))
    if truth:
        one = ours.describe_db_instances(DBInstanceIdentifier=truth[0]["id"])["DBInstances"]
        checks.equal("a database by its id", [each["DBInstanceIdentifier"] for each in one], [truth[0]["id"]])
        arn = one[0]["DBInstanceArn"]
        named = ours.describe_db_instances(Filters=[{"Name": "db-instance-id", "Values": [arn, truth[-1]["id"]]}])
        checks.equal("databases by a filter", sorted(each["DBInstanceIdentifier"] for each in named["DBInstances"]),
                     sorted({truth[0]["id"], truth[-1]["id"]}))


def check_caches(checks, served, region):
    truth = served.account["managed"]["cache"][region]
    ours = client("elasticache", served, region)
    found = walk(ours, "describe_cache_clusters", "CacheClusters", size=20, ShowCacheNodeInfo=True)
    checks.equal(f"{region}: caches", by_id([{
        "id": each["CacheClusterId"],
        "status": each["CacheClusterStatus"],
        "spec": each["CacheNodeType"],
        "engine": each["Engine"],
        "engine_version": each["EngineVersion"],
        "zone": each["PreferredAvailabilityZone"],
    } for each in found]), some(truth, ["id", "status", "spec", "engine", "engine_version", "zone"]))
    checks.true(f"{region}: nodes of caches",
                all(each["CacheNodes"] or each["CacheClusterStatus"] == "creating" for each in found))
    plain = walk(ours, "describe_cache_clusters", "CacheClusters")
    checks.true(f"{region}: no nodes where none are asked for", not any(each.get("CacheNodes") for each in plain))
    checks.equal("CacheClusterNotFound", fails(ours.describe_cache_clusters, CacheClusterId="nobody"),
                 (404, "CacheClusterNotFound"))
    for each in found[:3]:
        listed = ours.list_tags_for_resource(ResourceName=each["ARN"])["TagList"]
        wanted = next(one["tags"] for one in truth if one["id"] == each["CacheClusterId"])
        checks.equal("tags of a cache", {tag["Key"]: tag["Value"] for tag in listed}, wanted)


def check_buckets(checks, served, region):
    truth = {each["id"]: (place, each["tags"]) for place, there in served.account["managed"]["bucket"].items()
             for each in there}
    ours = client("s3", served, region)
    whole = ours.list_buckets()["Buckets"]
    checks.equal("buckets", [each["Name"] for each in whole], sorted(truth))
    checks.true("no regions unasked", not any("BucketRegion" in each for each in whole))
    paged = walk(ours, "list_buckets", "Buckets", size=3)
    checks.equal("buckets by pages", [(each["Name"], each["BucketRegion"]) for each in paged],
                 [(name, truth[name][0]) for name in sorted(truth)])
    here = ours.list_buckets(BucketRegion=region)["Buckets"]
    checks.equal("buckets of a region", [each["Name"] for each in here],
                 [name for name in sorted(truth) if truth[name][0] == region])
    prefix = ours.list_buckets(Prefix="logs-")["Buckets"]
    checks.equal("buckets by prefix", [each["Name"] for each in prefix],
                 [name for name in sorted(truth) if name.startswith("logs-")])
    checks.equal("a continuation token of nothing", fails(ours.list_buckets, ContinuationToken="AAAA"),
                 (400, "InvalidArgument"))
    for name, (place, wanted) in sorted(truth.items()):
        # The client follows the refusal of another region's bucket.
        try:
            found = {tag["Key"]: tag["Value"] for tag in ours.get_bucket_tagging(Bucket=name)["TagSet"]}
        except ClientError as error:
            found = error.response["Error"]["Code"]
        checks.equal(f"tags of {name}", found, wanted or "NoSuchTagSet")
        where = ours.get_bucket_location(Bucket=name)["LocationConstraint"]
        checks.equal(f"the region of {name}", where or "us-east-1", place)
    checks.equal("NoSuchBucket", fails(ours.get_bucket_tagging, Bucket="no-such-bucket"), (404, "NoSuchBucket"))
    wrong = client("s3", served, region, served.key._replace(secret="wrong"))
    checks.equal("S3: a wrong secret", fails(wrong.list_buckets), (403, "SignatureDoesNotMatch"))
    nobody = client("s3", served, region, served.key._replace(id="AKIANOBODY"))
    checks.equal("S3: an unknown key", fails(nobody.list_buckets), (403, "InvalidAccessKeyId"))


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
    itself = client("sts", served, region, key).get_caller_identity()
    checks.equal("who a role is", itself["Arn"], f"arn:aws:sts::{identity['Account']}:assumed-role/sync/check")
    for name in ("closed", "nothing"):
        checks.equal(f"a role called {name}", fails(ours.assume_role, RoleArn=role.replace("sync", name),
                                                    RoleSessionName="check"), (403, "AccessDenied"))
    checks.equal("a role of nobody", fails(ours.assume_role, RoleArn="arn:aws:iam::000000000000:role/sync",
                                           RoleSessionName="check"), (403, "AccessDenied"))


def check_all(checks, served):
    region, truth = max(served.regions.items(), key=lambda item: len(item[1]))
    regions = client("ec2", served, region).describe_regions()["Regions"]
    checks.equal("regions", sorted(each["RegionName"] for each in regions), sorted(served.regions))
    gone = [check_region(checks, served, each, there) for each, there in sorted(served.regions.items())]
    checks.true("something was terminated and is still shown", sum(gone) > 0)
    check_filters(checks, served, region, truth)
    check_types(checks, served, region, truth)
    for each in sorted(served.regions):
        check_volumes(checks, served, each)
        check_databases(checks, served, each)
        check_caches(checks, served, each)
    check_buckets(checks, served, region)
    check_refusals(checks, served, region, truth)
    check_identity(checks, served, region, truth)


if __name__ == "__main__":
    sys.exit(run("aws", __doc__.splitlines()[0], check_all))
