"""Checks this repository's client of AWS against moto, which nobody here wrote.

Makes machines, databases, caches and buckets there with AWS's own client, runs
the example `list_aws`, and compares what it prints with what was made.

Moto is laxer than AWS where it matters: it checks no signature, gives every
caller every permission, and does not refuse page sizes that AWS refuses. What
hangs on those is checked against the simulated cloud and with botocore.
"""

import json
import subprocess
import sys

import boto3

REGION = "eu-west-1"
ODD = {"Name": "生产 <web> & co", "empty": "", "a+b": "c=d"}


def clients(endpoint):
    def client(service):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return {service: client(service) for service in ("ec2", "rds", "elasticache", "s3")}


def tag_list(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def make(to):
    """Makes everything; returns it by kind and id, as it should be listed."""
    made = {"aws.ec2.instance": {}, "aws.rds.instance": {}}
    made |= {"aws.elasticache.cluster": {}, "aws.s3.bucket": {}}
    ec2 = to["ec2"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    tagged = [{"ResourceType": "instance", "Tags": tag_list(ODD)}]
    odd = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro", TagSpecifications=tagged
    )["Instances"][0]
    volume = ec2.create_volume(
        Size=7, AvailabilityZone=odd["Placement"]["AvailabilityZone"], VolumeType="gp3"
    )["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=odd["InstanceId"], Device="/dev/sdf")
    plain = ec2.run_instances(ImageId=image, MinCount=299, MaxCount=299, InstanceType="m7g.large")
    plain = [instance["InstanceId"] for instance in plain["Instances"]]
    ec2.stop_instances(InstanceIds=plain[:1])
    ec2.terminate_instances(InstanceIds=plain[1:2])
    machines = made["aws.ec2.instance"]
    for page in ec2.get_paginator("describe_instances").paginate():
        for reservation in page["Reservations"]:
            for found in reservation["Instances"]:
                machines[found["InstanceId"]] = {
                    "vendor_status": found["State"]["Name"],
                    "spec": found["InstanceType"],
                    "zone": found["Placement"]["AvailabilityZone"],
                    "tags": {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
                    "security_groups": sorted(g["GroupId"] for g in found["SecurityGroups"]),
                    "data_disks": [],
                }
    assert len(machines) == 300, len(machines)
    machines[odd["InstanceId"]]["data_disks"] = [
        {"id": volume, "category": "gp3", "size_gib": 7}
    ]
    machines[odd["InstanceId"]]["name"] = ODD["Name"]
    for number in range(120):
        name = f"db-{number:03}"
        to["rds"].create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="kim",
            MasterUserPassword="notasecret1",
            Tags=tag_list(ODD if number == 0 else {}),
        )
        made["aws.rds.instance"][name] = {
            "spec": "db.t4g.micro",
            "status": "running",
            "tags": ODD if number == 0 else {},
        }
    for number in range(5):
        name = f"cache-{number}"
        tags = {"team": "基础架构"} if number == 0 else {}
        to["elasticache"].create_cache_cluster(
            CacheClusterId=name,
            CacheNodeType="cache.t4g.micro",
            Engine="redis",
            NumCacheNodes=1,
            Tags=tag_list(tags),
        )
        made["aws.elasticache.cluster"][name] = {
            "spec": "cache.t4g.micro",
            "status": "running",
            "tags": tags,
        }
    where = {"LocationConstraint": REGION}
    for name, tags in {"plain": {}, "with.dots": ODD, "tagged": {"env": "prod"}}.items():
        to["s3"].create_bucket(Bucket=name, CreateBucketConfiguration=where)
        if tags:
            to["s3"].put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(tags)})
        made["aws.s3.bucket"][name] = {"name": name, "tags": tags}
    return made


def main(endpoint, program):
    made = make(clients(endpoint))
    printed = subprocess.run([program, endpoint, REGION], capture_output=True, text=True)
    if printed.returncode:
        sys.exit(f"{program} failed: {printed.stderr}")
    account, *lines = map(json.loads, printed.stdout.splitlines())
    assert account["account"] == "123456789012", account
    assert REGION in [region["id"] for region in account["regions"]], account
    wrong = 0
    counts = {kind: 0 for kind in made}
    for line in lines:
        kind, found = line["kind"], line["resource"]
        counts[kind] += 1
        wanted = made[kind].pop(found["id"], None)
        if wanted is None:
            print(f"{kind} {found['id']} was never made, or is listed twice")
            wrong += 1
            continue
        wanted |= {"found_by_id": True, "status_alone": [found["status"], found["vendor_status"]]}
        found |= {name: line[name] for name in ("found_by_id", "status_alone")}
        for field, value in wanted.items():
            if found[field] != value:
                print(f"{kind} {found['id']}: {field} is {found[field]!r}, not {value!r}")
                wrong += 1
    for kind, left in made.items():
        wrong += len(left)
        print(f"{kind}: {counts[kind]} listed, {len(left)} missing")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: aws_moto.py http://HOST:PORT PROGRAM")
    sys.exit(main(*sys.argv[1:]))
