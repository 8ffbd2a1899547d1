"""What AWS never makes smaller: a setting below what is deployed is refused in the preview, before anything is touched.

The settings alone can't tell (they know no past), and AWS plans such a change as an update that it then refuses
half-way through. So the deployed values are kept as inputs of one resource, whose check has the last ones and the new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import ResourceOptions
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.aws.clickhouse import trust
from infra.aws.clickhouse.given import Given
from infra.dynamic import plain_props
from infra.settings import Settings

Value = int | float | str


def rank(value: Value) -> tuple[float, ...]:
    """Numbers as they are, versions by their leading numbers: 3.9.x.kraft is below 4.1.x.kraft, 12.4 above 9.4."""
    if isinstance(value, str):
        return tuple(int(part) for part in re.findall(r"\d+", value.split("x", 1)[0]))
    return (float(value),)


def shown(value: Value) -> str:
    """A value as it stands in a stack file. The engine keeps every number as a float."""
    return f"{value:g}" if isinstance(value, float) else str(value) or "nothing"


def objections(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each setting that may not change as wanted, with the reason."""
    lifted = news.get("lifted") or []
    found = []
    for key, new in (news.get("floors") or {}).items():
        old = (olds.get("floors") or {}).get(key)
        if old is not None and key not in lifted and rank(new) < rank(old):
            found.append(
                (
                    key,
                    f"{key}: {shown(old)} is deployed and {shown(new)} is set: AWS never lowers it; set it back (or, when "
                    f"the last `up` failed before it was reached, add {key} to floorsLifted for one `up`)",
                )
            )
    for key, new in (news.get("fixed") or {}).items():
        old = (olds.get("fixed") or {}).get(key)
        if old is not None and key not in lifted and old != new:
            reason = (news.get("reasons") or {}).get(key, "it can't change while it stands")
            if key not in HAVE_A_WAY:
                reason += f"; to do that anyway, add {key} to floorsLifted for one `up`"
            found.append((key, f"{key}: {shown(old)} is deployed and {shown(new)} is set: {reason}"))
    if USERS not in lifted and _users_in_one_list(olds.get("fixed") or {}, news.get("fixed") or {}):
        found.append((USERS, USERS_REASON))
    reason = trust.objection(olds.get("trust"), news.get("trust"))
    if reason and trust.KEY not in lifted:
        found.append((trust.KEY, reason))
    return found


def _users_in_one_list(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the deployed cluster's users are one resource, as they were before each had one of its own."""
    return USERS in new and old.get("kafkaAuth") == "scram" and USERS not in old


class FloorsProvider(ResourceProvider):
    """Inputs: floors and fixed (setting to value), reasons (for fixed ones), lifted (settings that are not checked), trust
    (clickhouse/trust.py)."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        return CheckResult(news, [CheckFailure("", reason) for _, reason in objections(_olds, news)])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in ("floors", "fixed", "trust")))

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("floors", plain_props(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(plain_props(news))


class Floors(Resource, module="aws", name="Floors"):
    """The deployed values of what only grows (`floors`) or never changes while it stands (`fixed`)."""

    def __init__(
        self,
        name: str,
        floors: Mapping[str, Value],
        fixed: Mapping[str, Value] | None = None,
        reasons: Mapping[str, str] | None = None,
        lifted: Sequence[str] = (),
        trust: Mapping[str, Any] | None = None,
        opts: ResourceOptions | None = None,
    ):
        props = {
            "floors": dict(floors),
            "fixed": dict(fixed or {}),
            "reasons": dict(reasons or {}),
            "lifted": list(lifted),
            **({"trust": dict(trust)} if trust else {}),
        }
        super().__init__(FloorsProvider(), name, props, opts)


USERS = "kafkaUsers"
"""No setting: how the cluster is told of its SCRAM users."""
USERS_REASON = (
    "kafkaUsers: this stack was brought up when one resource had the cluster's whole list of users, whose deletion would take "
    "the users away; docs/ephemeral.md (A stack that is up with the old list of users) has the three steps, of which the last is "
    "kafkaUsers in floorsLifted for one `up`"
)
KAFKA = ("kafkaVersion", "kafkaBrokersPerZone", "kafkaStorageMaxGiB")
CLICKHOUSE = ("clickhouseShards", "clickhouseHotGiB", "clickhouseSlowGiB")
REASONS = {
    "awsAccount": "everything would be made anew there, and what is here forgotten; make a stack of its own",
    "awsRegion": "everything would be made anew there, and all data here deleted; make a stack of its own",
    "networkVpcId": "every part would be made anew in the other network, without the brokers' and the nodes' data",
    "shareStack": "what the other stack lends would be made anew, and the nodes' data lost; make a stack of its own",
    "shareParts": "that part would be made anew, and the nodes' data lost with the network; make a stack of its own",
    "networkCidr": "the network and all that is in it would be made anew, without the brokers' and the nodes' data",
    "kafkaMode": "the cluster would be given up with what ClickHouse has not read yet",
    "kafkaAuth": "every client would be locked out until it is changed too, and agents get 503 meanwhile",
    "kafkaReplication": "the topics would be deleted and made anew, and messages that were not read yet are lost",
    "kubernetesNamespaceCreate": (
        "the namespace would be deleted with all that is in it, your Secrets too, or be made where there is one"
    ),
    "kubernetesNamespace": (
        "the old namespace would be deleted with all that is in it, your Secrets too, while the new one has none yet"
    ),
    "grafanaAuthentication": "the workspace would be made anew, and what people have made in it is lost",
    "kafkaZones": (
        "brokers can't move to other zones, only a new cluster can, and what it holds is lost; set kafkaZones to the "
        "deployed number"
    ),
    "kafkaStorageGiB": (
        "the brokers' volumes have grown by themselves since, and this no longer sizes them; set it back and raise "
        "kafkaStorageMaxGiB"
    ),
    "clickhouseReplicas": (
        "one node's tables can't become replicated ones, nor the other way round; make a new stack and restore a backup "
        "into it (docs/operations.md)"
    ),
}
HAVE_A_WAY = ("kafkaZones", "kafkaStorageGiB", "clickhouseReplicas")
"""Their reasons say what to do instead. The others may be what somebody wants, or the wreck of a first `up`."""


def trust_reached(settings: Settings, given: Given | None, nodes: Sequence[Resource], opts: ResourceOptions) -> Floors:
    """What all nodes trust, kept once they all do: an `up` that broke off between two nodes is no step that was taken."""
    opts = ResourceOptions.merge(opts, ResourceOptions(depends_on=[*nodes]))
    return Floors(
        "clickhouse-trust", {}, None, None, settings.floorsLifted, trust.trust(settings, given or Given()), opts
    )


def stack_floors(settings: Settings, given: Given | None = None, opts: ResourceOptions | None = None) -> Floors:
    """All floors of a stack in one resource, so that every problem is in one message. Everything else waits for it."""
    keys = [*CLICKHOUSE]
    fixed: dict[str, Value] = {
        key: getattr(settings, key) for key in ("awsAccount", "awsRegion", "networkVpcId", "kafkaMode")
    }
    fixed["clickhouseReplicas"] = "1" if settings.clickhouseReplicas == 1 else "2 or 3"
    fixed |= {"shareStack": settings.shareStack, "shareParts": " ".join(sorted(settings.shareParts))}
    if settings.owns_network:
        fixed["networkCidr"] = settings.networkCidr
    if settings.kafkaMode == "provisioned" or settings.kafkaClusterArn:
        keys.append("kafkaPartitions")
        fixed["kafkaReplication"] = settings.kafkaReplication
    if settings.kafkaMode == "provisioned":
        fixed["kafkaAuth"] = settings.kafkaAuth
    if settings.owns_brokers:
        keys += KAFKA
        fixed["kafkaZones"] = settings.broker_zones
        if settings.kafkaAuth == "scram":
            fixed[USERS] = "one resource each"
        if settings.kafkaStorageMaxGiB > settings.kafkaStorageGiB:
            # The volume's size is then AWS's to say and ours is ignored: a change here would silently do nothing.
            fixed["kafkaStorageGiB"] = settings.kafkaStorageGiB
        else:
            keys.append("kafkaStorageGiB")
    if settings.owns_workspace:
        keys.append("grafanaVersion")
        fixed["grafanaAuthentication"] = settings.grafanaAuthentication
    if settings.collectorPlatform == "kubernetes":
        fixed["kubernetesNamespaceCreate"] = str(settings.kubernetesNamespaceCreate).lower()
        if settings.kubernetesNamespaceCreate:
            fixed["kubernetesNamespace"] = settings.kubernetesNamespace
    floors = {key: getattr(settings, key) for key in keys}
    trusted = trust.trust(settings, given or Given())
    return Floors("floors", floors, fixed, REASONS, settings.floorsLifted, trusted, opts)
