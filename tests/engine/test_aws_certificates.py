"""From the stack's own CA to a given one and on, under the real engine: node after node, each trusting the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest

from infra.aws.clickhouse import given
from infra.aws.clickhouse.component import ClickHouse, ClickHouseArgs
from infra.aws.context import Context, make_provider, tagging
from infra.aws.encryption import Encryption, EncryptionArgs
from infra.aws.firewall import Firewall, FirewallArgs
from infra.aws.floors import stack_floors, trust_reached
from infra.aws.kafka import Kafka, KafkaArgs
from infra.aws.network import Network, NetworkArgs
from infra.settings import Settings
from tests.certificates import Pair, certificate, root
from tests.engine.aws_nodes import Nodes
from tests.providers.api.secrets import LATER, SECRET
from tests.providers.cloud import Ran, StandInCloud
from tests.providers.control_plane import control_plane
from tests.providers.standin.cloud import ACCOUNT, Resource
from tests.unit.aws.aws_settings import LARGE, settings

pytestmark = pytest.mark.timeout(900)
NODES = ["keeper-1", "keeper-2", "keeper-3", "clickhouse-1", "clickhouse-2"]
WILDCARD = "*.dev.agent-telemetry.internal"
HERE: dict[str, Any] = {
    **LARGE,
    "awsAccount": ACCOUNT,
    "networkFlowLogs": False,
    "networkEndpoints": [],
    "networkNat": "one",
    "clickhouseReplicas": 2,
    # As in prod: whatever a step leaves out must have lost its protection in the one before.
    "protect": True,
    "grafanaMode": "none",
    "kafkaMode": "existing",
    "kafkaBootstrapServers": "b-1.kafka.test:9096",
    "kafkaBrokerCidrs": ["10.99.0.0/24"],
    "kafkaSecretArn": f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:AmazonMSK_given-AbCdEf",
    "kafkaSecretKeyArn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0b1c2d3e-1111-2222-3333-5f0a9b3c2d11",
}


def program(found: Settings) -> Callable[[], None]:
    """ClickHouse and what it stands on, behind the same gates as on the platform."""

    def run() -> None:
        pulumi.runtime.register_stack_transformation(tagging(found, "dev"))
        looked_at = given.check(found, "dev")
        provider = make_provider(found, pulumi.ResourceOptions(depends_on=[stack_floors(found, looked_at)]))
        context, opts = Context(found, "dev", provider), pulumi.ResourceOptions(providers=[provider])
        key = Encryption("encryption", EncryptionArgs(context), opts).key_arn
        network = Network("network", NetworkArgs(context, key), opts)
        firewall = Firewall("firewall", FirewallArgs(context, network.vpc_id, network.nat_addresses), opts)
        kafka = Kafka("kafka", KafkaArgs(context, network, firewall, key), opts)
        made = ClickHouse("clickhouse", ClickHouseArgs(context, network, firewall, kafka, key), opts)
        trust_reached(found, looked_at, [machine.applied for machine in made.machines], opts)

    return run


class Account(StandInCloud):
    """The cloud with its API for boto3 and its machines."""

    api: dict[str, str]
    nodes: Nodes

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.api}

    def owns(self, name: str, text: str) -> str:
        """A secret of the account's owner, or another value of it; its ARN."""
        arn = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:{name}-AbCdEf"
        self.state.put(Resource(SECRET, arn, outputs={"name": name, "arn": arn}))
        self.state.put(Resource(LATER, f"{arn}|now", outputs={"secretId": arn, "secretString": text}))
        return arn

    def run(self, command: str, **more: Any) -> Ran:
        self.nodes.applied.clear()
        self.forget_operations()
        ran: Ran = getattr(self.stack(program(settings(HERE, **more))), command)()
        return ran

    def made_by_tls(self) -> list[str]:
        """What pulumi-tls has in the state."""
        path = self.folder / "state" / ".pulumi" / "stacks" / "standin" / "test.json"
        resources = json.loads(path.read_text())["checkpoint"]["latest"]["resources"]
        return sorted(item["urn"].rsplit("::", 1)[-1] for item in resources if item["type"].startswith("tls:"))

    @property
    def applied(self) -> list[str]:
        return [apply.node for apply in self.nodes.applied]


CA = root("Example Root")
SHOWN = certificate(CA, [WILDCARD])


def values(step: str, ca: str = CA.pem, shown: Pair = SHOWN, arn: str = "") -> dict[str, Any]:
    certificates = {"*": shown.pem} if step.startswith("given") else {}
    return {
        "clickhouseTls": step,
        "clickhouseCaPem": ca,
        "clickhouseCertificates": certificates,
        "clickhouseCertificateKeyArns": {node: arn for node in certificates},
    }


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    made = Account(tmp_path_factory.mktemp("certificates"))
    made.api = {}
    made.owns("AmazonMSK_given", '{"username": "clickhouse", "password": "given"}')
    (made.folder / "nodes").mkdir()
    made.nodes = Nodes(made.state, 0, made.folder / "nodes")
    with control_plane(made.state) as plane:
        made.api, plane.on_command = plane.environment, made.nodes.command
        yield made
    made.nodes.close()


@pytest.fixture(scope="module")
def arn(account: Account) -> str:
    return account.owns("clickhouse-key", SHOWN.key_pem)


def in_order(ran: Ran, account: Account) -> None:
    """Every node in place, one after the other, and no machine was touched."""
    assert ran.ok, ran.output
    assert account.applied == NODES
    assert not {op for op in ran.changed if "replace" in op}, ran.changed
    assert account.operations("update", "aws:ec2/instance:Instance") == []


def test_a_stack_begins_with_its_own_ca(account: Account) -> None:
    ran = account.run("up")
    assert ran.ok, ran.output
    assert account.applied == NODES and len(account.made_by_tls()) == 2 + 3 * len(NODES)


def test_what_is_wrong_with_given_ones_is_refused_before_anything(account: Account, arn: str) -> None:
    ended, foreign = certificate(CA, [WILDCARD], days=-3), certificate(root("Other"), [WILDCARD])
    for command, pair, said in (
        ("preview", ended, "expired on"),
        ("up", foreign, "no CA in clickhouseCaPem has signed"),
    ):
        ran = account.run(command, **values("given", shown=pair, arn=arn))
        assert not ran.ok and said in ran.output, ran.output
        assert account.operations() == [] and account.applied == []


def test_the_whole_way_in_one_up_is_refused_with_the_way(account: Account, arn: str) -> None:
    for command in ("preview", "up"):
        ran = account.run(command, **values("given", arn=arn))
        assert not ran.ok and "go by own+given and given+own, one `up` each" in ran.output, ran.output
        assert account.operations() == [] and account.applied == []


def test_what_the_refusal_is_for(account: Account, arn: str) -> None:
    """Lifted, the first Keeper to change is out: the others don't trust it, nor does it trust them."""
    ran = account.run("up", **values("given", arn=arn), floorsLifted=["clickhouseTls"])
    assert not ran.ok and "keeper-1 is not ready although keeper-2 answers" in ran.output
    assert account.applied == []
    # The way back is lifted too: what was begun is as far away as what was reached.
    assert not account.run("preview").ok and account.run("preview", floorsLifted=["clickhouseTls"]).ok


def test_first_both_are_trusted(account: Account) -> None:
    ran = account.run("up", **values("own+given"), floorsLifted=["clickhouseTls"])
    in_order(ran, account)
    assert all(CA.pem.strip() in apply.plan["ca_pem"] for apply in account.nodes.applied)
    assert account.operations("create", "aws:secretsmanager/secret:Secret") == []


def test_an_up_that_broke_off_is_no_step(account: Account, arn: str) -> None:
    account.nodes.fail["clickhouse-2"] = "killed"
    ran = account.run("up", **values("given+own", arn=arn))
    assert not ran.ok and account.applied == NODES[:4]
    # clickhouse-2 still shows our own CA's, which nobody would trust after this step.
    ran = account.run("preview", **values("given", arn=arn))
    assert not ran.ok and "own+given is deployed and given is set" in ran.output


def test_then_the_given_ones_are_shown(account: Account, arn: str) -> None:
    ran = account.run("up", **values("given+own", arn=arn))
    assert ran.ok, ran.output
    assert account.applied == NODES[4:], "the next `up` goes on where the last one broke off"
    assert all(apply.plan["certificate"].strip() == SHOWN.pem.strip() for apply in account.nodes.applied)
    assert account.made_by_tls() == ["clickhouse-certificates-ca", "clickhouse-certificates-ca-key"]
    assert not any("-tls" in item.urn for item in account.state.all(SECRET))


def test_then_the_own_ca_is_gone(account: Account, arn: str) -> None:
    in_order(account.run("up", **values("given", arn=arn)), account)
    assert account.made_by_tls() == []
    assert account.run("preview", **values("given", arn=arn)).changed == {}


def test_another_given_ca_follows_the_first_and_its_keys_must_be_there(account: Account, arn: str) -> None:
    other = root("Next Root")
    shown, both = certificate(other, [WILDCARD]), CA.pem + other.pem
    ran = account.run("preview", **values("given", other.pem, shown, arn))
    assert not ran.ok and "first add its root to clickhouseCaPem" in ran.output
    in_order(account.run("up", **values("given", both, SHOWN, arn)), account)
    # Its key is not in the secret yet: the first node says so, and goes on with what it has.
    ran = account.run("up", **values("given", both, shown, arn))
    assert not ran.ok and "keeper-1" in ran.output and "key and certificate don't fit" in ran.output
    assert account.applied == []
    account.owns("clickhouse-key", shown.key_pem)
    in_order(account.run("up", **values("given", both, shown, arn)), account)


def test_no_key_is_in_what_was_stored_or_in_a_bundle(account: Account) -> None:
    stored = account.stack(program(settings(HERE))).stored()
    for text in (SHOWN.key_pem, CA.key_pem):
        assert text.splitlines()[1] not in stored
        assert not any(text.splitlines()[1] in str(apply.files) for apply in account.nodes.applied)
