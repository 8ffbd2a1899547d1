"""The stack's output `access`: what the command line needs to open the stack's parts from outside. Ids and ARNs only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.endpoints import Access, ClickHouseAddress, ClickHouseEndpoint, KafkaAddress, KafkaEndpoint, access_from_dict
from infra.errors import UserError

if TYPE_CHECKING:  # the command line reads the output without Pulumi
    import pulumi

OUTPUT = "access"


def output(shards: Sequence[ClickHouseEndpoint], kafka: KafkaEndpoint) -> dict[str, pulumi.Input[Any]]:
    """The output's value."""
    clickhouse = shards[0]
    further = {"furtherShards": [shard.access for shard in shards[1:]]} if len(shards) > 1 else {}
    return {
        "clickhouse": {"address": clickhouse.address_inputs(), "access": clickhouse.access},
        **further,
        "schemaFolder": clickhouse.schema_folder,
        "kafka": {
            "bootstrap_servers": kafka.bootstrap_servers,
            "security_protocol": kafka.security_protocol,
            "prefix": kafka.prefix,
        },
    }


@dataclass(frozen=True)
class Reach:
    """The output, read."""

    clickhouse: ClickHouseAddress
    clickhouse_access: Access
    schema_folder: str
    kafka: KafkaAddress
    """What ClickHouse's tables read from; it answers inside of its network only."""
    further_shards: tuple[Access, ...] = ()
    """The same address on each shard from the second on."""

    @property
    def instance_ids(self) -> list[str]:
        """ClickHouse's nodes, where a tunnel leads to one of them."""
        accesses = (self.clickhouse_access, *self.further_shards)
        return [id_ for access in accesses for id_ in getattr(access, "instance_ids", ())]


def reach(outputs: Mapping[str, Any], stack: str) -> Reach:
    """How to reach the stack with these outputs. Raises UserError when its last `up` did not get that far."""
    try:
        found = outputs[OUTPUT]
        return Reach(
            ClickHouseAddress(
                **{**found["clickhouse"]["address"], "port": int(found["clickhouse"]["address"]["port"])}
            ),
            access_from_dict(found["clickhouse"]["access"]),
            found["schemaFolder"],
            KafkaAddress(**found["kafka"]),
            tuple(access_from_dict(access) for access in found.get("furtherShards", [])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the stack {stack} does not say how to reach ClickHouse (output `{OUTPUT}`: {error!r}); "
            f"`telemetry up --name {stack}` completes it"
        ) from None
