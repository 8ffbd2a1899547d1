"""EC2 and EBS: instance types, images, user data, volumes and where they are attached."""

from __future__ import annotations

import base64
import gzip
import ipaddress
import json
import os
import re
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.regions import zones
from tests.providers.standin.rules.network import check_groups, vpc_of
from tests.providers.standin.rules.registry import Failures, changed, created, deleted, gone, is_given, values

INSTANCE, VOLUME, ATTACHMENT = (
    "aws:ec2/instance:Instance",
    "aws:ebs/volume:Volume",
    "aws:ec2/volumeAttachment:VolumeAttachment",
)
AMI = "stand-in/ami"
USER_DATA_BYTES = 16384
DEVICE = re.compile(r"/dev/(sd[b-z]\d*|xvd[a-z]{1,2})")
GRAVITON = re.compile(r"^(a1|t4g|[a-z]+\d+g[a-z]*(-[a-z0-9]+)?)\.")
LIMITS = {
    # type: (GiB from, to), (IOPS from, to), (MiB/s from, to)
    "gp3": ((1, 65536), (3000, 80000), (125, 2000)),
    "gp2": ((1, 16384), None, None),
    "io1": ((4, 16384), (100, 64000), None),
    "io2": ((4, 65536), (100, 256000), None),
    "st1": ((125, 16384), None, None),
    "sc1": ((125, 16384), None, None),
    "standard": ((1, 1024), None, None),
}


@cache
def instance_types() -> frozenset[str]:
    """EC2's own list, from botocore's model; kept in a file, as the model takes most of a second to read."""
    import botocore

    source = sorted((Path(botocore.__file__).parent / "data" / "ec2").glob("*/service-2.json.gz"))[-1]
    kept = Path(tempfile.gettempdir()) / f"standin-instance-types-{botocore.__version__}.json"
    if kept.exists():
        return frozenset(json.loads(kept.read_text()))
    with gzip.open(source, "rt") as file:
        names = json.load(file)["shapes"]["InstanceType"]["enum"]
    # Forks of one process make it at once, whose objects have the same addresses.
    half = kept.with_suffix(f".{os.getpid()}")
    half.write_text(json.dumps(names))
    half.replace(kept)
    return frozenset(names)


@values(INSTANCE, "aws:ec2/launchTemplate:LaunchTemplate")
def _instance_values(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    kind = inputs.get("instanceType")
    if kind is not None and kind not in instance_types():
        failures.append(("instanceType", f"InvalidParameterValue: Invalid value '{kind}' for InstanceType"))
    text, encoded = inputs.get("userData"), inputs.get("userDataBase64")
    size = len(text.encode()) if isinstance(text, str) else len(base64.b64decode(encoded)) if encoded else 0
    if size > USER_DATA_BYTES:
        failures.append(("userData", f"User data is limited to 16384 bytes, this has {size}"))
    if text is not None and encoded is not None:
        failures.append(("userData", "userData conflicts with userDataBase64"))
    zone = inputs.get("availabilityZone")
    if zone is not None and zone not in zones(region):
        failures.append(("availabilityZone", f"InvalidParameterValue: Invalid availability zone: [{zone}]"))
    return failures


@created(INSTANCE)
def _instance_fits(cloud: Cloud, instance: Resource) -> None:
    if not instance.get("launchTemplate") and not (instance.get("ami") and instance.get("instanceType")):
        raise Refused("MissingParameter", "an instance needs ami and instanceType, or a launchTemplate")
    image = cloud.get(AMI, instance.get("ami", ""))
    kind = str(instance.get("instanceType", ""))
    wanted = "arm64" if GRAVITON.match(kind) else "x86_64"
    if image and image.get("architecture", wanted) != wanted:
        raise Refused(
            "InvalidParameterValue",
            f"The architecture '{wanted}' of the specified instance type does not match the architecture "
            f"'{image.get('architecture')}' of the specified AMI",
        )
    if subnet := cloud.get("aws:ec2/subnet:Subnet", instance.get("subnetId", "")):
        check_groups(cloud, instance.get("vpcSecurityGroupIds", []), vpc_of(cloud, subnet.id))
        if ipaddress.ip_address(instance.get("privateIp")) not in ipaddress.ip_network(subnet.get("cidrBlock")):
            raise Refused(
                "InvalidParameterValue",
                f"Address {instance.get('privateIp')} does not fall within the subnet's address range",
            )
        for other in cloud.all(INSTANCE):
            if (
                other.id != instance.id
                and other.get("subnetId") == subnet.id
                and other.get("privateIp") == instance.get("privateIp")
            ):
                raise Refused("InvalidIPAddress.InUse", f"Address {instance.get('privateIp')} is in use by {other.id}")


@deleted(INSTANCE)
def _protected(cloud: Cloud, instance: Resource, state: Mapping[str, Any]) -> None:
    # With force_destroy in its state the provider switches the protection off first.
    if instance.get("disableApiTermination") and not state.get("forceDestroy"):
        raise Refused(
            "OperationNotPermitted",
            f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
        )


@gone(INSTANCE)
def _detached(cloud: Cloud, instance: Resource, state: Mapping[str, Any]) -> None:
    """A terminated instance lets go of its volumes."""
    for attachment in cloud.all(ATTACHMENT):
        if attachment.get("instanceId") == instance.id:
            cloud.remove(ATTACHMENT, attachment.id)


@values(VOLUME)
def _volume_values(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    if inputs.get("availabilityZone") not in (None, *zones(region)):
        failures.append(
            ("availabilityZone", f"InvalidZone.NotFound: The zone '{inputs['availabilityZone']}' does not exist")
        )
    limits = LIMITS.get(inputs.get("type", "gp2"))
    for key, limit in zip(("size", "iops", "throughput"), limits or (), strict=False):
        value = inputs.get(key)
        if value is None:
            continue
        if limit is None:
            failures.append(
                (key, f"InvalidParameterCombination: {key} is not supported for {inputs.get('type', 'gp2')} volumes")
            )
        elif not limit[0] <= value <= limit[1]:
            failures.append((key, f"InvalidParameterValue: {key} {value} is not between {limit[0]} and {limit[1]}"))
    if is_given(inputs, "kmsKeyId") and not inputs.get("encrypted"):
        failures.append(("kmsKeyId", "kmsKeyId needs encrypted: true"))
    if (
        isinstance(inputs.get("iops"), int)
        and isinstance(inputs.get("throughput"), int)
        and inputs["throughput"] > inputs["iops"] / 4
    ):
        failures.append(("throughput", "InvalidParameterCombination: at most 0.25 MiB/s an IOPS"))
    return failures


@created(VOLUME)
def _volume_size(cloud: Cloud, volume: Resource) -> None:
    if volume.get("size") is None and volume.get("snapshotId") is None:
        raise Refused("MissingParameter", "a volume needs size or snapshotId")


@changed(VOLUME)
def _grows_only(cloud: Cloud, old: Resource, new: Resource, paths: list[str]) -> None:
    if (new.get("size") or 0) < (old.get("size") or 0):
        raise Refused("InvalidParameterValue", f"New size cannot be smaller than existing size ({old.get('size')} GiB)")


@created(ATTACHMENT)
def _attachable(cloud: Cloud, attachment: Resource) -> None:
    instance, volume = cloud.get(INSTANCE, attachment.get("instanceId")), cloud.get(VOLUME, attachment.get("volumeId"))
    assert instance and volume, "references are checked before"
    if not DEVICE.fullmatch(attachment.get("deviceName", "")):
        raise Refused(
            "InvalidParameterValue",
            f"Value ({attachment.get('deviceName')}) for parameter device is invalid. It is not a valid EBS device name.",
        )
    if instance.get("availabilityZone") != volume.get("availabilityZone"):
        raise Refused(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.id}' ({volume.get('availabilityZone')}) is not in the same availability zone as instance "
            f"'{instance.id}' ({instance.get('availabilityZone')})",
        )
    for other in cloud.all(ATTACHMENT):
        if other.id == attachment.id:
            continue
        if other.get("volumeId") == volume.id:
            raise Refused("VolumeInUse", f"{volume.id} is already attached to an instance ({other.get('instanceId')})")
        if other.get("instanceId") == instance.id and other.get("deviceName") == attachment.get("deviceName"):
            raise Refused(
                "InvalidParameterValue",
                f"Invalid value '{other.get('deviceName')}' for unixDevice. Attachment point is already in use",
            )
