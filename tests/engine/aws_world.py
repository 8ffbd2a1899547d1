"""An AWS account in a folder, with all that an `up` of the whole program touches behind it: `with aws_world(folder) as world`.

Stand-ins that refuse: AWS under the engine (tests/providers) and under boto3, machines (aws_nodes), the collector, Grafana
and registries behind a proxy (aws_doors, aws_internet), session-manager-plugin (aws_plugin). Real: the engine, the program,
the dynamic providers, certificates and their checks, SQL in ClickHouse's engine, crane and the image.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.toolchain import ensure
from infra.paths import ROOT
from infra.shards import CLUSTER
from tests.engine.aws_doors import Authority, Doors
from tests.engine.aws_engine import OWN, Engine
from tests.engine.aws_internet import Collector, Registry, Workspaces, registry
from tests.engine.aws_nodes import Nodes
from tests.engine.aws_plugin import NODES
from tests.forks import STANDIN, STEPS, command
from tests.pipeline.clickhouse_front import Front
from tests.providers.cloud import StandInCloud
from tests.providers.control_plane import ControlPlane, control_plane
from tests.providers.standin.cloud import Resource

CERTIFICATE = "aws:acm/certificate:Certificate"
PLUGIN = '#!/bin/sh\nPYTHONPATH="{root}" exec {plugin} "$@"\n'
PYTHON = """#!/bin/sh
# The interpreter that the engine starts for dynamic resources: -u -m pulumi.dynamic ADDRESS.
[ "$3" = pulumi.dynamic ] && shift 3 && exec {steps} "$@"
exec "{python}" "$@"
"""

ALONE = (
    f"<clickhouse><tcp_port>9000</tcp_port><remote_servers><{CLUSTER}><shard><replica><host>127.0.0.1</host><port>9000</port>"
    f"</replica></shard></{CLUSTER}></remote_servers></clickhouse>"
)


READER_OF = "acme"
"""The tenant whose users the engine behind the nodes knows: it reads none of their files."""


@dataclass
class World:
    """Everything of one account."""

    folder: Path
    cloud: StandInCloud
    plane: ControlPlane
    clickhouse: Front
    further: dict[tuple[str, int], Front]
    """Stack and shard to engine, of those that a node has served beside the first one's."""
    nodes: Nodes
    doors: Doors
    collector: Collector
    workspaces: Workspaces
    registry: Registry

    @property
    def environment(self) -> dict[str, str]:
        """What any process needs to see this account and nothing else."""
        return {
            **self.cloud.environment,
            **self.plane.environment,
            **self.doors.environment,
            NODES: str(self.nodes.ports_file),
            "PYTHONPATH": str(ROOT),
            # Our script's name for it, and the official command line's.
            "AGENT_TELEMETRY_PYTHON": str(self.cloud.bin / "python-for-steps"),
            "PULUMI_PYTHON_CMD": str(self.cloud.bin / "python-for-steps"),
        }

    def engine(self, stack: str) -> Engine:
        """The stack with its committed file's settings, not up yet."""
        folder = self.folder / stack
        folder.mkdir()
        return Engine(stack, folder, self.cloud.toolchain, self.environment)

    def beside(self, first: Engine, stack: str, settings: dict[str, Any]) -> Engine:
        """A further stack in the backend of the first, with a ClickHouse engine and a collector of its own."""
        folder = self.folder / stack
        folder.mkdir()
        self.nodes.engine_of(first.name, 1)
        collector = Collector(self.cloud.state, self.nodes.engine_of(stack, 1), stack)
        self.doors.open(settings["collectorDomain"].replace(".", r"\."), collector.answer)
        return Engine(stack, folder, self.cloud.toolchain, self.environment, settings, first.state)

    def rows(self, query: str, shard: int = 1, stack: str = "") -> str:
        """ClickHouse's answer, as who runs the server sees it. `stack`: one beside the first."""
        front = self.clickhouse if (shard, stack) == (1, "") else self.further[stack, shard]
        answer = front.post(query)
        assert answer.status == 200, answer.text
        return answer.text.strip()


@contextmanager
def aws_world(folder: Path) -> Iterator[World]:
    """An account with what its owner brings: a certificate for the collector's domain."""
    with ExitStack() as stack:
        cloud = StandInCloud(folder)
        plugin, steps = command(STANDIN, "tests.engine.aws_plugin"), command(STEPS, "tests.engine.aws_dynamic")
        for name, text in {"session-manager-plugin": PLUGIN, "python-for-steps": PYTHON}.items():
            (cloud.bin / name).write_text(text.format(root=ROOT, python=sys.executable, plugin=plugin, steps=steps))
            (cloud.bin / name).chmod(0o755)
        given = {"domainName": OWN["collectorDomain"], "status": "ISSUED", "arn": OWN["collectorCertificateArn"]}
        cloud.state.put(Resource(CERTIFICATE, OWN["collectorCertificateArn"], outputs=given))
        clickhouse = _engine(folder / "clickhouse", stack)
        further: dict[tuple[str, int], Front] = {}

        def further_engine(of: str, shard: int) -> int:
            if (of, shard) not in further:
                further[of, shard] = _engine(folder / f"clickhouse{of}-{shard}", stack)
            return further[of, shard].port

        (folder / "nodes").mkdir()
        nodes = Nodes(cloud.state, clickhouse.port, folder / "nodes", further=further_engine)
        stack.callback(nodes.close)
        plane = stack.enter_context(control_plane(cloud.state))
        plane.on_command = nodes.command
        images = stack.enter_context(registry(cloud.state, ensure(["crane"]).crane, folder / "registry"))
        doors = Doors(Authority(folder / "authority"))
        stack.callback(doors.close)
        collector, workspaces = Collector(cloud.state, clickhouse.port), Workspaces(cloud.state)
        doors.open(OWN["collectorDomain"].replace(".", r"\."), collector.answer)
        doors.open(r"g-[0-9a-z]+\.grafana-workspace\.eu-central-1\.amazonaws\.com", workspaces.answer)
        doors.open(rf"{OWN['awsAccount']}\.dkr\.ecr\.eu-central-1\.amazonaws\.com", images.ecr)
        doors.open(r"public\.ecr\.aws", images.public)
        yield World(folder, cloud, plane, clickhouse, further, nodes, doors, collector, workspaces, images)


def _engine(folder: Path, stack: ExitStack) -> Front:
    """A shard's engine. It has no native port: of all shards it knows itself alone."""
    front = Front(folder, readers=(READER_OF,))
    (folder / "config.d").mkdir(parents=True)
    (folder / "config.d" / "60-shards.xml").write_text(ALONE)
    front.start()
    stack.callback(front.stop)
    return front
