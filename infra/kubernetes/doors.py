"""How agents reach the collectors (Service, Ingresses), and who may talk to the pods (NetworkPolicy)."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.collector import CollectorNeeds, workload_name
from infra.kubernetes.labels import labels, selector
from infra.kubernetes.pods import Manifest
from infra.settings import Settings

HTTPS, GRPC = 443, 4317
DNS = 53
ANYWHERE = "0.0.0.0/0"
SERVICES = "opentelemetry.proto.collector.{signal}.v1.{service}Service"
GRPC_PATHS = [
    f"/{SERVICES.format(signal=signal, service=service)}"
    for signal, service in (("trace", "Trace"), ("logs", "Logs"), ("metrics", "Metrics"))
]
"""Metrics too, although they are not stored: the collector then says so itself."""
HTTP_PATHS = ["/v1/traces", "/v1/logs", "/v1/metrics"]


def metadata(needs: CollectorNeeds, suffix: str = "", annotations: dict[str, str] | None = None) -> Manifest:
    """Of an object of which there is one."""
    found: Manifest = {
        "name": f"{workload_name(needs.prefix)}{suffix}",
        "namespace": needs.settings.kubernetesNamespace,
        "labels": labels(needs.prefix),
    }
    return {**found, "annotations": annotations} if annotations else found


def service(needs: CollectorNeeds) -> Manifest:
    """The Service: with a load balancer of its own, or for the Ingresses."""
    settings = needs.settings
    balanced = settings.kubernetesExpose == "loadBalancer"
    ports = {
        "otlp-http": HTTPS if balanced else settings.otlpHttpPort,
        "otlp-grpc": GRPC if balanced else settings.otlpGrpcPort,
    }
    spec: Manifest = {
        "type": "LoadBalancer" if balanced else "ClusterIP",
        "selector": selector(needs.prefix),
        "ports": [
            {"name": port, "port": number, "targetPort": port, "protocol": "TCP"} for port, number in ports.items()
        ],
    }
    if balanced:
        allowed = settings.collectorAllowedCidrs
        with_callers = pulumi.Output.from_input(needs.callers).apply(lambda callers: [*allowed, *callers])
        spec["loadBalancerSourceRanges"] = allowed if ANYWHERE in allowed else with_callers
    return {"metadata": metadata(needs, annotations=settings.kubernetesServiceAnnotations), "spec": spec}


def ingresses(needs: CollectorNeeds) -> dict[str, Manifest]:
    """http and grpc to an Ingress each: a controller takes the protocol behind it by annotation, for all of its paths."""
    settings = needs.settings
    if settings.kubernetesExpose != "ingress":
        return {}
    shared = settings.kubernetesIngressAnnotations
    return {
        "http": _ingress(needs, "-http", HTTP_PATHS, "otlp-http", shared),
        "grpc": _ingress(
            needs, "-grpc", GRPC_PATHS, "otlp-grpc", {**shared, **settings.kubernetesIngressGrpcAnnotations}
        ),
    }


def _ingress(needs: CollectorNeeds, suffix: str, paths: list[str], port: str, annotations: dict[str, str]) -> Manifest:
    settings = needs.settings
    backend = {"service": {"name": workload_name(needs.prefix), "port": {"name": port}}}
    host = settings.collectorDomain
    spec: Manifest = {
        "ingressClassName": settings.kubernetesIngressClass,
        "rules": [
            {
                "host": host,
                "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend} for path in paths]},
            }
        ],
    }
    if settings.kubernetesTlsSecret:
        spec["tls"] = [{"hosts": [host], "secretName": settings.kubernetesTlsSecret}]
    return {"metadata": metadata(needs, suffix, annotations), "spec": spec}


def urls(settings: Settings) -> tuple[str, str]:
    """OTLP over HTTP (URL) and over gRPC (host:port), as agents reach them."""
    domain = settings.collectorDomain
    return f"https://{domain}:{HTTPS}", f"{domain}:{GRPC if settings.kubernetesExpose == 'loadBalancer' else HTTPS}"


def network_policy(needs: CollectorNeeds) -> Manifest:
    """In: OTLP and the health check. Out: names, brokers, and the cloud's HTTPS. Kubelets' probes are never refused."""
    settings = needs.settings
    doors: list[Manifest] = [{"port": port, "protocol": "TCP"} for port in ("otlp-grpc", "otlp-http", "health")]
    arrives: Manifest = {"ports": doors}
    if settings.kubernetesIngressNamespaces:
        label = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": settings.kubernetesIngressNamespaces}
        arrives["from"] = [{"namespaceSelector": {"matchExpressions": [label]}}]
    brokers: Manifest = {"ports": [{"port": port, "protocol": "TCP"} for port in needs.kafka_ports]}
    if needs.kafka_cidrs:
        brokers["to"] = [{"ipBlock": {"cidr": cidr}} for cidr in needs.kafka_cidrs]
    return {
        "metadata": metadata(needs),
        "spec": {
            "podSelector": {"matchLabels": selector(needs.prefix)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [arrives],
            "egress": [
                {"ports": [{"port": DNS, "protocol": protocol} for protocol in ("UDP", "TCP")]},
                brokers,
                # S3, STS, Secrets Manager: many addresses, which change.
                {"ports": [{"port": HTTPS, "protocol": "TCP"}]},
            ],
        },
    }


def address_of(status: Any) -> str:
    """The host name or address in an object's status; '' while there is none."""
    found = ((status or {}).get("load_balancer") or {}).get("ingress") or []
    return next((item.get("hostname") or item.get("ip") or "" for item in found), "")
