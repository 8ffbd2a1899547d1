"""ClickHouse on EC2 as Pulumi registers it: what protects data, what rolls, who may read what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.aws.access import InVpc, Tunnel
from infra.aws.clickhouse import names
from infra.aws.clickhouse.backup import BackupConfig
from infra.aws.clickhouse.configuration import file_hashes
from infra.settings import Settings
from infra.settings.instances import memory_gib
from infra.settings.rules import problems
from tests.unit.aws.clickhouse_stack import KEY, declare, settings
from tests.unit.aws.mocks import Cloud, value

INSTANCE, VOLUME = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume"
ATTACHMENT, APPLIED = "aws:ec2/volumeAttachment:VolumeAttachment", "pulumi-python:dynamic/aws:Applied"
SEVERAL: dict[str, Any] = {"clickhouseReplicas": 3, "networkZones": 3}
NODES = ["clickhouse-1", "clickhouse-2", "clickhouse-3"]
KEEPERS = ["keeper-1", "keeper-2", "keeper-3"]


def bundle(cloud: Cloud, node: str) -> dict[str, str]:
    return json.loads(cloud.one("aws:s3/bucketObjectv2:BucketObjectv2", f"{node}-bundle").inputs["content"])


def policy(cloud: Cloud, node: str) -> list[dict[str, Any]]:
    return json.loads(cloud.one("aws:iam/rolePolicy:RolePolicy", f"{node}-role-policy").inputs["policy"])["Statement"]


class TestOneNode:
    cloud, clickhouse = declare()

    def test_the_machine_has_no_door(self) -> None:
        made = self.cloud.one(INSTANCE).inputs
        assert made["associatePublicIpAddress"] is False
        assert made["metadataOptions"]["httpTokens"] == "required"
        assert made["metadataOptions"]["httpPutResponseHopLimit"] == 1
        assert "keyName" not in made
        assert made["vpcSecurityGroupIds"] == ["sg-clickhouse"]
        managed = self.cloud.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").inputs
        assert managed["policyArn"].endswith("/AmazonSSMManagedInstanceCore")

    def test_every_volume_is_encrypted_and_tagged(self) -> None:
        root = self.cloud.one(INSTANCE).inputs["rootBlockDevice"]
        assert root["encrypted"] is True and root["kmsKeyId"] == KEY
        assert root["tags"]["Stack"] == "dev" and root["tags"]["ManagedBy"] == "pulumi"
        for volume in self.cloud.of(VOLUME):
            assert volume.inputs["encrypted"] is True and volume.inputs["kmsKeyId"] == KEY
            assert volume.inputs["tags"]["Name"] == f"agent-telemetry-dev-{volume.name}"

    def test_volumes_are_their_own_and_in_the_networks_zone(self) -> None:
        assert "ebsBlockDevices" not in self.cloud.one(INSTANCE).inputs
        assert {volume.inputs["availabilityZone"] for volume in self.cloud.of(VOLUME)} == {"eu-central-1a"}
        for attachment in self.cloud.of(ATTACHMENT):
            assert attachment.inputs["stopInstanceBeforeDetaching"] is True
            assert attachment.inputs["forceDetach"] is False

    def test_user_data_is_small_and_holds_nothing_of_the_stack(self) -> None:
        made = self.cloud.one(INSTANCE).inputs
        assert made["userDataReplaceOnChange"] is False
        assert len(made["userData"].encode()) < 1024
        other, _ = declare(clickhouseHotGiB=200, clickhouseInstanceType="r7g.xlarge")
        assert other.one(INSTANCE).inputs["userData"] == made["userData"]

    def test_the_image_is_the_newest_or_the_named_one(self) -> None:
        assert self.cloud.one(INSTANCE).inputs["ami"] == "ami-0123456789abcdef0"
        assert "arm64" in str(self.cloud.calls)
        named, _ = declare(clickhouseAmi="ami-0aaaaaaaaaaaaaaaa")
        assert named.one(INSTANCE).inputs["ami"] == "ami-0aaaaaaaaaaaaaaaa"
        assert not [call for call in named.calls if "getParameter" in call[0]]

    def test_without_protection_nothing_is_left(self) -> None:
        for secret in self.cloud.of("aws:secretsmanager/secret:Secret"):
            assert secret.inputs["recoveryWindowInDays"] == 0 and secret.inputs["kmsKeyId"] == KEY
        assert all(bucket.inputs["forceDestroy"] for bucket in self.cloud.of("aws:s3/bucket:Bucket"))
        assert not any(volume.inputs["finalSnapshot"] for volume in self.cloud.of(VOLUME))
        assert self.cloud.one(INSTANCE).inputs["disableApiTermination"] is False

    def test_protection(self) -> None:
        cloud, _ = declare(protect=True)
        assert cloud.one(INSTANCE).inputs["disableApiTermination"] is True
        assert all(volume.inputs["finalSnapshot"] for volume in cloud.of(VOLUME))
        assert not any(bucket.inputs["forceDestroy"] for bucket in cloud.of("aws:s3/bucket:Bucket"))
        assert {s.inputs["recoveryWindowInDays"] for s in cloud.of("aws:secretsmanager/secret:Secret")} == {30}

    def test_the_preview_says_that_the_only_node_stops(self) -> None:
        effect = self.cloud.one(APPLIED).inputs["effect"]
        assert "clickhouse-1 restarts" in effect and "the only node: queries fail, ingest waits in Kafka" in effect

    @pytest.mark.parametrize(
        "changed", [{"clickhouseInstanceType": "m7g.xlarge"}, {"clickhouseHotGiB": 300}, {"clickhouseFsync": False}]
    )
    def test_every_change_is_applied_and_shown(self, changed: dict[str, Any]) -> None:
        other, _ = declare(**changed)
        one, two = self.cloud.one(APPLIED).inputs, other.one(APPLIED).inputs
        assert one["effect"] != two["effect"]
        assert (one["sha256"], one["triggers"]) != (two["sha256"], two["triggers"])

    def test_the_same_settings_make_the_same_bundle(self) -> None:
        again, _ = declare()
        assert again.one(APPLIED).inputs["sha256"] == self.cloud.one(APPLIED).inputs["sha256"]

    def test_the_bundle_names_its_files(self) -> None:
        text = self.cloud.one("aws:s3/bucketObjectv2:BucketObjectv2").inputs["content"]
        assert self.cloud.one(APPLIED).inputs["files"] == file_hashes(text)
        assert "files/etc/clickhouse-server/config.d/20-storage.xml" in file_hashes(text)

    def test_no_secret_leaves_secrets_manager(self) -> None:
        for made in self.cloud.made:
            if made.type.startswith(("aws:secretsmanager/secretVersion", "tls:", "random:")):
                continue
            assert "canary" not in json.dumps(made.inputs, default=str), made.name

    def test_no_keepers_and_no_replication(self) -> None:
        assert len(self.cloud.of(INSTANCE)) == 1
        files = bundle(self.cloud, "clickhouse-1")
        assert not [path for path in files if "replication" in path]
        assert json.loads(files["plan.json"])["replicated"] is False

    def test_its_names(self) -> None:
        zone = self.cloud.one("aws:route53/zone:Zone").inputs
        assert zone["name"] == "dev.agent-telemetry.internal" and zone["vpcs"] == [{"vpcId": "vpc-1"}]
        records = {record.inputs["name"]: record.inputs for record in self.cloud.of("aws:route53/record:Record")}
        assert set(records) == {"clickhouse-1.dev.agent-telemetry.internal", "clickhouse.dev.agent-telemetry.internal"}

    def test_the_endpoint_goes_through_a_tunnel_or_directly(self) -> None:
        endpoint = self.clickhouse.endpoints[0]
        assert value(endpoint.host) == "clickhouse.dev.agent-telemetry.internal"
        assert (value(endpoint.port), value(endpoint.user), value(endpoint.secure)) == (8443, "migrator", True)
        assert endpoint.access["class"].endswith(f":{Tunnel.__name__}")
        assert value(endpoint.access["args"]["instance_ids"][0]) == "clickhouse-1-id"
        _, direct = declare(clickhouseReach="direct", clickhouseAllowedCidrs=["10.9.0.0/16"])
        assert direct.endpoints[0].access["class"].endswith(f":{InVpc.__name__}")

    @pytest.mark.parametrize(("more", "expected"), [({}, None), (SEVERAL, NODES)])
    def test_the_worker_stays_with_one_node(self, more: dict[str, Any], expected: list[str] | None) -> None:
        _, clickhouse = declare(**more)
        hosts = clickhouse.access_of("worker")["args"].get("hosts")
        assert hosts == (expected and [f"{node}.dev.agent-telemetry.internal" for node in expected])


class TestCertificates:
    cloud, _ = declare()

    def test_the_node_answers_to_its_names_and_is_renewed_early(self) -> None:
        request = self.cloud.one("tls:index/certRequest:CertRequest").inputs
        assert request["dnsNames"] == [
            "clickhouse-1.dev.agent-telemetry.internal",
            "clickhouse.dev.agent-telemetry.internal",
            "localhost",
        ]
        signed = self.cloud.one("tls:index/locallySignedCert:LocallySignedCert").inputs
        assert signed["earlyRenewalHours"] == 60 * 24
        assert {"server_auth", "client_auth"} <= set(signed["allowedUses"])

    def test_a_nodes_certificate_never_outlives_the_cas(self) -> None:
        ca = self.cloud.one("tls:index/selfSignedCert:SelfSignedCert").inputs
        node = self.cloud.one("tls:index/locallySignedCert:LocallySignedCert").inputs
        assert ca["isCaCertificate"] is True
        assert ca["earlyRenewalHours"] >= node["validityPeriodHours"]

    def test_a_renewal_reaches_the_node(self) -> None:
        cloud, _ = declare()
        assert len(cloud.one(APPLIED).inputs["triggers"]) == 3 + 1 + len(names.USERS) + 1


class TestRoles:
    cloud, _ = declare(**SEVERAL)

    @pytest.mark.parametrize("node", [*NODES, *KEEPERS])
    def test_a_node_reads_its_own_secrets_and_bundle_only(self, node: str) -> None:
        statements = policy(self.cloud, node)
        secrets = next(item["Resource"] for item in statements if item["Action"] == ["secretsmanager:GetSecretValue"])
        keys = [arn for arn in secrets if arn.endswith("-tls")]
        assert [arn.rpartition(":")[2] for arn in keys] == [f"clickhouse-certificates-{node}-tls"]
        assert (len(secrets) == 1) == node.startswith("keeper")
        bundles = [item["Resource"] for item in statements if item["Action"] == ["s3:GetObject"]]
        assert len(bundles) == 1 and bundles[0].endswith(f"/{node}.json")

    @pytest.mark.parametrize("node", NODES)
    def test_a_node_deletes_its_own_objects_only(self, node: str) -> None:
        deletes = [item["Resource"] for item in policy(self.cloud, node) if "s3:DeleteObject" in item["Action"]]
        assert any(path.endswith(f"clickhouse-storage-data/disk/{node}/*") for path in deletes)
        assert all("backups" in path or f"/{node}/" in path for path in deletes)

    def test_no_statement_is_open(self) -> None:
        for made in self.cloud.of("aws:iam/rolePolicy:RolePolicy"):
            for statement in json.loads(made.inputs["policy"])["Statement"]:
                assert not any("*" in action for action in statement["Action"])
                if statement["Resource"] == "*":
                    assert statement["Action"] == ["cloudwatch:PutMetricData"] and statement["Condition"]

    def test_kafka_by_iam_needs_no_secret(self) -> None:
        cloud, _ = declare(kafkaAuth="iam")
        statements = policy(cloud, "clickhouse-1")
        assert any("kafka-cluster:Connect" in item["Action"] for item in statements)
        assert "AmazonMSK" not in json.dumps(statements)
        assert "kafka" not in json.loads(bundle(cloud, "clickhouse-1")["plan.json"])["secrets"]


class TestBuckets:
    cloud, _ = declare()

    def rules(self, name: str) -> dict[str, Any]:
        kind = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
        made = self.cloud.one(kind, f"clickhouse-storage-{name}-lifecycle").inputs
        return {rule["id"]: rule for rule in made["rules"]}

    def test_the_disks_objects_never_expire(self) -> None:
        rules = self.rules("data")
        assert set(rules) == {"tidy"} and "expiration" not in rules["tidy"]
        assert rules["tidy"]["abortIncompleteMultipartUpload"]

    def test_a_full_backup_outlives_its_increments(self) -> None:
        rules = self.rules("backups")
        assert rules["full"]["filter"] == {"prefix": names.FULL}
        assert rules["full"]["expiration"]["days"] > rules["increment"]["expiration"]["days"] + 29

    def test_backups_and_bundles_are_versioned(self) -> None:
        versioned = {made.inputs["bucket"] for made in self.cloud.of("aws:s3/bucketVersioning:BucketVersioning")}
        assert versioned == {"clickhouse-storage-backups-id", "clickhouse-storage-bundles-id"}


class TestBackupJob:
    cloud, clickhouse = declare(**SEVERAL)

    def test_it_is_told_everything_but_secrets(self) -> None:
        job = self.clickhouse.backup_jobs()[0]
        told = json.loads(value(next(iter(job.environment.values()))))
        assert BackupConfig(**told).hosts == [f"{node}.dev.agent-telemetry.internal" for node in NODES]
        assert told["secret_arn"].endswith("clickhouse-users-worker") and "canary" not in str(told)
        assert job.arguments[1] in job.environment and job.schedule == settings().clickhouseBackupSchedule

    def test_it_may_list_backups_and_read_one_secret(self) -> None:
        statements = value(self.clickhouse.backup_jobs()[0].statements)
        assert [item["Action"] for item in statements] == [
            "s3:ListBucket",
            "secretsmanager:GetSecretValue",
            "kms:Decrypt",
        ]
        assert statements[0]["Resource"].endswith("clickhouse-storage-backups")


class TestSeveralNodes:
    cloud, clickhouse = declare(**SEVERAL)

    def test_one_node_and_one_keeper_a_zone(self) -> None:
        placed = {made.name: made.inputs["subnetId"] for made in self.cloud.of(INSTANCE)}
        assert placed == {
            **{node: f"subnet-{index}" for index, node in enumerate(NODES)},
            **{keeper: f"subnet-{index}" for index, keeper in enumerate(KEEPERS)},
        }

    def test_keepers_know_each_other_and_ask_for_certificates(self) -> None:
        files = bundle(self.cloud, "keeper-2")
        text = files["files/etc/clickhouse-keeper/config.xml"]
        assert "<server_id>2</server_id>" in text and "tcp_port>" not in text.replace("tcp_port_secure>", "")
        assert all(f"{keeper}.dev.agent-telemetry.internal" in text for keeper in KEEPERS)
        assert text.count("<verificationMode>strict</verificationMode>") == 2
        assert json.loads(files["plan.json"])["peers"] == [
            "keeper-1.dev.agent-telemetry.internal",
            "keeper-3.dev.agent-telemetry.internal",
        ]

    def test_the_shared_name_leads_to_every_node(self) -> None:
        records = [made.inputs for made in self.cloud.of("aws:route53/record:Record")]
        shared = [r for r in records if r["name"] == "clickhouse.dev.agent-telemetry.internal"]
        assert {record["setIdentifier"] for record in shared} == set(NODES)
        assert all(record["multivalueAnswerRoutingPolicy"] for record in shared)

    def test_interserver_traffic_has_a_password_of_its_own(self) -> None:
        for node in NODES:
            assert "interserver" in json.loads(bundle(self.cloud, node)["plan.json"])["secrets"]
        assert set(self.clickhouse.users) == set(names.USERS)

    def test_others_serve_while_one_restarts(self) -> None:
        assert all("the others serve meanwhile" in made.inputs["effect"] for made in self.cloud.of(APPLIED)[3:])

    def test_readers_have_secrets_too(self) -> None:
        cloud, clickhouse = declare(tenantReaders=["acme"])
        assert "reader-acme" in clickhouse.users
        assert "reader-acme" in json.loads(bundle(cloud, "clickhouse-1")["plan.json"])["secrets"]["users"]


class TestInstanceTypes:
    @pytest.mark.parametrize(
        "name, memory",
        [("m7g.large", 8), ("r8g.4xlarge", 128), ("c7gd.xlarge", 8), ("t4g.small", 2), ("m7g.16xlarge", 256)],
    )
    def test_known_ones(self, name: str, memory: float) -> None:
        assert memory_gib(name) == memory

    @pytest.mark.parametrize("name", ["m7i.large", "m7g", "m7g.huge", "m7g.0xlarge", "p5.48xlarge", ""])
    def test_others_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError):
            memory_gib(name)

    def test_the_settings_refuse_them(self) -> None:
        wrong = Settings.model_construct(**{**settings().model_dump(), "clickhouseInstanceType": "m7i.large"})
        assert any(line.startswith("clickhouseInstanceType: m7i.large: not an arm64") for line in problems(wrong))
        small = Settings.model_construct(**{**settings().model_dump(), "clickhouseInstanceType": "t4g.small"})
        assert any("2 GiB of memory" in line for line in problems(small))
