"""ACM and Route 53: certificates that are issued once their records exist, records and zones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.rules.registry import Failures, created, deleted, is_given, made, values

CERTIFICATE, VALIDATION = "aws:acm/certificate:Certificate", "aws:acm/certificateValidation:CertificateValidation"
RECORD, ZONE = "aws:route53/record:Record", "aws:route53/zone:Zone"


def check_usable(cloud: Cloud, arn: str) -> None:
    """A load balancer takes an issued certificate only."""
    found = cloud.get(CERTIFICATE, arn)
    if found and found.get("status") != "ISSUED":
        raise Refused(
            "UnsupportedCertificate", f"The certificate '{arn}' must have been issued; it is {found.get('status')}"
        )


@values(CERTIFICATE)
def _certificate(inputs: Mapping[str, Any], region: str) -> Failures:
    if not any(is_given(inputs, key) for key in ("domainName", "certificateBody")):
        return [("domainName", "one of domainName and certificateBody with privateKey must be given")]
    return []


@created(VALIDATION)
def _records_exist(cloud: Cloud, validation: Resource) -> None:
    certificate = cloud.get(CERTIFICATE, validation.get("certificateArn"))
    assert certificate, "references are checked before"
    there = {
        (str(item.get("fqdn")).rstrip("."), str(value).rstrip("."))
        for item in cloud.all(RECORD)
        for value in item.get("records", [])
    }
    for option in certificate.get("domainValidationOptions", []):
        wanted = (option["resourceRecordName"].rstrip("."), option["resourceRecordValue"].rstrip("."))
        if wanted not in there:
            raise Refused(
                "timeout",
                f"while waiting for state to become 'ISSUED' (last state: 'PENDING_VALIDATION'): no record {wanted[0]}",
            )


@made(VALIDATION)
def _issued(cloud: Cloud, validation: Resource) -> None:
    cloud.change(CERTIFICATE, validation.get("certificateArn"), status="ISSUED")


@values(RECORD)
def _record(inputs: Mapping[str, Any], region: str) -> Failures:
    if is_given(inputs, "records") and is_given(inputs, "aliases"):
        return [("records", "records conflicts with aliases")]
    if is_given(inputs, "records") and not is_given(inputs, "ttl"):
        return [("ttl", "records need a ttl")]
    return []


@created(RECORD)
def _new_record(cloud: Cloud, record: Resource) -> None:
    zone = cloud.get(ZONE, record.get("zoneId"))
    if not record.get("records") and not record.get("aliases"):
        raise Refused("InvalidInput", "a record needs records or aliases")
    if (
        zone
        and record.get("type") == "CNAME"
        and record.get("fqdn", "").rstrip(".") == str(zone.get("name")).rstrip(".")
    ):
        raise Refused(
            "InvalidChangeBatch", f"RRSet of type CNAME with DNS name {record.get('fqdn')} is not permitted at apex"
        )
    for other in cloud.all(RECORD):
        same = all(other.get(key) == record.get(key) for key in ("zoneId", "fqdn", "type", "setIdentifier"))
        if same and other.id != record.id and not record.get("allowOverwrite"):
            raise Refused(
                "InvalidChangeBatch",
                f"[Tried to create resource record set [name='{record.get('fqdn')}', type='{record.get('type')}'] but it already exists]",
            )


@deleted(CERTIFICATE)
def _nothing_waits(cloud: Cloud, certificate: Resource, state: Mapping[str, Any]) -> None:
    for listener in cloud.all("aws:lb/listenerCertificate:ListenerCertificate"):
        if listener.get("certificateArn") == certificate.id:
            raise Refused("ResourceInUseException", f"Certificate {certificate.id} is in use by {listener.id}")
