"""The Deployment: the collector and the program beside it, hardened, spread, replaced without a lost span."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.collector import (
    DRAIN_SECONDS,
    IMAGE,
    JWKS_FILE,
    KEYS_FOLDER,
    SIDE_MIB,
    STOP_SECONDS,
    USER_ID,
    CollectorNeeds,
    go_memory_limit,
    workload_name,
)
from infra.images import image_reference
from infra.kubernetes.labels import labels, selector

CONFIG_FOLDER, CONFIG_FILE = "/etc/collector", "collector.yaml"
TLS_FOLDER = "/tls"
TOKEN_FOLDER = "/var/run/secrets/agent-telemetry"
TOKEN_SECONDS = 3600
BALANCER_DRAIN_SECONDS = 150
"""DRAIN_SECONDS behind a load balancer of connections. AWS's opens new ones to an address for two minutes after it was taken
out, whatever its settings say (kubernetes-sigs/aws-load-balancer-controller#2366, aws/containers-roadmap#470)."""
GRACE_MORE_SECONDS = STOP_SECONDS + 5
"""From the end of the sleep until the pod is killed: the drain, and a little for both to begin."""
READY_SECONDS = 10
ROLLOUT_SECONDS = 600

Manifest = dict[str, Any]
"""A part of an object as Kubernetes writes it; some values are outputs."""


def container_security() -> Manifest:
    """What every container has: the restricted level of Pod Security, and a root that can't be written to."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod_security() -> Manifest:
    """Of the whole pod. The group is for the token and the certificate, which Kubernetes writes."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def deployment(needs: CollectorNeeds, config_map: pulumi.Input[str]) -> Manifest:
    """metadata and spec. Without replicas: these are the autoscaler's."""
    prefix = needs.prefix
    return {
        "metadata": {
            "name": workload_name(prefix),
            "namespace": needs.settings.kubernetesNamespace,
            "labels": labels(prefix),
        },
        "spec": {
            "selector": {"matchLabels": selector(prefix)},
            # A new one takes requests before an old one stops to.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "minReadySeconds": READY_SECONDS,
            "progressDeadlineSeconds": ROLLOUT_SECONDS,
            "revisionHistoryLimit": 3,
            "template": {
                "metadata": {
                    "labels": labels(prefix),
                    "annotations": {"agent-telemetry/kafka-secret-version": needs.kafka_version},
                },
                "spec": pod(needs, config_map),
            },
        },
    }


def pod(needs: CollectorNeeds, config_map: pulumi.Input[str]) -> Manifest:
    """The pod's spec."""
    settings = needs.settings
    return {
        "serviceAccountName": workload_name(needs.prefix),
        # Nobody in it speaks with Kubernetes; the cloud gets a token of its own.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "terminationGracePeriodSeconds": drain_seconds(needs) + GRACE_MORE_SECONDS,
        "nodeSelector": {
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": settings.kubernetesArchitecture,
            **settings.kubernetesNodeSelector,
        },
        "imagePullSecrets": [{"name": secret} for secret in settings.kubernetesPullSecrets],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                # A zone that is full or gone must not keep collectors from running elsewhere.
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector(needs.prefix)},
                "matchLabelKeys": ["pod-template-hash"],
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "initContainers": [side(needs)],
        "containers": [collector(needs)],
        "volumes": volumes(needs, config_map),
    }


def collector(needs: CollectorNeeds) -> Manifest:
    """The collector's container."""
    settings = needs.settings
    memory = f"{settings.collectorMemoryMiB - SIDE_MIB}Mi"
    identity = not needs.kafka_files
    health = {"httpGet": {"path": "/", "port": "health"}}
    return {
        "name": "collector",
        "image": image_reference(IMAGE),
        "imagePullPolicy": "IfNotPresent",
        "args": [f"--config=file:{CONFIG_FOLDER}/{CONFIG_FILE}"],
        "env": [
            *variables({"GOMEMLIMIT": go_memory_limit(settings.collectorMemoryMiB)}),
            *(identity_variables(needs) if identity else []),
        ],
        "ports": [
            {"name": "otlp-grpc", "containerPort": settings.otlpGrpcPort, "protocol": "TCP"},
            {"name": "otlp-http", "containerPort": settings.otlpHttpPort, "protocol": "TCP"},
            {"name": "health", "containerPort": settings.collectorHealthPort, "protocol": "TCP"},
        ],
        # No limit of CPU: a collector that is held back answers late, and its neighbours have their requests.
        "resources": {
            "requests": {"cpu": f"{settings.collectorCpu * 1000 // 1024}m", "memory": memory},
            "limits": {"memory": memory},
        },
        "startupProbe": {**health, "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 30},
        "readinessProbe": {**health, "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**health, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        # It goes on answering until whoever balances the load has heard that it is about to stop.
        "lifecycle": {"preStop": {"sleep": {"seconds": drain_seconds(needs)}}},
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": KEYS_FOLDER, "mountPath": f"/{KEYS_FOLDER}", "readOnly": True},
            *([_token_mount()] if identity else []),
            *([{"name": "tls", "mountPath": TLS_FOLDER, "readOnly": True}] if speaks_tls(needs) else []),
        ],
    }


def side(needs: CollectorNeeds) -> Manifest:
    """The program beside it: starts first, ends last, and the collector waits for what it brings."""
    return {
        "name": "side",
        "image": needs.side.image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "args": list(needs.side.command),
        "env": [
            *variables(dict(needs.side.environment)),
            *identity_variables(needs),
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "resources": {
            "requests": {"cpu": "20m", "memory": f"{SIDE_MIB}Mi"},
            "limits": {"memory": f"{SIDE_MIB}Mi"},
        },
        # Whether there is a list, not whether it is fresh: with the cloud away collectors go on with what they have.
        "startupProbe": {
            "exec": {"command": ["test", "-s", JWKS_FILE]},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 60,
        },
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": KEYS_FOLDER, "mountPath": f"/{KEYS_FOLDER}"}, _token_mount()],
    }


def speaks_tls(needs: CollectorNeeds) -> bool:
    """Whether the collectors do, and not an Ingress in front of them."""
    return needs.settings.kubernetesExpose == "loadBalancer"


def drain_seconds(needs: CollectorNeeds) -> int:
    """Until nobody sends anything more to a pod that is to stop."""
    return BALANCER_DRAIN_SECONDS if speaks_tls(needs) else DRAIN_SECONDS


def variables(values: dict[str, pulumi.Input[str]]) -> list[Manifest]:
    """A container's plain environment."""
    return [{"name": key, "value": values[key]} for key in sorted(values)]


def identity_variables(needs: CollectorNeeds) -> list[Manifest]:
    """What lets a container sign in to the cloud."""
    identity = needs.identity
    return variables({**identity.environment, identity.token_variable: f"{TOKEN_FOLDER}/token"})


def _token_mount() -> Manifest:
    return {"name": "token", "mountPath": TOKEN_FOLDER, "readOnly": True}


def volumes(needs: CollectorNeeds, config_map: pulumi.Input[str]) -> list[Manifest]:
    """The pod's volumes: none outlives it."""
    token = {"audience": needs.identity.audience, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    found: list[Manifest] = [
        {"name": "config", "configMap": {"name": config_map}},
        # In memory: Kafka's password may be in it.
        {"name": KEYS_FOLDER, "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]
    if speaks_tls(needs):
        secret = {"secretName": needs.settings.kubernetesTlsSecret, "defaultMode": 0o440}
        found.append({"name": "tls", "secret": secret})
    return found
