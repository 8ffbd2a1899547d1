"""The load balancer's certificate: given, or requested from ACM and validated by DNS; and the name that it is for."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context

VALIDATION_TIMEOUT = "30m"


def certificate_arn(context: Context, parent: pulumi.Resource, name: str) -> pulumi.Output[str]:
    """collectorCertificateArn, or a certificate for collectorDomain that is valid once this output is known."""
    settings = context.settings
    if settings.collectorCertificateArn:
        return pulumi.Output.from_input(settings.collectorCertificateArn)
    certificate = aws.acm.Certificate(
        f"{name}-certificate",
        domain_name=settings.collectorDomain,
        validation_method="DNS",
        key_algorithm="EC_prime256v1",
        opts=context.options(parent),
    )
    option = certificate.domain_validation_options[0]
    record = aws.route53.Record(
        f"{name}-certificate-proof",
        zone_id=settings.collectorZoneId,
        name=option.resource_record_name,
        type=option.resource_record_type,
        records=[option.resource_record_value],
        ttl=60,
        # A second stack, or a renewed request, for the same name asks for the very same record.
        allow_overwrite=True,
        opts=context.options(parent),
    )
    validation = aws.acm.CertificateValidation(
        f"{name}-certificate-valid",
        certificate_arn=certificate.arn,
        validation_record_fqdns=[record.fqdn],
        opts=context.options(parent, custom_timeouts=pulumi.CustomTimeouts(create=VALIDATION_TIMEOUT)),
    )
    return validation.certificate_arn


def dns_record(context: Context, parent: pulumi.Resource, name: str, balancer: aws.lb.LoadBalancer) -> None:
    """collectorDomain as an alias of the load balancer, where its zone is given."""
    settings = context.settings
    if not settings.collectorZoneId:
        return
    aws.route53.Record(
        f"{name}-name",
        zone_id=settings.collectorZoneId,
        name=settings.collectorDomain,
        type="A",
        aliases=[{"name": balancer.dns_name, "zone_id": balancer.zone_id, "evaluate_target_health": True}],
        opts=context.options(parent),
    )
