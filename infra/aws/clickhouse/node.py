"""One machine: an instance that can be replaced, volumes that outlive it, its names, and what is applied to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.clickhouse.applied import Applied
from infra.aws.clickhouse.configuration import OURS, file_hashes
from infra.aws.clickhouse.roles import NodeRole
from infra.aws.context import Context

AMAZON_LINUX = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
ROOT_GIB = 30
DEVICES = ("/dev/sdf", "/dev/sdg")


@dataclass(frozen=True)
class VolumeArgs:
    """A volume of the node's own."""

    name: str
    mount: str
    size: int
    kind: str = "gp3"
    iops: int | None = None
    throughput: int | None = None


@dataclass(frozen=True)
class NodeArgs:
    """What a node needs."""

    context: Context
    host: str
    """Its name in the private zone."""
    zone: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    security_group_id: pulumi.Input[str]
    instance_type: str
    key_arn: pulumi.Input[str]
    role: NodeRole
    dns_zone_id: pulumi.Input[str]
    bundles: pulumi.Input[str]
    """The bucket of the bundles."""
    volumes: Sequence[VolumeArgs]
    bundle: Callable[[Mapping[str, Any]], str]
    """Makes the bundle of what is known by then: `known`, and volumes (id and mount each)."""
    known: Mapping[str, pulumi.Input[Any]]
    triggers: Sequence[pulumi.Input[str]]
    effect: str
    """What applying does to those who use the node."""
    after: Sequence[pulumi.Resource]
    """The node before this one in its chain, and what the node needs: nothing of this node is touched before."""
    shared_name: str = ""
    """A name that leads to every node of the kind; ''": none."""


class Node(pulumi.ComponentResource):
    """The node; `applied` is there once it serves."""

    node: str
    host: str
    instance_id: pulumi.Output[str]
    volume_ids: dict[str, pulumi.Output[str]]
    """What it is for (hot, slow) to the volume."""
    mounts: list[str]
    """The folders that its agent watches, beside the root."""
    applied: Applied

    def __init__(self, name: str, args: NodeArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Node", name, None, opts)
        context = args.context
        instance = self._instance(name, args)
        volumes = [self._volume(name, args, volume) for volume in args.volumes]
        self.node, self.host, self.mounts = name, args.host, [spec.mount for spec in args.volumes]
        self.volume_ids = {spec.name: volume.id for spec, volume in zip(args.volumes, volumes, strict=True)}
        attachments = [
            aws.ec2.VolumeAttachment(
                f"{name}-{spec.name}-attachment",
                device_name=device,
                instance_id=instance.id,
                volume_id=volume.id,
                # Detached from a stopped instance only: never from under a server that writes.
                stop_instance_before_detaching=True,
                force_detach=False,
                opts=context.options(self, delete_before_replace=True),
            )
            for spec, volume, device in zip(args.volumes, volumes, DEVICES, strict=False)
        ]
        records = self._records(name, args, instance)
        mounts = [
            pulumi.Output.all(id=volume.id, mount=spec.mount)
            for spec, volume in zip(args.volumes, volumes, strict=True)
        ]
        content = pulumi.Output.all(**args.known, volumes=mounts).apply(args.bundle)
        digest = content.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
        stored = aws.s3.BucketObjectv2(
            f"{name}-bundle",
            bucket=args.bundles,
            key=f"{name}.json",
            content=content,
            content_type="application/json",
            opts=context.options(self, depends_on=[*args.after]),
        )
        sizes = [args.instance_type, *(str(spec.size) for spec in args.volumes)]
        known = hashlib.sha256(" ".join(sizes).encode()).hexdigest()
        self.instance_id = instance.id
        self.applied = Applied(
            f"{name}-applied",
            node=name,
            region=context.settings.awsRegion,
            instance_id=instance.id,
            bucket=args.bundles,
            key=stored.key,
            sha256=digest,
            files=content.apply(file_hashes),
            # The digest makes the text another one with every change, so that a preview's diff shows it.
            effect=pulumi.Output.concat(digest.apply(lambda text: text[:8]), "-", known[:4], ": ", args.effect),
            triggers=[*sizes, *args.triggers],
            opts=context.options(self, depends_on=[*attachments, *records, *args.role.ready, stored, *args.after]),
        )
        self.register_outputs({"instanceId": self.instance_id})

    def _instance(self, name: str, args: NodeArgs) -> aws.ec2.Instance:
        context = args.context
        settings = context.settings
        given = settings.clickhouseAmi
        image = given or aws.ssm.get_parameter_output(name=AMAZON_LINUX, opts=pulumi.InvokeOptions(parent=self)).value
        return aws.ec2.Instance(
            name,
            ami=image,
            instance_type=args.instance_type,
            subnet_id=args.subnet_id,
            vpc_security_group_ids=[args.security_group_id],
            associate_public_ip_address=False,
            iam_instance_profile=args.role.profile,
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
                "instance_metadata_tags": "disabled",
            },
            root_block_device={
                "volume_type": "gp3",
                "volume_size": ROOT_GIB,
                "encrypted": True,
                "kms_key_id": args.key_arn,
                "delete_on_termination": True,
                "tags": {**context.tags, "Name": f"{context.prefix}-{name}-root"},
            },
            user_data=(OURS / "user_data.sh").read_text(),
            user_data_replace_on_change=False,
            disable_api_termination=settings.protect,
            # Against a hand in the console, not against an `up`: what is worth keeping is on the volumes.
            force_destroy=True,
            ebs_optimized=True,
            instance_initiated_shutdown_behavior="stop",
            opts=context.options(
                self,
                delete_before_replace=True,
                # A newer image replaces the node: only when it is named (clickhouseAmi), never because AWS has one.
                ignore_changes=[] if given else ["ami"],
                depends_on=[*args.role.ready, *args.after],
            ),
        )

    def _volume(self, name: str, args: NodeArgs, spec: VolumeArgs) -> aws.ebs.Volume:
        context = args.context
        return aws.ebs.Volume(
            f"{name}-{spec.name}",
            # The network's, not the instance's: a replaced instance must not replace its volumes.
            availability_zone=args.zone,
            type=spec.kind,
            size=spec.size,
            iops=spec.iops,
            throughput=spec.throughput,
            encrypted=True,
            kms_key_id=args.key_arn,
            final_snapshot=context.settings.protect,
            opts=context.stateful(self, ignore_changes=["availabilityZone"]),
        )

    def _records(self, name: str, args: NodeArgs, instance: aws.ec2.Instance) -> list[pulumi.Resource]:
        common: dict[str, Any] = {
            "zone_id": args.dns_zone_id,
            "type": "A",
            "ttl": 30,
            "records": [instance.private_ip],
            "opts": args.context.options(self),
        }
        records: list[pulumi.Resource] = [aws.route53.Record(f"{name}-name", name=args.host, **common)]
        if args.shared_name:
            records.append(
                aws.route53.Record(
                    f"{name}-shared-name",
                    name=args.shared_name,
                    set_identifier=name,
                    multivalue_answer_routing_policy=True,
                    **common,
                )
            )
        return records
