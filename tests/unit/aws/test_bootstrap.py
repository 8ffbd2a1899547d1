"""The bootstrap stack under mocks: a bucket that is safe, and a file that is refused by name. Roles: test_bootstrap_roles.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.aws.bootstrap.program import deploy
from infra.aws.bootstrap.settings import (
    FILE,
    BootstrapSettings,
    Preview,
    check_own,
    provider_of,
    read,
    uses_bootstrap_key,
)
from infra.errors import UserError
from tests.unit.aws.mocks import Cloud, run

OWN = BootstrapSettings(
    account="111122223333",
    region="eu-central-1",
    repository="acme/telemetry",
    previews={"dev": Preview(stacks=["dev"], jobs=["environment:preview-dev"])},
    environments={"dev": ["dev", "pr-*"], "prod": ["prod"]},
)
ROLE, POLICY, ATTACHMENT = (
    f"aws:iam/{kind}" for kind in ("role:Role", "policy:Policy", "rolePolicyAttachment:RolePolicyAttachment")
)


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return run(lambda: deploy(OWN, protect=True))[0]


def test_the_state_is_versioned_encrypted_private_and_protected(cloud: Cloud) -> None:
    bucket = cloud.one("aws:s3/bucket:Bucket")
    assert bucket.inputs["bucket"] == "state-agent-telemetry-111122223333-eu-central-1"
    assert not bucket.inputs.get("forceDestroy")
    assert (
        cloud.one("aws:s3/bucketVersioning:BucketVersioning").inputs["versioningConfiguration"]["status"] == "Enabled"
    )
    encryption = cloud.one("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
    (rule,) = encryption.inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    block = cloud.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert all(
        block[key] for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    )
    for item in (bucket, cloud.one("aws:kms/key:Key")):
        assert cloud.options(item).protect and cloud.options(item).retain_on_delete
    lifecycle = cloud.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs["rules"]
    assert all("expiration" not in item for item in lifecycle), "only old versions of a state ever expire"
    assert cloud.one("aws:ecr/repository:Repository").inputs["imageTagMutability"] == "IMMUTABLE"


def test_a_destroy_leaves_nothing() -> None:
    found, _ = run(lambda: deploy(OWN, protect=False))
    assert found.one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is True
    assert not any(found.options(item).protect for item in found.made if item.type.startswith("aws:"))


def test_an_accounts_own_provider_is_used() -> None:
    arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    found, _ = run(lambda: deploy(OWN.model_copy(update={"oidcProviderArn": arn}), protect=True))
    assert not found.of("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    assert all(arn in item.inputs["assumeRolePolicy"] for item in found.of(ROLE))


def test_the_hourly_job_may_end_what_ephemeral_stacks_are_called() -> None:
    committed = read(FILE)
    own = committed.model_copy(update={"account": OWN.account, "repository": OWN.repository})
    assert own.ends("pr-12") and own.ends("try-ann") and not own.ends("ann") and not own.ends("prod")
    assert committed.ends("ann"), "example values: there is no such job"
    assert OWN.ends("ann"), "nor here"


def test_without_github_there_are_no_roles() -> None:
    bare = BootstrapSettings(account="111122223333", region="eu-central-1")
    found, _ = run(lambda: deploy(bare, protect=True))
    assert not found.of(ROLE) and found.of("aws:s3/bucket:Bucket")


def test_the_key_s_context_is_the_stack_s_name() -> None:
    provider = OWN.secrets_provider("prod")
    assert provider.endswith("context_stack=prod") and uses_bootstrap_key(provider)
    assert provider_of("prod", provider) == provider
    assert provider_of("pr-7", provider).endswith("&context_stack=pr-7")
    bare = provider.replace("&context_stack=prod", "")
    assert provider_of("dev", bare).endswith("&context_stack=dev")
    assert uses_bootstrap_key("awskms:///arn:aws:kms:eu-central-1:111122223333:alias/agent-telemetry-bootstrap")
    for other in (
        "",
        "passphrase",
        "awskms://alias/mine?region=eu-central-1",
        "hashivault://alias/agent-telemetry-bootstrap",
    ):
        assert provider_of("dev", other) == other and not uses_bootstrap_key(other)


def test_the_committed_files_example_values_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"(?s)account: 123456789012.*repository: example/"):
        check_own(read(FILE))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("account: 12", "account"),
        ("region: europe", "region"),
        ("repository: acme", "repository"),
        ("repository: acme@x/telemetry", "repository"),
        ("environments: {dev: []}", "environments.dev"),
        ("previews: {dev: {stacks: [dev], jobs: ['*']}}", "previews.dev.jobs.0"),
        ("previews: [pull_request]", "previews"),
        ("previews: {dev: {stacks: [], jobs: [pull_request]}}", "previews.dev.stacks"),
        ("unknown: 1", "unknown"),
        (
            "oidcProviderArn: arn:aws:iam::999999999999:oidc-provider/token.actions.githubusercontent.com",
            "another account",
        ),
        (
            "{previews: {}, environments: {}, repository: a/b, account: '111122223333', region: eu-central-1}",
            "nobody could",
        ),
        (":", "bootstrap.yaml"),
    ],
)
def test_bad_input_is_refused_by_name(tmp_path: Path, change: str, said: str) -> None:
    file = tmp_path / "bootstrap.yaml"
    own = (
        ""
        if change.startswith(("{", ":"))
        else "account: '111122223333'\nregion: eu-central-1\nrepository: a/b\nenvironments: {dev: [dev]}\n"
    )
    key = change.partition(":")[0]
    kept = [line for line in own.splitlines() if not line.startswith(f"{key}:")]
    file.write_text("\n".join([*kept, change]))
    with pytest.raises(UserError, match=said):
        read(file)
