"""Outputs that follow from other resources or from the inputs: the functions that data/outputs.yaml names."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from typing import TYPE_CHECKING, Any

from tests.providers.standin import objects
from tests.providers.standin.cloud import ACCOUNT, Resource
from tests.providers.standin.regions import zone_id, zone_of_id, zones

if TYPE_CHECKING:
    from tests.providers.standin.outputs import Maker

RESERVED_IN_SUBNET = 4
"""AWS keeps a subnet's first four addresses."""


def _of(maker: Maker, type_: str, id_: Any) -> Resource | None:
    return maker.cloud.get(type_, str(id_))


def _subnet(maker: Maker) -> Resource | None:
    return _of(maker, "aws:ec2/subnet:Subnet", maker.values.get("subnetId"))


def subnet_zone(maker: Maker) -> str:
    if given := maker.values.get("availabilityZoneId"):
        return zone_of_id(maker.region, given)
    return zones(maker.region)[0]


def subnet_zone_id(maker: Maker) -> str:
    return zone_id(maker.values["availabilityZone"])


def zone_of_subnet(maker: Maker) -> str:
    found = _subnet(maker)
    return found.get("availabilityZone") if found else zones(maker.region)[0]


def private_ip(maker: Maker) -> str:
    """A free address of the subnet."""
    subnet = _subnet(maker)
    network = ipaddress.ip_network(subnet.get("cidrBlock") if subnet else "172.31.0.0/20")
    taken = {item.get("privateIp") for item in maker.cloud.all("aws:ec2/instance:Instance")}
    free = (str(address) for index, address in enumerate(network) if index >= RESERVED_IN_SUBNET)
    return next(address for address in free if address not in taken)


def private_dns(maker: Maker) -> str:
    return f"ip-{maker.values['privateIp'].replace('.', '-')}.{maker.region}.compute.internal"


def root_device(maker: Maker) -> dict[str, Any]:
    return {
        "volumeType": "gp3",
        "volumeSize": 8,
        "deleteOnTermination": True,
        "volumeId": f"vol-{maker.field('hex17')}",
        "deviceName": "/dev/xvda",
    }


def default_group(maker: Maker) -> str:
    found = _of(maker, "aws:ec2/vpc:Vpc", maker.values.get("vpcId"))
    return found.get("defaultSecurityGroupId") if found else "sg-default"


def vpc_or_default(maker: Maker) -> str:
    return maker.values.get("vpcId") or "vpc-default"


def vpc_of_subnets(maker: Maker) -> str:
    found = _of(maker, "aws:ec2/subnet:Subnet", (maker.values.get("subnets") or [""])[0])
    return found.get("vpcId") if found else ""


def public_ip(maker: Maker) -> str:
    return f"203.0.113.{1 + maker.cloud.next('address') % 250}"


def public_dns(maker: Maker) -> str:
    return f"ec2-{maker.values['publicIp'].replace('.', '-')}.{maker.region}.compute.amazonaws.com"


def address_of_allocation(maker: Maker) -> str:
    found = _of(maker, "aws:ec2/eip:Eip", maker.values.get("allocationId"))
    return found.get("publicIp") if found else ""


def endpoint_names(maker: Maker) -> list[dict[str, str]]:
    if maker.values.get("vpcEndpointType") != "Interface":
        return []
    service = str(maker.values.get("serviceName", "")).rsplit(".", 1)[-1]
    return [
        {
            "dnsName": f"{maker.values['id']}.{service}.{maker.region}.vpce.amazonaws.com",
            "hostedZoneId": "Z0000000000000",
        }
    ]


def revision(maker: Maker) -> int:
    """1, 2, 3 … of one thing: a family's revisions, a configuration's, a parameter's versions."""
    return maker.cloud.next(
        f"revision {maker.type} {maker.values.get('family') or maker.values.get('name') or maker.values.get('id')}"
    )


def launch_type(maker: Maker) -> str | None:
    return None if maker.values.get("capacityProviderStrategies") else "EC2"


def certificate_type(maker: Maker) -> str:
    return "IMPORTED" if maker.values.get("certificateBody") else "AMAZON_ISSUED"


def certificate_status(maker: Maker) -> str:
    return "ISSUED" if maker.values.get("certificateBody") else "PENDING_VALIDATION"


def validation_options(maker: Maker) -> list[dict[str, str]]:
    names = [maker.values.get("domainName"), *(maker.values.get("subjectAlternativeNames") or [])]
    return [
        {
            "domainName": name,
            "resourceRecordName": f"_{hashlib.sha256(name.encode()).hexdigest()[:32]}.{name}.",
            "resourceRecordType": "CNAME",
            "resourceRecordValue": f"_{hashlib.sha256(f'value {name}'.encode()).hexdigest()[:32]}.acm-validations.aws.",
        }
        for name in dict.fromkeys(name for name in names if name)
    ]


def lb_arn(maker: Maker) -> str:
    kind = {"application": "app", "network": "net", "gateway": "gwy"}[maker.values["loadBalancerType"]]
    return f"arn:aws:elasticloadbalancing:{maker.region}:{ACCOUNT}:loadbalancer/{kind}/{maker.values['name']}/{maker.field('hex16')}"


def lb_dns(maker: Maker) -> str:
    internal = "internal-" if maker.values["internal"] else ""
    return f"{internal}{maker.values['name']}-{maker.field('number')}.{maker.region}.elb.amazonaws.com".lower()


def arn_suffix(maker: Maker) -> str:
    return str(maker.values["arn"]).split(":", 5)[5].removeprefix("loadbalancer/")


def listener_arn(maker: Maker) -> str:
    return str(maker.values["loadBalancerArn"]).replace(":loadbalancer/", ":listener/") + f"/{maker.field('hex16')}"


def listener_protocol(maker: Maker) -> str:
    return "HTTP"


def ssl_policy(maker: Maker) -> str:
    return "ELBSecurityPolicy-2016-08" if maker.values.get("protocol") in ("HTTPS", "TLS") else ""


def rule_arn(maker: Maker) -> str:
    return str(maker.values["listenerArn"]).replace(":listener/", ":listener-rule/") + f"/{maker.field('hex16')}"


def rule_priority(maker: Maker) -> int:
    return maker.cloud.next(f"priority {maker.values['listenerArn']}")


def key_arn(maker: Maker) -> str:
    wanted = maker.values["targetKeyId"]
    return wanted if str(wanted).startswith("arn:") else f"arn:aws:kms:{maker.region}:{ACCOUNT}:key/{wanted}"


def default_key_policy(maker: Maker) -> str:
    """What AWS gives a key that has no policy: the account decides by IAM."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


def grafana_version(maker: Maker) -> str:
    return "13.2"


def saml_status(maker: Maker) -> str:
    return "NOT_CONFIGURED"


PORTS = {
    "bootstrapBrokers": 9092,
    "bootstrapBrokersTls": 9094,
    "bootstrapBrokersSaslScram": 9096,
    "bootstrapBrokersSaslIam": 9098,
}


def brokers(maker: Maker) -> dict[str, str]:
    """The bootstrap strings of the mechanisms that are on; the others are empty, as AWS has them."""
    values = maker.values
    client = (values.get("clientAuthentication") or {}).get("sasl") or {}
    transit = ((values.get("encryptionInfo") or {}).get("encryptionInTransit") or {}).get("clientBroker", "TLS")
    authenticated = bool(client.get("scram") or client.get("iam"))
    unauthenticated = (values.get("clientAuthentication") or {}).get("unauthenticated", not authenticated)
    on = {
        "bootstrapBrokers": transit in ("PLAINTEXT", "TLS_PLAINTEXT") and unauthenticated,
        "bootstrapBrokersTls": transit in ("TLS", "TLS_PLAINTEXT")
        and (unauthenticated or bool((values.get("clientAuthentication") or {}).get("tls"))),
        "bootstrapBrokersSaslScram": bool(client.get("scram")),
        "bootstrapBrokersSaslIam": bool(client.get("iam")),
    }
    number = str(values.get("id") or values.get("arn")).rsplit("-", 1)[-1]
    name = f"{str(values['clusterName']).lower()}.{hashlib.sha256(str(values.get('arn')).encode()).hexdigest()[:6]}.c{number}.kafka.{maker.region}.amazonaws.com"
    count = min(3, int(values["numberOfBrokerNodes"]))
    return {
        key: ",".join(f"b-{i + 1}.{name}:{port}" for i in range(count)) if on[key] else ""
        for key, port in PORTS.items()
    }


def topic_arn(maker: Maker) -> str:
    return f"{str(maker.values['clusterArn']).replace(':cluster/', ':topic/')}/{maker.values['name']}"


TOPIC_DEFAULTS = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "retention.ms": "604800000",
    "min.insync.replicas": "2",
}


def topic_configs(maker: Maker) -> str:
    """Everything that is in force, as the broker says it."""
    return json.dumps({**TOPIC_DEFAULTS, **json.loads(maker.values.get("configs") or "{}")}, sort_keys=True)


def record_id(maker: Maker) -> str:
    """Records of one name and type are told apart by their set identifiers."""
    parts = [maker.values[key] for key in ("zoneId", "name", "type")]
    return "_".join([*parts, *filter(None, [maker.values.get("setIdentifier")])])


def record_name(maker: Maker) -> str:
    zone = _of(maker, "aws:route53/zone:Zone", maker.values.get("zoneId"))
    name, domain = str(maker.values["name"]).rstrip("."), str(zone.get("name") if zone else "").rstrip(".")
    return name if not domain or name.endswith(domain) else f"{name}.{domain}".lstrip(".")


def name_servers(maker: Maker) -> list[str]:
    return (
        []
        if maker.values.get("vpcs")
        else [f"ns-{number}.awsdns-0{number}.{top}" for number, top in enumerate(("org", "com", "net", "co.uk"), 1)]
    )


def object_etag(maker: Maker) -> str:
    return hashlib.md5(objects.content_of(maker.values), usedforsecurity=False).hexdigest()


def object_version(maker: Maker) -> str:
    return maker.field("alnum32") if objects.versioned(maker.cloud, str(maker.values["bucket"])) else ""


def secret_arn(maker: Maker) -> str:
    return str(maker.values["secretId"])


def secret_version(maker: Maker) -> str:
    return str(maker.values["id"]).rsplit("|", 1)[-1]
