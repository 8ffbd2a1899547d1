"""What objects in the stand-in cluster refer to, what holds on to what, and what the cluster says of them once they work.

An API server takes most dangling references; pods then never run, and pulumi-kubernetes waits until it gives up. Here that
is said at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.providers.standin.cloud import Cloud, Refused, Resource

ADDRESS = {"loadBalancer": {"ingress": [{"hostname": "lb.cluster.test"}]}}


def objects(cloud: Cloud, kind: str, namespace: str | None = None) -> list[Resource]:
    """What is there of a kind."""
    return [
        item
        for item in cloud.all()
        if item.type.startswith("kubernetes:")
        and item.type.endswith(f":{kind}")
        and namespace in (None, item.get("metadata.namespace"))
    ]


def there(cloud: Cloud, kind: str, namespace: str | None, name: str) -> bool:
    return any(item.get("metadata.name") == name for item in objects(cloud, kind, namespace))


def pods(found: Mapping[str, Any]) -> dict[str, Any]:
    return found["spec"]["template"]


def selects(selector: Mapping[str, str], cloud: Cloud, namespace: str) -> list[Resource]:
    """The Deployments whose pods have all of these labels."""
    return [
        item
        for item in objects(cloud, "Deployment", namespace)
        if selector and selector.items() <= pods(item.outputs)["metadata"]["labels"].items()
    ]


def check(cloud: Cloud, found: Mapping[str, Any]) -> None:
    """Raises Refused when something that the object refers to is not there, or is not what it is taken for."""
    problems = list(_dangling(cloud, found))
    if problems:
        raise Refused(
            "Timeout", f"{found['kind']} {found['metadata']['name']} never became ready: {'; '.join(problems)}"
        )


def _dangling(cloud: Cloud, found: Mapping[str, Any]) -> Iterator[str]:
    kind, spec = found["kind"], found.get("spec") or {}
    namespace = found["metadata"].get("namespace")
    if namespace and namespace != "default" and not there(cloud, "Namespace", None, namespace):
        yield f"namespaces {namespace!r} not found"
    if kind == "Deployment":
        yield from _pod(cloud, namespace, pods(found)["spec"])
        labels = pods(found)["metadata"]["labels"].items()
        policies = [
            item.get("spec.podSelector.matchLabels") or {} for item in objects(cloud, "NetworkPolicy", namespace)
        ]
        if not any(policy and policy.items() <= labels for policy in policies):
            yield "no NetworkPolicy means its pods: they would be open to everybody"
    elif kind == "HorizontalPodAutoscaler":
        target = spec["scaleTargetRef"]
        if not there(cloud, target["kind"], namespace, target["name"]):
            yield f"{target['kind']} {target['name']!r} to scale not found"
            return
        scaled = next(
            item for item in objects(cloud, "Deployment", namespace) if item.get("metadata.name") == target["name"]
        )
        running = {item["name"] for item in pods(scaled.outputs)["spec"]["containers"]}
        for metric in spec["metrics"]:
            container = (metric.get("containerResource") or {}).get("container")
            if container and container not in running:
                yield f"container {container!r} to measure not found"
    elif kind == "PodDisruptionBudget":
        if not selects(spec["selector"]["matchLabels"], cloud, namespace):
            yield "its selector means no pods"
    elif kind == "Service":
        yield from _service(cloud, namespace, spec)
    elif kind == "Ingress":
        yield from _ingress(cloud, namespace, spec)


def _pod(cloud: Cloud, namespace: str, spec: Mapping[str, Any]) -> Iterator[str]:
    wanted = [("ServiceAccount", spec.get("serviceAccountName") or "default")]
    wanted += [("Secret", item["name"]) for item in spec.get("imagePullSecrets") or []]
    for volume in spec.get("volumes") or []:
        if "configMap" in volume:
            wanted.append(("ConfigMap", volume["configMap"]["name"]))
        if "secret" in volume:
            wanted.append(("Secret", volume["secret"]["secretName"]))
    for kind, name in wanted:
        if not there(cloud, kind, namespace, name):
            yield f"{kind} {namespace}/{name} not found"
    for container in spec["containers"]:
        ports = {port.get("name") for port in container.get("ports") or []}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = ((container.get(probe) or {}).get("httpGet") or {}).get("port")
            if isinstance(port, str) and port not in ports:
                yield f"{container['name']}: {probe} asks the port {port!r}, which it has not"


def _service(cloud: Cloud, namespace: str, spec: Mapping[str, Any]) -> Iterator[str]:
    behind = selects(spec.get("selector") or {}, cloud, namespace)
    if not behind:
        yield "Service does not target any Pods"
        return
    ports = {
        port.get("name") or port["containerPort"]
        for item in behind
        for container in pods(item.outputs)["spec"]["containers"]
        for port in container.get("ports") or []
    }
    for port in spec["ports"]:
        if port.get("targetPort", port["port"]) not in ports:
            yield f"nobody listens on {port.get('targetPort')!r}"


def _ingress(cloud: Cloud, namespace: str, spec: Mapping[str, Any]) -> Iterator[str]:
    services = {item.get("metadata.name"): item for item in objects(cloud, "Service", namespace)}
    for rule in spec["rules"]:
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            service = services.get(backend["name"])
            if service is None:
                yield f"Service {backend['name']!r} not found"
            elif backend["port"].get("name") not in {port.get("name") for port in service.get("spec.ports")}:
                yield f"Service {backend['name']!r} has no port {backend['port']}"
    for entry in spec.get("tls") or []:
        if not there(cloud, "Secret", namespace, entry["secretName"]):
            yield f"Secret {namespace}/{entry['secretName']} not found"


def check_unused(cloud: Cloud, found: Resource) -> None:
    """Raises Refused when something still needs what is to be deleted."""
    namespace, name = found.get("metadata.namespace"), found.get("metadata.name")
    kind = found.type.rsplit(":", 1)[-1]
    if kind == "Namespace":
        left = [
            item
            for item in cloud.all()
            if item.type.startswith("kubernetes:") and item.get("metadata.namespace") == name
        ]
        # What its owner brought goes with it.
        left = [item for item in left if item.urn]
        if left:
            raise Refused("Conflict", f"Namespace {name} still holds {', '.join(item.id for item in left)}")
    for user in objects(cloud, "Deployment", namespace):
        spec = pods(user.outputs)["spec"]
        mounted = [(volume.get("configMap") or {}).get("name") for volume in spec.get("volumes") or []]
        if (kind == "ConfigMap" and name in mounted) or (
            kind == "ServiceAccount" and spec["serviceAccountName"] == name
        ):
            raise Refused("Conflict", f"{kind} {name} is still used by Deployment {user.get('metadata.name')}")


def status(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the cluster says of an object that works."""
    if found["kind"] == "Service" and (found["spec"].get("type") == "LoadBalancer"):
        return {"status": ADDRESS}
    return {"status": ADDRESS} if found["kind"] == "Ingress" else {}
