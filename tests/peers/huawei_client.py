#!/usr/bin/env python3
"""Asks a simulated Huawei Cloud with the vendor's own client.

The client lists, filters and fails against a server that claims to be ECS,
EVS and IAM, and what it gets is compared with what the server says it holds.
See aliyun_client.py for how to run it by hand; serve with --vendors huawei.
"""

import sys

from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkecs.v2 import EcsClient, ListServersDetailsRequest, ShowServerRequest
from huaweicloudsdkevs.v2 import EvsClient, ListVolumesRequest
from huaweicloudsdkiam.v3 import (AgencyAuth, AgencyAuthIdentity, CreateTemporaryAccessKeyByAgencyRequest,
                                  CreateTemporaryAccessKeyByAgencyRequestBody, IamClient, IdentityAssumerole,
                                  KeystoneListAuthDomainsRequest, KeystoneListAuthProjectsRequest,
                                  KeystoneListProjectsRequest)

from checks import as_text, by_id, run

NOBODY = "00000000-0000-4000-8000-000000000000"


def client(kind, served, project, key=None):
    key = key or served.key
    credentials = BasicCredentials(key.id, key.secret, project)
    if key.token:
        credentials.with_security_token(key.token)
    return kind.new_builder().with_credentials(credentials).with_endpoints([served.url]).build()


def iam(served, key=None):
    key = key or served.key
    credentials = GlobalCredentials(key.id, key.secret, "domain")
    if key.token:
        credentials.with_security_token(key.token)
    return IamClient.new_builder().with_credentials(credentials).with_endpoints([served.url]).build()


def fails(call, request):
    """Returns the status and the code of the error that a call ends in."""
    try:
        call(request)
    except ServiceResponseException as error:
        return error.status_code, error.error_code
    return 200, "no error"


def by_number(ours, limit, **params):
    """Walks the servers by page numbers."""
    found, page = [], 1
    while True:
        reply = ours.list_servers_details(ListServersDetailsRequest(offset=page, limit=limit, **params))
        if not reply.servers:
            return found
        found += reply.servers
        page += 1


def by_marker(list_page, limit):
    """Walks a listing from each page's last id."""
    found = []
    while True:
        items = list_page(limit=limit, **({"marker": found[-1].id} if found else {}))
        if not items:
            return found
        found += items


def volumes_of(served, project):
    ours = client(EvsClient, served, project)
    return by_marker(lambda **params: ours.list_volumes(ListVolumesRequest(**params)).volumes, 300)


def addresses(server, kind):
    return sorted(each.addr for network in server.addresses.values() for each in network
                  if each.os_ext_ip_stype == kind and each.version == "4")


def as_truth(each, volumes):
    data = [one.id for one in each.os_extended_volumesvolumes_attached if one.boot_index != "0"]
    return {
        "id": each.id,
        "name": each.name,
        "status": each.status,
        "instance_type": each.flavor.id,
        "zone": each.os_ext_a_zavailability_zone,
        "image": each.image.id,
        "charge_type": each.metadata["charging_mode"],
        "vpc": each.metadata["vpc_id"],
        "resource_group": each.enterprise_project_id,
        "private_ips": addresses(each, "fixed"),
        "public_ips": addresses(each, "floating"),
        "security_groups": sorted(group.id for group in each.security_groups),
        "data_disks": by_id([{"id": disk, "size_gib": volumes[disk].size, "category": volumes[disk].volume_type}
                             for disk in data]),
        "tags": dict(tag.split("=", 1) for tag in each.tags or []),
    }


def check_region(checks, served, region, project, truth):
    ours = client(EcsClient, served, project)
    volumes = {each.id: each for each in volumes_of(served, project)}
    found = by_number(ours, 100)
    checks.equal(f"{region}: servers in full", by_id([as_truth(each, volumes) for each in found]),
                 by_id(map(as_text, truth)))
    ids = [each.id for each in found]
    small = by_number(ours, 17)
    checks.equal(f"{region}: pages of 17", [each.id for each in small], ids)
    marked = by_marker(lambda **params: ours.list_servers_details(ListServersDetailsRequest(**params)).servers, 30)
    checks.equal(f"{region}: by marker", [each.id for each in marked], ids)
    count = ours.list_servers_details(ListServersDetailsRequest(limit=1)).count
    checks.equal(f"{region}: count", count, len(truth))
    first = ours.list_servers_details(ListServersDetailsRequest(offset=0)).servers
    checks.equal(f"{region}: page 0 is the first", [each.id for each in first], ids[:25])


def check_filters(checks, served, project, truth):
    ours = client(EcsClient, served, project)

    def ids(**params):
        return sorted(each.id for each in by_number(ours, 1000, **params))

    def chosen(keep):
        return sorted(each["id"] for each in truth if keep(each))

    for name, key in [("status", "status"), ("flavor", "instance_type")]:
        for value in sorted({each[key] for each in truth}):
            checks.equal(f"{name}={value}", ids(**{name: value}), chosen(lambda each: each[key] == value))
    for value in ["库", "测试 环境", "a&b=c%20d", "naïve-über", "c++~"]:
        checks.equal(f"name={value}", ids(name=value), chosen(lambda each: value in each["name"]))
    for key, value in [("env", "prod"), ("Owner", "ops team+1"), ("key-19", "值 19 / * ~ & = +")]:
        checks.equal(f"tags={key}={value}", ids(tags=f"{key}={value}"),
                     chosen(lambda each: each["tags"].get(key) == value))
    address = truth[0]["private_ips"][0]
    checks.equal("ip_eq", ids(ip_eq=address), chosen(lambda each: address in each["private_ips"]))
    some = [each["id"] for each in truth[::7]][:99]
    wanted = ",".join(some + [NOBODY])
    reply = ours.list_servers_details(ListServersDetailsRequest(server_id=wanted)).servers
    checks.equal("server_id", sorted(each.id for each in reply if each.status), sorted(some))
    checks.equal("an id of nothing", [each.id for each in reply if not each.status], [NOBODY])
    one = ours.show_server(ShowServerRequest(server_id=some[0])).server
    checks.equal("one server", one.id, some[0])
    disks = client(EvsClient, served, project)
    holder = next(each for each in truth if len(each["data_disks"]) > 1)
    mine = [disk["id"] for disk in holder["data_disks"]]
    asked = ListVolumesRequest(ids=str(mine + [NOBODY]))
    checks.equal("volumes by id", sorted(each.id for each in disks.list_volumes(asked).volumes), sorted(mine))
    found = disks.list_volumes(ListVolumesRequest(server_id=holder["id"])).volumes
    checks.true("volumes of a server", set(mine) < {each.id for each in found})
    loose = disks.list_volumes(ListVolumesRequest(status="available")).volumes
    checks.true("there are volumes that hang nowhere", loose and not any(each.attachments for each in loose))
    offset = disks.list_volumes(ListVolumesRequest(offset=10, limit=5)).volumes
    whole = disks.list_volumes(ListVolumesRequest(limit=15)).volumes
    checks.equal("volumes by offset", [each.id for each in offset], [each.id for each in whole[10:]])


def check_refusals(checks, served, project):
    ours = client(EcsClient, served, project)
    request = ListServersDetailsRequest()
    checks.equal("limit 1001", fails(ours.list_servers_details, ListServersDetailsRequest(limit=1001)),
                 (400, "Ecs.0005"))
    checks.equal("a marker of nothing", fails(ours.list_servers_details, ListServersDetailsRequest(marker=NOBODY)),
                 (400, "Ecs.0005"))
    checks.equal("a server that is not there", fails(ours.show_server, ShowServerRequest(server_id=NOBODY)),
                 (404, "Ecs.0114"))
    refused = (401, "APIGW.0301")
    for what, key in [("a wrong secret", served.key._replace(secret="wrong")),
                      ("an unknown key", served.key._replace(id="NOBODY")),
                      ("a token without need", served.key._replace(token="token"))]:
        checks.equal(what, fails(client(EcsClient, served, project, key).list_servers_details, request), refused)
        checks.equal(f"IAM: {what}", fails(iam(served, key).keystone_list_auth_domains,
                                           KeystoneListAuthDomainsRequest())[0], 401)
    elsewhere = client(EcsClient, served, "0" * 32)
    checks.equal("a project of nobody", fails(elsewhere.list_servers_details, request), refused)


def check_agencies(checks, served, project, truth):
    def ask(agency, **params):
        role = IdentityAssumerole(agency_name=agency, **params)
        identity = AgencyAuthIdentity(methods=["assume_role"], assume_role=role)
        body = CreateTemporaryAccessKeyByAgencyRequestBody(auth=AgencyAuth(identity=identity))
        return CreateTemporaryAccessKeyByAgencyRequest(body=body)

    ours, name = iam(served), served.account["id"]
    lent = ours.create_temporary_access_key_by_agency(ask("sync", domain_name=name)).credential
    key = served.key._replace(id=lent.access, secret=lent.secret, token=lent.securitytoken)
    theirs = client(EcsClient, served, project, key)
    count = theirs.list_servers_details(ListServersDetailsRequest(limit=1)).count
    checks.equal("what an agency sees", count, len(truth))
    without = client(EcsClient, served, project, key._replace(token=None))
    checks.equal("an agency's key without its token",
                 fails(without.list_servers_details, ListServersDetailsRequest()), (401, "APIGW.0301"))
    for agency, wanted in [("closed", 403), ("nothing", 404)]:
        checks.equal(f"an agency called {agency}",
                     fails(ours.create_temporary_access_key_by_agency, ask(agency, domain_name=name))[0], wanted)
    checks.equal("a duration of a minute", fails(ours.create_temporary_access_key_by_agency,
                                                 ask("sync", domain_name=name, duration_seconds=60))[0], 400)


def check_all(checks, served):
    projects = iam(served).keystone_list_projects(KeystoneListProjectsRequest()).projects
    of_region = {each.name: each.id for each in projects}
    checks.equal("regions", sorted(of_region), sorted(served.regions))
    seen = iam(served).keystone_list_auth_projects(KeystoneListAuthProjectsRequest()).projects
    checks.equal("projects of the key", [each.id for each in seen], [each.id for each in projects])
    domains = iam(served).keystone_list_auth_domains(KeystoneListAuthDomainsRequest()).domains
    checks.equal("the account", [each.id for each in domains], sorted({each.domain_id for each in projects}))
    region, truth = max(served.regions.items(), key=lambda item: len(item[1]))
    named = iam(served).keystone_list_projects(KeystoneListProjectsRequest(name=region)).projects
    checks.equal("a project by name", [each.id for each in named], [of_region[region]])
    for each, there in sorted(served.regions.items()):
        check_region(checks, served, each, of_region[each], there)
    check_filters(checks, served, of_region[region], truth)
    check_refusals(checks, served, of_region[region])
    check_agencies(checks, served, of_region[region], truth)


if __name__ == "__main__":
    sys.exit(run("huawei", __doc__.splitlines()[0], check_all))
