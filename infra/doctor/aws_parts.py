"""Checks of the parts of a stack on AWS: whether they answer, in which version, and when their certificates end."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from infra.aws.api import client
from infra.config import PROJECT
from infra.doctor import grafana
from infra.doctor.aws import Seen
from infra.doctor.check import Check, Result, Unseen, aws_answers, beside_the_point, days, fail, ok, warn
from infra.doctor.stack import clickhouse_version, tables, worker
from infra.guard import versions
from infra.settings import Settings
from infra.settings.rules import example_keys

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from infra.aws.context import Context

HTTPS_PORT = 443
"""As in infra/aws/load_balancer.py, which is slow to import; a test compares them."""
CONNECT_SECONDS = 5
NODE_DAYS, DOOR_DAYS = 45, 30
"""As the alarms have it (infra/aws/alarm_rules.py)."""
SILENT_HOURS = 3


def checks(seen: Seen) -> Iterator[Check]:
    """All of them."""
    yield Check("collector's door", partial(door, seen))
    yield Check("ClickHouse", partial(clickhouse, seen))
    yield Check("tables", partial(asked, seen, partial(tables, seen.settings)))
    yield Check("worker", partial(asked, seen, partial(worker, seen.name, seen.settings)))
    yield from grafana.checks(seen)
    if seen.settings.collectorPlatform == "ecs":  # else in kubernetes.py
        yield Check("collector's version", partial(collector_version, seen))
    yield Check("Kafka's version", partial(kafka_version, seen))
    yield Check("nodes' certificates", partial(node_certificates, seen))
    yield Check("given certificates", partial(given_certificates, seen.settings))


def door(seen: Seen) -> Result:
    """The collector's name, port and certificate, as an agent meets them."""
    settings = seen.settings
    if "collectorDomain" in example_keys(settings):
        return beside_the_point(f"{settings.collectorDomain} is an example value")
    host = settings.collectorDomain
    try:
        ends = served_until(host, HTTPS_PORT)
    except ssl.SSLCertVerificationError as error:
        return fail(
            f"{host}:{HTTPS_PORT} shows a certificate that nobody takes: {error.verify_message}", "see docs/alarms.md"
        )
    except OSError as error:
        if settings.collectorInternal:
            return beside_the_point(f"{host}:{HTTPS_PORT} does not answer, and its addresses are in the VPC only")
        said = f"{host}:{HTTPS_PORT} does not answer: {error}"
        return fail(said, "is the stack up, this address in collectorAllowedCidrs, and the name in DNS?")
    return _until(
        f"{host}:{HTTPS_PORT} answers", ends, DOOR_DAYS, "ACM renews its own; an imported one is yours to renew"
    )


def served_until(host: str, port: int, context: ssl.SSLContext | None = None) -> float:
    """When the certificate that a port shows ends, Unix seconds. Raises OSError."""
    context = context or ssl.create_default_context()
    plain = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    with plain, context.wrap_socket(plain, server_hostname=host) as connection:
        shown = connection.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _until(said: str, ends: float, least: float, fix: str) -> Result:
    left = (ends - datetime.datetime.now(datetime.UTC).timestamp()) / 86400
    if left <= 0:
        return fail(f"{said}; its certificate is over", fix)
    found = f"{said}; its certificate ends in {days(left)}"
    return warn(found, fix) if left < least else ok(found)


def clickhouse(seen: Seen) -> Result:
    """Whether it answers the way post-deploy steps go, and in which version."""
    wanted, least = str(versions()["deployed"]["clickhouse"]["version"]), str(versions()["minimum"]["clickhouse"])
    return asked(seen, lambda opened: clickhouse_version(opened, wanted, least))


def asked(seen: Seen, look: Callable[[Client], Result]) -> Result:
    """What ClickHouse says to it; of several shards the first."""
    seen.signed_in()
    seen.outputs()
    with seen.open_clickhouse() as opened:
        return look(opened)


def collector_version(seen: Seen) -> Result:
    """The image of the running collector against configs/versions.yaml."""
    from infra.aws.image import image_reference

    seen.signed_in()
    cluster = f"{PROJECT}-{seen.name}"
    ecs = client("ecs", seen.settings.awsRegion)
    with aws_answers():
        arns = [
            arn for page in ecs.get_paginator("list_services").paginate(cluster=cluster) for arn in page["serviceArns"]
        ]
        mine = [arn for arn in arns if "/collector" in arn]
        if not mine:
            raise Unseen(f"the cluster {cluster} has no collector: the stack is not up")
        (service,) = ecs.describe_services(cluster=cluster, services=mine[:1])["services"]
        task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    wanted = image_reference("collector-image")
    name = wanted.partition("@")[0].partition(":")[0]
    images = [item["image"] for item in task["containerDefinitions"] if item["image"].startswith(name)]
    if images != [wanted]:
        return warn(
            f"{', '.join(images) or 'another image'} runs, configs/versions.yaml wants {wanted}", "an `up` rolls it"
        )
    return ok(images[0])


def kafka_version(seen: Seen) -> Result:
    """The cluster's version against kafkaVersion."""
    settings = seen.settings
    if settings.shares("kafka"):
        return beside_the_point(f"the brokers are {settings.shareStack}'s")
    if settings.kafkaMode != "provisioned":
        return beside_the_point(f"kafkaMode is {settings.kafkaMode}: the cluster is yours")
    seen.signed_in()
    with aws_answers():
        pages = client("kafka", settings.awsRegion).get_paginator("list_clusters_v2").paginate()
        found = [item for page in pages for item in page["ClusterInfoList"]]
    mine = [item for item in found if (item.get("Tags") or {}).get("Stack") == seen.name]
    if not mine:
        raise Unseen("no cluster has this stack's tags: the stack is not up")
    runs = mine[0]["Provisioned"]["CurrentBrokerSoftwareInfo"]["KafkaVersion"]
    if runs != settings.kafkaVersion:
        return warn(
            f"{runs} runs ({mine[0]['State']}), kafkaVersion is {settings.kafkaVersion}", "an `up` upgrades in place"
        )
    state = mine[0]["State"]
    return ok(f"{runs}, {state}") if state == "ACTIVE" else warn(f"{runs}, {state}", "wait until MSK says ACTIVE")


def node_certificates(seen: Seen) -> Result:
    """What each node told CloudWatch last: days until the first of its certificates and CAs ends."""
    from infra.aws.clickhouse import names
    from infra.aws.clickhouse.apply.expiry import DIMENSION, METRIC

    seen.signed_in()
    context = cast("Context", _Named(seen.settings, seen.name))
    hosts = [name for nodes in names.certificate_names(context).values() for name in nodes[:1]]
    queries = [
        {
            "Id": f"n{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": names.METRICS,
                    "MetricName": METRIC,
                    "Dimensions": [{"Name": DIMENSION, "Value": host}],
                },
                "Period": SILENT_HOURS * 3600,
                "Stat": "Minimum",
            },
        }
        for number, host in enumerate(hosts)
    ]
    now = datetime.datetime.now(datetime.UTC)
    since = now - datetime.timedelta(hours=SILENT_HOURS)
    with aws_answers():
        cloudwatch = client("cloudwatch", seen.settings.awsRegion)
        answer = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=since, EndTime=now)
    left = {hosts[int(item["Id"][1:])]: min(item["Values"]) for item in answer["MetricDataResults"] if item["Values"]}
    if not left:
        raise Unseen(f"no node has told anything for {SILENT_HOURS} hours: the stack is not up")
    fix = f"`telemetry up --name {seen.name}` renews the stack's own; given ones: clickhouseCertificates"
    silent = [host for host in hosts if host not in left]
    host, first = min(left.items(), key=lambda item: item[1])
    said = f"the first, {host}'s, ends in {days(first)}"
    if first <= 0:
        return fail(f"{host}'s certificate, or a CA that it trusts, is over", fix)
    if silent:
        return warn(f"{said}; silent: {', '.join(silent)}", "docs/alarms.md#node-certificate")
    return warn(said, fix) if first < NODE_DAYS else ok(said)


@dataclass(frozen=True)
class _Named:
    """What names ask of a context."""

    settings: Settings
    stack: str


def given_certificates(settings: Settings) -> Result:
    """Those that stand in the stack's file."""
    if settings.clickhouseTls == "own":
        return beside_the_point("clickhouseTls is own: the stack signs")
    from cryptography.x509 import load_pem_x509_certificates

    texts = {"clickhouseCaPem": settings.clickhouseCaPem, **settings.clickhouseCertificates}
    ends = [
        (item.not_valid_after_utc.timestamp(), name)
        for name, text in texts.items()
        if text.strip()
        for item in load_pem_x509_certificates(text.encode())
    ]
    if not ends:
        return beside_the_point("none is shown")
    first, name = min(ends)
    return _until(f"{len(ends)} are given, {name} ends first", first, NODE_DAYS, f"put a renewed one into {name}")
