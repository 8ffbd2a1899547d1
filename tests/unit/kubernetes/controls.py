"""What must hold for what is made in a cluster: each a check over the objects, and changes that it must notice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from infra.collector import DRAIN_SECONDS, STOP_SECONDS

Objects = dict[str, dict[str, Any]]
"""Kind to its object; of two Ingresses the last."""
Check = Callable[[Objects], Iterator[str]]
CREDENTIAL = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|CREDENTIAL")
BALANCED_SECONDS = 130
"""A network load balancer of AWS opens connections to an address for two minutes after it was taken out."""
NAMES_A_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"


@dataclass(frozen=True)
class Control:
    """A check, and ways to break it."""

    check: Check
    breaks: tuple[Callable[[Objects], None], ...]


CONTROLS: dict[str, Control] = {}


def control(*breaks: Callable[[Objects], None]) -> Callable[[Check], Check]:
    """Registers a check."""

    def add(check: Check) -> Check:
        assert breaks
        CONTROLS[check.__name__] = Control(check, breaks)
        return check

    return add


def put(kind: str, path: str, value: Any) -> Callable[[Objects], None]:
    """Sets a value of the object of this kind."""

    def change(objects: Objects) -> None:
        *steps, last = path.split(".")
        where: Any = objects[kind]
        for step in steps:
            where = where[int(step)] if isinstance(where, list) else where.setdefault(step, {})
        where[int(last) if isinstance(where, list) else last] = value

    return change


POD = "spec.template.spec"


def pod(objects: Objects) -> dict[str, Any]:
    return objects["Deployment"]["spec"]["template"]["spec"]


def containers(objects: Objects) -> list[dict[str, Any]]:
    return [*pod(objects)["initContainers"], *pod(objects)["containers"]]


def each(objects: Objects, wanted: Callable[[dict[str, Any]], bool], what: str) -> Iterator[str]:
    for item in containers(objects):
        if not wanted(item):
            yield f"{item['name']}: {what}"


@control(
    put("Deployment", f"{POD}.containers.0.securityContext.privileged", True),
    put("Deployment", f"{POD}.initContainers.0.securityContext.privileged", True),
    put("Deployment", f"{POD}.containers.0.securityContext.allowPrivilegeEscalation", True),
    put("Deployment", f"{POD}.containers.0.securityContext.capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}),
    put("Deployment", f"{POD}.hostNetwork", True),
    put("Deployment", f"{POD}.hostPID", True),
)
def nobody_has_privileges(objects: Objects) -> Iterator[str]:
    def plain(item: dict[str, Any]) -> bool:
        context = item["securityContext"]
        return (
            not context["privileged"]
            and not context["allowPrivilegeEscalation"]
            and context["capabilities"] == {"drop": ["ALL"]}
        )

    yield from each(objects, plain, "privileges or capabilities")
    yield from (f"{key} is on" for key in ("hostNetwork", "hostPID", "hostIPC") if pod(objects).get(key))


@control(
    put("Deployment", f"{POD}.securityContext.runAsUser", 0),
    put("Deployment", f"{POD}.containers.0.securityContext.runAsUser", 0),
    put("Deployment", f"{POD}.initContainers.0.securityContext.runAsNonRoot", False),
)
def nobody_is_root(objects: Objects) -> Iterator[str]:
    context = pod(objects)["securityContext"]
    if not (context["runAsNonRoot"] and context["runAsUser"] > 0 and context["runAsGroup"] > 0):
        yield "the pod runs as root"
    yield from each(
        objects,
        lambda item: item["securityContext"]["runAsNonRoot"] and item["securityContext"].get("runAsUser", 1) > 0,
        "root",
    )


@control(
    put("Deployment", f"{POD}.containers.0.securityContext.readOnlyRootFilesystem", False),
    put("Deployment", f"{POD}.initContainers.0.securityContext.readOnlyRootFilesystem", False),
    put("Deployment", f"{POD}.containers.0.volumeMounts.1.readOnly", False),
)
def the_collector_writes_nowhere(objects: Objects) -> Iterator[str]:
    yield from each(objects, lambda item: item["securityContext"]["readOnlyRootFilesystem"] is True, "a writable root")
    for mount in pod(objects)["containers"][0]["volumeMounts"]:
        if mount.get("readOnly") is not True:
            yield f"collector: it may write to {mount['mountPath']}"


@control(
    put("Deployment", f"{POD}.securityContext.seccompProfile", {"type": "Unconfined"}),
    put("Deployment", f"{POD}.containers.0.securityContext.seccompProfile", {"type": "Unconfined"}),
)
def system_calls_are_filtered(objects: Objects) -> Iterator[str]:
    if pod(objects)["securityContext"]["seccompProfile"] != {"type": "RuntimeDefault"}:
        yield "the pod has no seccomp profile"
    yield from each(
        objects, lambda item: item["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, "no seccomp"
    )


@control(
    put("Deployment", f"{POD}.volumes.0", {"name": "config", "hostPath": {"path": "/etc"}}),
    put("Deployment", f"{POD}.volumes.1", {"name": "keys", "emptyDir": {}}),
)
def volumes_are_the_pod_s_own_and_keys_are_in_memory(objects: Objects) -> Iterator[str]:
    for volume in pod(objects)["volumes"]:
        kind = next(key for key in volume if key != "name")
        if kind not in ("configMap", "emptyDir", "projected", "secret"):
            yield f"{volume['name']}: {kind}"
        if kind == "emptyDir" and volume[kind].get("medium") != "Memory":
            yield f"{volume['name']}: on the node's disk, where a password would stay readable"


@control(
    put("Deployment", f"{POD}.automountServiceAccountToken", True),
    put("ServiceAccount", "automountServiceAccountToken", True),
    put("Deployment", f"{POD}.enableServiceLinks", True),
)
def nobody_gets_a_token_for_kubernetes(objects: Objects) -> Iterator[str]:
    if pod(objects)["automountServiceAccountToken"] or objects["ServiceAccount"]["automountServiceAccountToken"]:
        yield "a token for Kubernetes' own API is mounted"
    if pod(objects)["enableServiceLinks"]:
        yield "other services stand in the environment"


@control(
    put("Deployment", f"{POD}.containers.0.env.0", {"name": "KAFKA_PASSWORD", "value": "x"}),
    put("Deployment", f"{POD}.initContainers.0.env.0", {"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}),
    put("Deployment", f"{POD}.initContainers.0.args.0", "--password=x"),
    put("ConfigMap", "data", {"collector.yaml": "password: hunter2"}),
)
def no_secret_is_in_plain_text(objects: Objects) -> Iterator[str]:
    for item in containers(objects):
        for variable in item["env"]:
            if variable["name"] != NAMES_A_FILE and CREDENTIAL.search(variable["name"]):
                yield f"{item['name']}: {variable['name']} in the plain environment"
        if any(re.search(r"password=", str(word)) for word in item["args"]):
            yield f"{item['name']}: a password in its arguments"
    for line in objects["ConfigMap"]["data"]["collector.yaml"].splitlines():
        if re.match(r"\s*password:(?!\s*\$\{file:)", line):
            yield "the configuration holds a password"


@control(
    put("Deployment", f"{POD}.containers.0.resources", {}),
    put("Deployment", f"{POD}.initContainers.0.resources.limits", {}),
    put("Deployment", f"{POD}.containers.0.resources.requests.cpu", None),
)
def everybody_says_what_he_needs(objects: Objects) -> Iterator[str]:
    def bounded(item: dict[str, Any]) -> bool:
        asked, most = item["resources"].get("requests") or {}, item["resources"].get("limits") or {}
        return bool(asked.get("cpu")) and bool(most.get("memory")) and asked.get("memory") == most.get("memory")

    yield from each(objects, bounded, "no request, or memory without an end")


@control(
    put("Deployment", "spec.strategy.rollingUpdate.maxUnavailable", 1),
    put("Deployment", "spec.strategy", {"type": "Recreate"}),
    put("Deployment", f"{POD}.containers.0.readinessProbe", None),
    put("Deployment", f"{POD}.containers.0.lifecycle", {}),
    put("Deployment", f"{POD}.containers.0.lifecycle.preStop.sleep.seconds", 1),
    put("Deployment", f"{POD}.containers.0.lifecycle.preStop.sleep.seconds", 120),
    put("Deployment", f"{POD}.terminationGracePeriodSeconds", 30),
    put("Deployment", f"{POD}.terminationGracePeriodSeconds", 150 + STOP_SECONDS),
    put("Deployment", f"{POD}.initContainers.0.restartPolicy", None),
    put("Deployment", "spec.minReadySeconds", 0),
    put("Deployment", "spec.replicas", 2),
)
def replacing_a_collector_loses_nothing(objects: Objects) -> Iterator[str]:
    spec, collector = objects["Deployment"]["spec"], pod(objects)["containers"][0]
    if (spec["strategy"].get("rollingUpdate") or {}).get("maxUnavailable") != 0 or not spec["minReadySeconds"]:
        yield "an old one may go before a new one is there"
    if "replicas" in spec:
        yield "each `up` would undo what the autoscaler did"
    if not collector.get("readinessProbe"):
        yield "requests arrive before it is ready"
    sleep = ((collector["lifecycle"].get("preStop") or {}).get("sleep") or {}).get("seconds", 0)
    if sleep < (BALANCED_SECONDS if objects["Service"]["spec"]["type"] == "LoadBalancer" else DRAIN_SECONDS):
        yield "it stops while requests are still sent to it"
    if pod(objects)["terminationGracePeriodSeconds"] <= sleep + STOP_SECONDS:
        yield "it is killed before it has given all of its answers"
    if pod(objects)["initContainers"][0].get("restartPolicy") != "Always":
        yield "the program beside it does not go on beside it"


@control(
    put("PodDisruptionBudget", "spec.maxUnavailable", "100%"),
    put("PodDisruptionBudget", "spec.selector.matchLabels", {"app": "other"}),
    put("HorizontalPodAutoscaler", "spec.scaleTargetRef.name", "other"),
    put("Service", "spec.selector", {"app": "other"}),
    put("NetworkPolicy", "spec.podSelector", {"matchLabels": {"app": "other"}}),
    put("Deployment", "spec.template.spec.serviceAccountName", "default"),
    put("Service", "spec.ports.0.targetPort", "other"),
)
def every_object_means_these_pods(objects: Objects) -> Iterator[str]:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = {
        "Deployment": objects["Deployment"]["spec"]["selector"]["matchLabels"],
        "PodDisruptionBudget": objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        "NetworkPolicy": objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        "Service": objects["Service"]["spec"]["selector"],
    }
    for kind, selector in selectors.items():
        if not selector or not selector.items() <= labels.items():
            yield f"{kind}: selects other pods"
    if objects["PodDisruptionBudget"]["spec"]["maxUnavailable"] != 1:
        yield "PodDisruptionBudget: more than one may go at once"
    if (
        objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
        != objects["Deployment"]["metadata"]["name"]
    ):
        yield "HorizontalPodAutoscaler: scales another Deployment"
    if pod(objects)["serviceAccountName"] != objects["ServiceAccount"]["metadata"]["name"]:
        yield "the pods run as another service account"
    ports = {port["name"] for port in pod(objects)["containers"][0]["ports"]}
    if not {port["targetPort"] for port in objects["Service"]["spec"]["ports"]} <= ports:
        yield "Service: a port that nobody listens on"


@control(
    put("NetworkPolicy", "spec.policyTypes", ["Ingress"]),
    put("NetworkPolicy", "spec.egress.0", {}),
    put("NetworkPolicy", "spec.ingress.0", {}),
    put("NetworkPolicy", "spec.egress.1.ports", [{"port": 1, "endPort": 65535, "protocol": "TCP"}]),
)
def only_named_ports_are_open_in_both_directions(objects: Objects) -> Iterator[str]:
    spec = objects["NetworkPolicy"]["spec"]
    if sorted(spec["policyTypes"]) != ["Egress", "Ingress"]:
        yield "a direction is not looked at"
    for rule in [*spec["ingress"], *spec["egress"]]:
        if not rule.get("ports") or any("endPort" in port or "port" not in port for port in rule["ports"]):
            yield f"not by single ports: {rule}"


@control(
    put("Namespace", "metadata.labels", {"pod-security.kubernetes.io/enforce": "privileged"}),
    put("Namespace", "metadata.labels", {}),
)
def the_namespace_enforces_the_restricted_level(objects: Objects) -> Iterator[str]:
    if "Namespace" not in objects:
        return
    if objects["Namespace"]["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "its pods may have privileges"
