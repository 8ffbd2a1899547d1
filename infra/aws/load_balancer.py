"""The collector's front door: an ALB that ends TLS, 443 for OTLP over HTTP and 4317 for OTLP over gRPC.

Behind it the tasks speak plain text inside the VPC, where the firewall lets nobody but the load balancer reach them: the
collector's image could only get a certificate by a secret of its own. No WAF: its rules read HTML forms and JSON, not
OTLP, and who gets in is decided by the token. Port 80 is closed rather than redirected: a client that is redirected has
already sent its token in the open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.buckets import BucketArgs, PrivateBucket
from infra.aws.certificate import certificate_arn, dns_record
from infra.aws.context import Context
from infra.collector import DRAIN_SECONDS

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.3 and 1.2 with forward secrecy; the default is of 2016."""
HTTPS_PORT = 443
GRPC_PORT = 4317
IDLE_SECONDS = 60
LOG_WRITER = "logdelivery.elasticloadbalancing.amazonaws.com"


@dataclass(frozen=True)
class LoadBalancerArgs:
    """What the load balancer needs."""

    context: Context
    vpc_id: pulumi.Input[str]
    subnets: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Public ones, or private ones with collectorInternal."""
    security_group: pulumi.Input[str]


class LoadBalancer(pulumi.ComponentResource):
    """Two listeners with a target group each. A service behind it depends on `listeners`: until then its target
    groups belong to no load balancer."""

    dns_name: pulumi.Output[str]
    arn_suffix: pulumi.Output[str]
    certificate_arn: pulumi.Output[str]
    http: aws.lb.TargetGroup
    grpc: aws.lb.TargetGroup
    listeners: list[pulumi.Resource]

    def __init__(self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:LoadBalancer", name, None, opts)
        context = args.context
        settings = context.settings
        record = PrivateBucket(f"{name}-log", log_bucket(context), context.options(self))
        balancer = aws.lb.LoadBalancer(
            name,
            load_balancer_type="application",
            internal=settings.collectorInternal,
            subnets=args.subnets,
            security_groups=[args.security_group],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            idle_timeout=IDLE_SECONDS,
            enable_deletion_protection=settings.protect,
            access_logs={"bucket": record.name, "enabled": True},
            # The bucket's policy first: creating the load balancer writes a test object.
            opts=context.options(self, depends_on=record.ready, protect=settings.protect),
        )
        self.dns_name, self.arn_suffix = balancer.dns_name, balancer.arn_suffix
        self.http = self._target_group(
            f"{name}-http",
            args,
            settings.otlpHttpPort,
            "HTTP1",
            {"protocol": "HTTP", "port": str(settings.collectorHealthPort), "path": "/", "matcher": "200"},
        )
        # The health check's own port speaks no gRPC. An OTLP port answers a method that it does not know with
        # UNIMPLEMENTED (12), or with UNAUTHENTICATED (16) where it asks for a token first.
        self.grpc = self._target_group(
            f"{name}-grpc",
            args,
            settings.otlpGrpcPort,
            "GRPC",
            {"protocol": "HTTP", "port": "traffic-port", "path": "/AWS.ALB/healthcheck", "matcher": "12,16"},
        )
        self.certificate_arn = certificate_arn(context, self, name)
        self.listeners = [
            aws.lb.Listener(
                f"{name}-{kind}",
                load_balancer_arn=balancer.arn,
                port=port,
                protocol="HTTPS",
                ssl_policy=TLS_POLICY,
                certificate_arn=self.certificate_arn,
                default_actions=[{"type": "forward", "target_group_arn": group.arn}],
                opts=context.options(self),
            )
            for kind, port, group in (("https", HTTPS_PORT, self.http), ("grpc", GRPC_PORT, self.grpc))
        ]
        dns_record(context, self, name, balancer)
        self.register_outputs({"dnsName": self.dns_name})

    def _target_group(
        self, name: str, args: LoadBalancerArgs, port: int, version: str, check: dict[str, str]
    ) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            name,
            # Six letters at most; what follows lets a replacement stand beside the old one.
            name_prefix=f"{version[:4].lower()}-",
            vpc_id=args.vpc_id,
            target_type="ip",
            port=port,
            protocol="HTTP",
            protocol_version=version,
            deregistration_delay=DRAIN_SECONDS,
            load_balancing_algorithm_type="least_outstanding_requests",
            health_check={
                "enabled": True,
                "protocol": check["protocol"],
                "port": check["port"],
                "path": check["path"],
                "matcher": check["matcher"],
                "interval": 10,
                "timeout": 5,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
            },
            opts=args.context.options(self),
        )


def log_bucket(context: Context) -> BucketArgs:
    """Where the access logs go; ELB writes with S3's own key only."""
    settings = context.settings
    return BucketArgs(
        context,
        expire_days=settings.logRetentionDays,
        statements=[
            {
                "Sid": "AccessLogs",
                "Effect": "Allow",
                "Principal": {"Service": LOG_WRITER},
                "Action": "s3:PutObject",
                # ELB writes below the load balancer's own account and nowhere else.
                "Resource": f"AWSLogs/{settings.awsAccount}/*",
            }
        ],
    )
