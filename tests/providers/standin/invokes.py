"""Data sources (invokes): what programs look up, answered from the cloud. One that is not here is refused, not made up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from tests.providers.standin import policy_documents, schema
from tests.providers.standin.cloud import ACCOUNT, PARTITION, Cloud, Refused, Resource
from tests.providers.standin.data import table
from tests.providers.standin.regions import zone_id, zones

AMI = "stand-in/ami"
IMAGES = {"/aws/service/ami-amazon-linux-latest/": "al2023", "/aws/service/canonical/ubuntu/": "ubuntu"}
Answer = dict[str, Any]
ANSWERS: dict[str, Callable[[Cloud, str, dict[str, Any]], Answer]] = {}


def _answers(token: str) -> Callable[[Callable[[Cloud, str, dict[str, Any]], Answer]], Callable[..., Answer]]:
    def register(function: Callable[[Cloud, str, dict[str, Any]], Answer]) -> Callable[..., Answer]:
        ANSWERS[token] = function
        return function

    return register


def answer(cloud: Cloud, region: str, token: str, arguments: dict[str, Any]) -> Answer:
    """The answer, with the arguments echoed as the real ones do."""
    if token not in ANSWERS:
        known = "no such function in the SDK" if schema.source_of(token) is None else "add it to standin/invokes.py"
        raise Refused("Unsupported", f"{token} is not served by the stand-in provider: {known}")
    return {
        "id": region,
        "region": region,
        **arguments,
        **ANSWERS[token](cloud, arguments.get("region") or region, arguments),
    }


@_answers("aws:index/getAvailabilityZones:getAvailabilityZones")
def _zones(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    names = [zone for zone in zones(region) if zone not in (given.get("excludeNames") or [])]
    names = [zone for zone in names if zone_id(zone) not in (given.get("excludeZoneIds") or [])]
    return {"names": names, "zoneIds": [zone_id(zone) for zone in names], "groupNames": [region]}


EKS = "stand-in/eks"
"""A cluster that its owner has: version, endpoint, authority (base64 of PEM), issuer."""


@_answers("aws:eks/getCluster:getCluster")
def _eks_cluster(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    found = cloud.get(EKS, given["name"])
    if found is None:
        raise Refused("ResourceNotFoundException", f"No cluster found for name: {given['name']}.")
    return {
        "version": found.get("version"),
        "endpoint": found.get("endpoint"),
        "certificateAuthorities": [{"data": found.get("authority")}],
        "identities": [{"oidcs": [{"issuer": found.get("issuer")}]}],
    }


@_answers("aws:index/getRegion:getRegion")
def _region(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    return {"name": region, "region": region, "description": region, "endpoint": f"ec2.{region}.amazonaws.com"}


@_answers("aws:index/getCallerIdentity:getCallerIdentity")
def _caller(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    return {
        "accountId": ACCOUNT,
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session",
        "userId": "AROAEXAMPLE:session",
        "id": ACCOUNT,
    }


@_answers("aws:index/getPartition:getPartition")
def _partition(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    return {"partition": PARTITION, "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws", "id": PARTITION}


def image(cloud: Cloud, name: str, architecture: str) -> Resource:
    """An AMI of this name; made when first asked for. `newest:NAME` lets a test publish another one."""
    named = cloud.get("stand-in/newest", name)
    id_ = named.get("ami") if named else f"ami-{hashlib.sha256(name.encode()).hexdigest()[:17]}"
    return cloud.get(AMI, id_) or cloud.put(Resource(AMI, id_, outputs={"name": name, "architecture": architecture}))


@_answers("aws:ssm/getParameter:getParameter")
def _parameter(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    name = given["name"]
    if name.startswith(tuple(IMAGES)):
        value, kind = image(cloud, name, "arm64" if "arm64" in name else "x86_64").id, "String"
    else:
        found = cloud.get("aws:ssm/parameter:Parameter", name)
        if found is None:
            raise Refused("ParameterNotFound", f"couldn't find resource: {name}")
        value, kind = found.get("value"), found.get("type")
    return {
        "value": value,
        "insecureValue": value,
        "type": kind,
        "version": 1,
        "arn": f"arn:aws:ssm:{region}:{ACCOUNT}:parameter{name}",
        "id": name,
    }


@_answers("aws:ec2/getAmi:getAmi")
def _ami(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    filters = {item["name"]: item["values"] for item in given.get("filters") or []}
    architecture = (filters.get("architecture") or ["x86_64"])[0]
    if not given.get("owners"):
        raise Refused("InvalidParameter", "owners should be given: anybody can publish an image of that name")
    wanted = filters.get("image-id")
    found = cloud.get(AMI, wanted[0]) if wanted else image(cloud, json.dumps(filters, sort_keys=True), architecture)
    if found is None:
        raise Refused("NotFound", "Your query returned no results. Please change your search criteria and try again.")
    return {
        "imageId": found.id,
        "id": found.id,
        "architecture": found.get("architecture"),
        "name": found.get("name"),
        "arn": f"arn:aws:ec2:{region}::image/{found.id}",
    }


@_answers("aws:msk/getKafkaVersion:getKafkaVersion")
def _kafka_version(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    wanted = given.get("preferredVersions") or [given.get("version")]
    found = next((version for version in wanted if version in table("msk")["versions"]), None)
    if found is None:
        raise Refused("NotFound", f"no Kafka version of {wanted}; MSK has {', '.join(table('msk')['versions'])}")
    return {"version": found, "status": "ACTIVE", "id": found}


@_answers("aws:msk/getBootstrapBrokers:getBootstrapBrokers")
def _brokers(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    cluster = _existing(cloud, "aws:msk/cluster:Cluster", given["clusterArn"])
    return {key: value for key, value in cluster.outputs.items() if key.startswith("bootstrapBrokers")} | {
        "id": cluster.id
    }


@_answers("aws:msk/getCluster:getCluster")
def _cluster(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    found = cloud.find("aws:msk/cluster:Cluster", "clusterName", given["clusterName"])
    if found is None:
        raise Refused("NotFoundException", f"no MSK cluster {given['clusterName']}")
    return {**found.outputs, "id": found.id}


@_answers("aws:route53/getZone:getZone")
def _zone(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    name = str(given.get("name", "")).rstrip(".")
    found = [
        item
        for item in cloud.all("aws:route53/zone:Zone")
        if given.get("zoneId") == item.id or str(item.get("name")).rstrip(".") == name
    ]
    if given.get("privateZone") is not None:
        found = [item for item in found if bool(item.get("vpcs")) == given["privateZone"]]
    if len(found) != 1:
        raise Refused("NotFound", f"{len(found)} matching Route 53 hosted zones for {given}")
    zone = found[0]
    return {
        **zone.outputs,
        "id": zone.id,
        "zoneId": zone.id,
        "name": zone.get("name"),
        "privateZone": bool(zone.get("vpcs")),
        "comment": "",
        "callerReference": "",
        "resourceRecordSetCount": 2,
        "linkedServicePrincipal": "",
        "linkedServiceDescription": "",
        "tags": zone.get("tags", {}),
    }


@_answers("aws:elb/getServiceAccount:getServiceAccount")
def _service_account(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    accounts = table("load_balancing")["log_accounts"]
    if region not in accounts:
        raise Refused(
            "NotFound", f"no account of Elastic Load Balancing is listed for {region} in data/load_balancing.yaml"
        )
    return {"arn": f"arn:aws:iam::{accounts[region]}:root"}


@_answers("aws:ec2/getVpc:getVpc")
def _vpc(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    vpc = _existing(cloud, "aws:ec2/vpc:Vpc", given.get("id"))
    return {
        **vpc.outputs,
        "id": vpc.id,
        "cidrBlockAssociations": [],
        "state": "available",
        "default": False,
        "tags": vpc.get("tags", {}),
    }


@_answers("aws:ec2/getSubnet:getSubnet")
def _subnet(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    subnet = _existing(cloud, "aws:ec2/subnet:Subnet", given.get("id"))
    return {
        "availableIpAddressCount": 250,
        "mapPublicIpOnLaunch": False,
        **subnet.outputs,
        "id": subnet.id,
        "state": "available",
        "tags": subnet.get("tags", {}),
    }


@_answers("aws:ec2/getSubnets:getSubnets")
def _subnets(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    found = cloud.all("aws:ec2/subnet:Subnet")
    for item in given.get("filters") or []:
        if item["name"] == "vpc-id":
            found = [subnet for subnet in found if subnet.get("vpcId") in item["values"]]
        elif item["name"].startswith("tag:"):
            found = [subnet for subnet in found if (subnet.get("tags") or {}).get(item["name"][4:]) in item["values"]]
        else:
            raise Refused("Unsupported", f"the stand-in filters subnets by vpc-id and tag:…, not by {item['name']}")
    return {"ids": [subnet.id for subnet in found], "tags": given.get("tags") or {}}


@_answers("aws:acm/getCertificate:getCertificate")
def _certificate(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    found = [
        item for item in cloud.all("aws:acm/certificate:Certificate") if item.get("domainName") == given.get("domain")
    ]
    if not found:
        raise Refused("NotFound", f"no certificate for {given.get('domain')}")
    return {
        "arn": found[-1].id,
        "id": found[-1].id,
        "status": found[-1].get("status"),
        "certificate": "",
        "certificateChain": "",
        "tags": {},
    }


@_answers("aws:iam/getPolicyDocument:getPolicyDocument")
def _policy_document(cloud: Cloud, region: str, given: dict[str, Any]) -> Answer:
    return policy_documents.written(given)


def _existing(cloud: Cloud, type_: str, id_: Any) -> Resource:
    found = cloud.get(type_, str(id_))
    if found is None:
        raise Refused("NotFound", f"no matching {type_.rsplit(':', 1)[-1]} found: {id_}")
    return found
