"""Keeps a DynamoDB table of an Alibaba Cloud account's instances up to date:
lists every instance and disk, reads all rows, compares, writes what differs.

It is what one would write with the vendor's SDK and boto3, and what the
service is measured against. It has regions synced side by side, reuses
connections, keeps an instance as one JSON text (which spares boto3 most of its
work) and writes in full batches. It keeps no history, and takes a listing at
its word.

    pip install -r requirements.txt
    ALIBABA_CLOUD_ACCESS_KEY_ID=… ALIBABA_CLOUD_ACCESS_KEY_SECRET=… python sync.py \\
        --account prod --regions cn-hangzhou,cn-beijing

Prints one JSON object: what was done, and what it took.
"""

import argparse
import json
import os
import resource
import sys
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import boto3
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.models import Config
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError

TABLE = "script-instances"
# What changes by itself, or is of no interest.
IGNORED = ("StartTime", "Recyclable", "LocalStorageAmount")


class Units:
    """Counts what the tables charge for."""

    def __init__(self):
        self.lock = threading.Lock()
        self.read = self.write = 0.0

    def count(self, answer, kind):
        capacity = answer["ConsumedCapacity"]
        capacities = capacity if isinstance(capacity, list) else [capacity]
        with self.lock:
            units = sum(one["CapacityUnits"] for one in capacities)
            setattr(self, kind, getattr(self, kind) + units)


def pages(ask, request):
    """Yields the reply to each page of a list."""
    while True:
        reply = ask(request).body.to_map()
        yield reply
        request.next_token = reply.get("NextToken")
        if not request.next_token:
            return


def vendor(endpoint, region):
    """Returns the vendor's client of a region."""
    config = Config(access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
                    access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
                    region_id=region, signature_algorithm="v2")
    if endpoint:
        address = urllib.parse.urlsplit(endpoint)
        config.endpoint, config.protocol = address.netloc, address.scheme
    return Client(config)


def listed(arguments, region):
    """Returns what the vendor has in a region: each instance as a text, by id."""
    client = vendor(arguments.vendor_endpoint, region)
    disks = {}
    request = ecs.DescribeDisksRequest(region_id=region, disk_type="data", max_results=500)
    for reply in pages(client.describe_disks, request):
        for disk in reply["Disks"]["Disk"]:
            known = {name: disk.get(name) for name in ("DiskId", "Category", "Size")}
            # One that several instances share names them only as attachments.
            attachments = (disk.get("Attachments") or {}).get("Attachment") or []
            owners = {attachment.get("InstanceId") for attachment in attachments}
            for owner in owners | {disk.get("InstanceId")}:
                if owner:
                    disks.setdefault(owner, []).append(known)
    found = {}
    request = ecs.DescribeInstancesRequest(region_id=region, max_results=100)
    for reply in pages(client.describe_instances, request):
        for instance in reply["Instances"]["Instance"]:
            for name in IGNORED:
                instance.pop(name, None)
            attached = disks.get(instance["InstanceId"], [])
            instance["DataDisks"] = sorted(attached, key=lambda disk: disk["DiskId"])
            found[instance["InstanceId"]] = json.dumps(instance, sort_keys=True)
    return found


def stored(dynamodb, units, scope):
    """Returns what the table has of a region."""
    rows, after = {}, {}
    while True:
        answer = dynamodb.query(
            TableName=TABLE, KeyConditionExpression="#scope = :scope",
            ExpressionAttributeNames={"#scope": "scope"},
            ExpressionAttributeValues={":scope": {"S": scope}},
            ReturnConsumedCapacity="TOTAL", **after)
        units.count(answer, "read")
        for item in answer["Items"]:
            rows[item["id"]["S"]] = item["data"]["S"]
        if "LastEvaluatedKey" not in answer:
            return rows
        after = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def write(dynamodb, units, requests):
    """Writes in batches, until nothing is left unprocessed."""
    for start in range(0, len(requests), 25):
        left = {TABLE: requests[start:start + 25]}
        for attempt in range(10):
            answer = dynamodb.batch_write_item(RequestItems=left, ReturnConsumedCapacity="TOTAL")
            units.count(answer, "write")
            left = answer["UnprocessedItems"]
            if not left:
                break
            time.sleep(0.05 * 2 ** attempt)
        else:
            raise RuntimeError("the table does not take the writes")


def sync(arguments, dynamodb, units, region):
    """Syncs one region. Returns how many instances were new, differed, were
    gone and were as stored."""
    scope = f"{arguments.account}#{region}"
    found = listed(arguments, region)
    rows = stored(dynamodb, units, scope)
    added = [id for id in found if id not in rows]
    updated = [id for id in found if id in rows and rows[id] != found[id]]
    deleted = [id for id in rows if id not in found]
    puts = [{"PutRequest": {"Item": {"scope": {"S": scope}, "id": {"S": id},
                                     "data": {"S": found[id]}}}} for id in added + updated]
    deletes = [{"DeleteRequest": {"Key": {"scope": {"S": scope}, "id": {"S": id}}}}
               for id in deleted]
    write(dynamodb, units, puts + deletes)
    return len(added), len(updated), len(deleted), len(found) - len(added) - len(updated)


def create_table(dynamodb):
    """Makes the table, unless it is there."""
    try:
        dynamodb.create_table(
            TableName=TABLE, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "scope", "AttributeType": "S"},
                                  {"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "scope", "KeyType": "HASH"},
                       {"AttributeName": "id", "KeyType": "RANGE"}])
        dynamodb.get_waiter("table_exists").wait(TableName=TABLE)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--account", required=True)
    parser.add_argument("--regions", required=True, help="separated by commas")
    parser.add_argument("--vendor-endpoint", help="instead of the vendor's own")
    parser.add_argument("--dynamodb-endpoint", help="instead of AWS's own")
    parser.add_argument("--workers", type=int, default=5)
    arguments = parser.parse_args()
    credentials = {}
    if arguments.dynamodb_endpoint:
        # Somebody else's keys are not for an emulator.
        credentials = {"region_name": "local", "aws_access_key_id": "local",
                       "aws_secret_access_key": "local"}
    config = BotoConfig(max_pool_connections=2 * arguments.workers)
    dynamodb = boto3.client("dynamodb", endpoint_url=arguments.dynamodb_endpoint, config=config,
                            **credentials)
    create_table(dynamodb)
    units = Units()
    began, cpu_began = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(arguments.workers) as pool:
        synced = pool.map(lambda region: sync(arguments, dynamodb, units, region),
                          arguments.regions.split(","))
        added, updated, deleted, unchanged = map(sum, zip(*synced))
    json.dump({
        "wall_seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu_began,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "read_units": units.read, "write_units": units.write,
        "added": added, "updated": updated, "deleted": deleted, "unchanged": unchanged,
    }, sys.stdout)


if __name__ == "__main__":
    main()
