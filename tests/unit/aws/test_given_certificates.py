"""Given certificates: what is refused and why, what each node and client gets of good ones, and which steps are taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from infra.aws.clickhouse import given, trust
from infra.errors import UserError
from infra.settings import Settings, parse_settings
from infra.settings.tls import STEPS
from tests.certificates import CLIENT, SERVER, Pair, certificate, intermediate, root
from tests.unit.aws.clickhouse_stack import KEY, declare, settings
from tests.unit.aws.mocks import ACCOUNT, REGION, Cloud, value
from tests.unit.aws.test_clickhouse import APPLIED, KEEPERS, NODES, SEVERAL, bundle, policy

DOMAIN = "dev.agent-telemetry.internal"
WILDCARD = f"*.{DOMAIN}"
ONE = {"clickhouse-1": [f"clickhouse-1.{DOMAIN}", f"clickhouse.{DOMAIN}"]}
ALL = {**{node: [f"{node}.{DOMAIN}", f"clickhouse.{DOMAIN}"] for node in NODES}} | {
    keeper: [f"{keeper}.{DOMAIN}"] for keeper in KEEPERS
}
CA = root("Example Root")
KEYS = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b1c2d3e-aaaa-bbbb-cccc-5f0a9b3c2d11"


def arn(name: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf"


def values(step: str, ca: str, certificates: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {
        "clickhouseTls": step,
        "clickhouseCaPem": ca,
        "clickhouseCertificates": dict(certificates),
        "clickhouseCertificateKeyArns": {node: arn("every" if node == "*" else node) for node in certificates},
        **more,
    }


def examined(ca: str, certificates: Mapping[str, str], wanted: Mapping[str, list[str]] = ONE) -> given.Given:
    return given.examine(settings(**values("given", ca, certificates)), wanted, datetime.now(UTC))


class TestWhatIsGood:
    def test_one_wildcard_for_all(self) -> None:
        made = certificate(CA, [WILDCARD])
        found = examined(CA.pem, {"*": made.pem}, ALL)
        assert found.problems == [] and found.roots == found.signers and len(found.roots) == 1

    def test_one_each(self) -> None:
        made = {node: certificate(CA, names).pem for node, names in ALL.items()}
        assert examined(CA.pem, made, ALL).problems == []

    def test_with_an_intermediate_behind_it(self) -> None:
        between = intermediate(CA, "Example Issuing")
        chain = certificate(between, [WILDCARD]).pem + between.pem
        found = examined(CA.pem, {"*": chain}, ALL)
        assert found.problems == [] and found.signers == found.roots

    def test_a_renewed_root_is_the_same_one(self) -> None:
        renewed = root("Example Root", key=CA.key)
        assert examined(renewed.pem, {"*": certificate(CA, [WILDCARD]).pem}).roots == [given.key_hash(CA.certificate)]

    def test_a_single_node_needs_no_client_certificate(self) -> None:
        assert examined(CA.pem, {"*": certificate(CA, [WILDCARD], uses=[SERVER]).pem}).problems == []

    def test_two_roots_while_one_takes_over(self) -> None:
        other = root("Next Root")
        found = examined(CA.pem + other.pem, {"*": certificate(other, [WILDCARD]).pem})
        assert found.problems == [] and len(found.roots) == 2
        assert found.signers == [given.key_hash(other.certificate)]


def wrong(pair: Pair | str, ca: str = CA.pem, wanted: Mapping[str, list[str]] = ONE) -> str:
    [problem] = examined(ca, {"*": pair if isinstance(pair, str) else pair.pem}, wanted).problems
    return problem


class TestWhatIsRefused:
    def test_a_text_that_is_no_pem(self) -> None:
        assert wrong("MIIB…") == "clickhouseCertificates: * is no PEM certificate (-----BEGIN CERTIFICATE----- …)"
        assert wrong(certificate(CA, [WILDCARD]), ca="a CA").startswith("clickhouseCaPem: is no PEM certificate")

    @pytest.mark.parametrize("where", ["ca", "certificate"])
    def test_a_private_key_in_the_stack_file(self, where: str) -> None:
        made = certificate(CA, [WILDCARD])
        held = made.pem + made.key_pem
        said = wrong(held) if where == "certificate" else wrong(made, ca=CA.pem + CA.key_pem)
        assert "holds a private key" in said and "Secrets Manager" in said
        assert made.key_pem.splitlines()[1] not in said

    def test_an_expired_one(self) -> None:
        made = certificate(CA, [WILDCARD], days=-2)
        assert "expired on " in wrong(made) and "CN=*.dev" in wrong(made)

    def test_one_that_is_not_valid_yet(self) -> None:
        assert "is valid from" in wrong(certificate(CA, [WILDCARD], begins=3))

    def test_an_expired_ca(self) -> None:
        old = root("Old Root", days=-1)
        assert wrong(certificate(CA, [WILDCARD]), ca=old.pem).startswith("clickhouseCaPem: CN=Old Root expired on ")

    def test_an_expired_intermediate(self) -> None:
        between = intermediate(CA, "Issuing", days=-1)
        assert "CN=Issuing expired on" in wrong(certificate(between, [WILDCARD]).pem + between.pem)

    def test_another_cas(self) -> None:
        # Of the same name: only its signature tells.
        assert "no CA in clickhouseCaPem has signed it" in wrong(certificate(root("Example Root"), [WILDCARD]))

    def test_an_intermediate_that_is_left_out(self) -> None:
        between = intermediate(CA, "Issuing")
        assert "no CA in clickhouseCaPem has signed it" in wrong(certificate(between, [WILDCARD]))

    def test_an_intermediate_as_the_ca(self) -> None:
        between = intermediate(CA, "Issuing")
        assert "CN=Issuing is an intermediate one" in wrong(certificate(between, [WILDCARD]), ca=between.pem)

    def test_a_nodes_certificate_as_the_ca(self) -> None:
        made = certificate(CA, [WILDCARD])
        assert "is no CA's certificate" in wrong(made, ca=made.pem)

    def test_other_names(self) -> None:
        said = wrong(certificate(CA, ["*.example.com"]))
        assert said == (
            f"clickhouseCertificates: * is for *.example.com, and not for clickhouse-1.{DOMAIN}, clickhouse.{DOMAIN}"
        )
        assert f"not for clickhouse.{DOMAIN}" in wrong(certificate(CA, [f"clickhouse-1.{DOMAIN}"]))
        assert "is for no DNS name" in wrong(certificate(CA, []))
        # A star stands for one label.
        assert "and not for" in wrong(certificate(CA, ["*.agent-telemetry.internal"]))

    def test_one_that_is_for_servers_only_where_nodes_ask_each_other(self) -> None:
        assert "clientAuth" in wrong(certificate(CA, [WILDCARD], uses=[SERVER]), wanted=ALL)
        assert "signed it" in wrong(certificate(CA, [WILDCARD], uses=[CLIENT]), wanted=ALL)

    def test_a_node_without_one_and_one_that_is_no_node(self) -> None:
        made = {node: certificate(CA, names).pem for node, names in ALL.items() if node != "keeper-2"}
        said = examined(CA.pem, {**made, "clickhouse-9": made["clickhouse-1"]}, ALL).problems
        assert "clickhouseCertificates: nothing for keeper-2: name each or write '*'" in said
        assert any(line.startswith("clickhouseCertificates: clickhouse-9 is no node of this stack") for line in said)
        assert any(line.startswith("clickhouseCertificateKeyArns: nothing for keeper-2") for line in said)

    def test_all_problems_come_in_one_message(self) -> None:
        bad = settings(**values("given", root("Old", days=-1).pem + CA.pem, {"*": "x", "node": "y"}))
        with pytest.raises(UserError) as caught:
            given.check(bad, "dev")
        text = str(caught.value)
        for part in ("CN=Old expired", "clickhouseCertificates: * is no PEM", "node is no node of this stack"):
            assert part in text

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"clickhouseCaPem": CA.pem}, "clickhouseCaPem: only counts with another clickhouseTls than own"),
            ({"clickhouseTls": "own+given"}, "clickhouseCaPem: needed with clickhouseTls own+given"),
            ({"clickhouseTls": "given", "clickhouseCaPem": "x"}, "clickhouseCertificates: needed with"),
            ({"clickhouseTls": "given", "clickhouseCaPem": "x"}, "clickhouseCertificateKeyArns: needed with"),
            (values("given", "x", {"*": "x"}) | {"clickhouseCertificateKeyArns": {"*": "key"}}, "is no secret's ARN"),
            (values("given", "x", {"*": "x"}, awsRegion="eu-west-1"), "the nodes read it in eu-west-1"),
        ],
    )
    def test_settings_that_do_not_go_together(self, more: dict[str, Any], said: str) -> None:
        with pytest.raises(UserError) as caught:
            settings(**more)
        assert said in str(caught.value)


def stands(step: str, ca: str = "", certificates: Mapping[str, str] = {}) -> dict[str, Any]:
    found: Settings = settings(**values(step, ca, certificates) if step != "own" else {}, **SEVERAL)
    return trust.trust(found, given.check(found, "dev"))


class TestSteps:
    shown = certificate(CA, [WILDCARD]).pem

    def at(self, step: str) -> dict[str, Any]:
        return stands(step, CA.pem, {"*": self.shown} if step.startswith("given") else {})

    def test_one_step_at_a_time_there_and_back(self) -> None:
        for one, two in pairwise(STEPS):
            assert trust.objection(self.at(one), self.at(two)) == ""
            assert trust.objection(self.at(two), self.at(one)) == ""
            assert trust.objection(self.at(one), self.at(one)) == ""

    def test_more_at_once_is_refused_with_the_way(self) -> None:
        said = trust.objection(self.at("own"), self.at("given"))
        assert "own is deployed and given is set" in said and "go by own+given and given+own, one `up` each" in said
        assert "go by given+own and own+given" in trust.objection(self.at("given"), self.at("own"))
        assert "go by own+given, one" in trust.objection(self.at("own"), self.at("given+own"))

    def test_a_new_stack_begins_anywhere(self) -> None:
        assert trust.objection({}, self.at("given")) == ""

    def test_one_given_ca_after_another(self) -> None:
        new = root("Next Root")
        made = {"*": certificate(new, [WILDCARD]).pem}
        old = self.at("given")
        assert "first add its root to clickhouseCaPem" in trust.objection(old, stands("given", new.pem, made))
        both = stands("given", CA.pem + new.pem, {"*": self.shown})
        switched = stands("given", CA.pem + new.pem, made)
        assert trust.objection(old, both) == "" and trust.objection(both, switched) == ""
        assert trust.objection(switched, stands("given", new.pem, made)) == ""
        assert "it leaves out the CA" in trust.objection(both, stands("given", new.pem, made))
        assert "first add its root" in trust.objection(old, switched)


def secrets_of(cloud: Cloud, node: str) -> list[str]:
    return next(item["Resource"] for item in policy(cloud, node) if item["Action"] == ["secretsmanager:GetSecretValue"])


class TestWhatNodesGet:
    made = certificate(CA, [WILDCARD])

    def declared(self, step: str, **more: Any) -> tuple[Cloud, Any]:
        certificates = {"*": self.made.pem} if step.startswith("given") else {}
        return declare(**values(step, CA.pem, certificates), **SEVERAL, **more)

    def test_with_given_ones_alone_nothing_is_made(self) -> None:
        cloud, clickhouse = self.declared("given")
        assert [made.name for made in cloud.made if made.type.startswith("tls:")] == []
        assert not any("tls" in made.name for made in cloud.of("aws:secretsmanager/secret:Secret"))
        assert value(clickhouse.ca_pem).strip() == CA.pem.strip()

    def test_each_node_reads_its_key_and_nothing_else_of_the_owners(self) -> None:
        own = {node: self.made.pem for node in (*NODES, *KEEPERS)}
        cloud, _ = declare(**values("given", CA.pem, own, clickhouseCertificateKmsArn=KEYS), **SEVERAL)
        for node in (*NODES, *KEEPERS):
            theirs = [name for name in secrets_of(cloud, node) if "-AbCdEf" in name]
            assert theirs == [arn(node)]
            decrypts = next(item for item in policy(cloud, node) if item["Action"] == ["kms:Decrypt"])
            assert decrypts["Resource"] == sorted({KEY, KEYS})
            assert "secretsmanager" in decrypts["Condition"]["StringEquals"]["kms:ViaService"]

    def test_certificate_and_ca_come_with_the_bundle_and_the_key_does_not(self) -> None:
        cloud, _ = self.declared("given")
        for node in (*NODES, *KEEPERS):
            plan = json.loads(bundle(cloud, node)["plan.json"])
            assert plan["certificate"].strip() == self.made.pem.strip()
            assert plan["ca_pem"].strip() == CA.pem.strip() and plan["secrets"]["tls"] == arn("every")
            assert "PRIVATE KEY" not in json.dumps(bundle(cloud, node))

    def test_another_certificate_changes_every_nodes_bundle_in_the_chain(self) -> None:
        cloud, _ = self.declared("given")
        other, _ = declare(**values("given", CA.pem, {"*": certificate(CA, [WILDCARD]).pem}), **SEVERAL)
        for one, two in zip(cloud.of(APPLIED), other.of(APPLIED), strict=True):
            assert one.inputs["sha256"] != two.inputs["sha256"] and one.inputs["effect"] != two.inputs["effect"]
        assert [made.name for made in cloud.of(APPLIED)] == [f"{node}-applied" for node in (*KEEPERS, *NODES)]
        for before, after in pairwise(cloud.of(APPLIED)):
            assert before.name in cloud.options(after).depends_on

    @pytest.mark.parametrize("step", ["own+given", "given+own"])
    def test_both_are_trusted_on_the_way(self, step: str) -> None:
        cloud, clickhouse = self.declared(step)
        for text in (value(clickhouse.ca_pem), json.loads(bundle(cloud, "keeper-1")["plan.json"])["ca_pem"]):
            assert text == f"CA CERTIFICATE\n{CA.pem.strip()}\n"
        for access in (
            clickhouse.endpoints[0].access,
            clickhouse.access_of("worker"),
            clickhouse.access_of("dashboards"),
        ):
            assert value(access["args"]["ca_pem"]) == f"CA CERTIFICATE\n{CA.pem.strip()}\n"
        signs = {made.name for made in cloud.of("tls:index/locallySignedCert:LocallySignedCert")}
        assert len(signs) == (6 if step == "own+given" else 0)

    def test_protection_ends_a_step_before_it_would_stand_in_the_way(self) -> None:
        def protected(step: str) -> set[str]:
            more = values(step, CA.pem, {"*": self.made.pem} if "given+" in step else {}) if step != "own" else {}
            cloud, _ = declare(**more, **SEVERAL, protect=True)
            kinds = ("tls:index/privateKey:PrivateKey", "aws:secretsmanager/secret:Secret")
            found = [made for kind in kinds for made in cloud.of(kind) if cloud.options(made).protect]
            return {"node" if made.name.endswith("-tls") else made.name for made in found if "certif" in made.name}

        assert protected("own") == {"clickhouse-certificates-ca-key", "node"}
        assert protected("own+given") == {"clickhouse-certificates-ca-key"}
        assert protected("given+own") == set()

    def test_the_workers_settings_do_not_hold_them(self) -> None:
        """The worker reads its own settings only, and must start on the day after a certificate has ended."""
        ended = certificate(CA, [WILDCARD], days=-1)
        parse_settings(settings(**values("given", CA.pem, {"*": ended.pem})).model_dump(), "worker")
