"""Interface endpoints: AWS's services at private addresses, without the way through NAT.

Each costs by the hour and zone, NAT by the gigabyte: they pay where much goes through them (image pulls, logs), and
where the private subnets must reach AWS while NAT is down (ssm, ssmmessages, ec2messages: the tunnel and the commands).
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.network import Network


@dataclass(frozen=True)
class InterfaceEndpointsArgs:
    """What the endpoints need."""

    context: Context
    network: Network
    security_group: pulumi.Input[str]
    """The firewall's `endpoints`."""


class InterfaceEndpoints(pulumi.ComponentResource):
    """One endpoint for each service of networkEndpoints, with an address in every zone.

    With private DNS: a part that asks for ssm.<region>.amazonaws.com gets the endpoint and needs no setting.
    """

    def __init__(self, name: str, args: InterfaceEndpointsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:InterfaceEndpoints", name, None, opts)
        context = args.context
        region = context.settings.awsRegion
        for service in sorted(set(context.settings.networkEndpoints)):
            aws.ec2.VpcEndpoint(
                f"{name}-{service.replace('.', '-')}",
                vpc_id=args.network.vpc_id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=args.network.private_subnet_ids,
                security_group_ids=[args.security_group],
                opts=context.options(self),
            )
        self.register_outputs({})
