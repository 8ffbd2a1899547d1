"""A cluster that is too old, misses an API, or doesn't answer; asked by the real client over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi.runtime import set_mocks

from infra.aws.eks import check_issuer, kubeconfig
from infra.errors import UserError
from infra.kubernetes.cluster import NEEDED, ask, check_cluster, check_version
from tests.unit.aws.mocks import Cloud
from tests.unit.kubernetes.api_server import Api, api_server, kubeconfig_of
from tests.unit.kubernetes.cluster_stack import settings


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Api]]:
    """A cluster that the context `cluster` leads to."""
    path = tmp_path / "kubeconfig"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    set_mocks(Cloud(), preview=False)
    with api_server() as (kind, url):
        path.write_text(kubeconfig_of(url))
        yield kind


def test_a_cluster_that_serves_everything_is_taken(api: type[Api]) -> None:
    check_cluster(settings(), None, "")
    assert ask(None, "cluster").version == "1.34+"


def test_an_older_cluster_is_refused(api: type[Api]) -> None:
    api.minor = "29"
    with pytest.raises(UserError, match=r"collectorPlatform: the cluster has Kubernetes 1.29, and 1.30 is the least"):
        check_cluster(settings(), None, "")


@pytest.mark.parametrize("missing", NEEDED)
def test_a_missing_api_is_refused_by_name(api: type[Api], missing: str) -> None:
    api.served = [item for item in NEEDED if item != missing]
    with pytest.raises(UserError, match=f"does not serve {missing}"):
        check_cluster(settings(), None, "")


def test_a_context_that_is_not_there_is_refused(api: type[Api]) -> None:
    with pytest.raises(UserError, match=r"kubernetesContext: 'other': .*kubectl config get-contexts"):
        check_cluster(settings(kubernetesContext="other"), None, "")


def nobody() -> str:
    """A kubeconfig that leads to no API server."""
    found = json.loads(kubeconfig("theirs", "eu-central-1", "http://127.0.0.1:9", ""))
    found["users"][0]["user"] = {"token": "x"}
    return json.dumps(found)


def test_a_cluster_that_does_not_answer_is_told_in_a_preview_and_refused_by_an_up() -> None:
    eks = settings(kubernetesContext="", kubernetesEksCluster="theirs")
    set_mocks(Cloud(), preview=False)
    with pytest.raises(UserError, match=r"the Kubernetes cluster theirs did not answer.*aws eks get-token"):
        check_cluster(eks, nobody(), "1.34")
    set_mocks(Cloud(), preview=True)
    check_cluster(eks, nobody(), "1.34")
    # What AWS says of it needs no way to it.
    with pytest.raises(UserError, match=r"Kubernetes 1.29"):
        check_cluster(eks, nobody(), "1.29")


@pytest.mark.parametrize("version", ["1.30", "1.34+", "v1.31.4-eks-1", "2.0"])
def test_versions_that_are_taken(version: str) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["1.29", "1.3", "0.40", "", "latest"])
def test_versions_that_are_refused(version: str) -> None:
    with pytest.raises(UserError):
        check_version(version)


def test_the_identity_provider_must_be_the_cluster_s() -> None:
    arn = settings().kubernetesOidcProviderArn
    check_issuer(arn, ["https://oidc.eks.eu-central-1.amazonaws.com/id/ABC"])
    with pytest.raises(UserError, match=r"kubernetesOidcProviderArn: .* whose issuer is https://other"):
        check_issuer(arn, ["https://other"])


def test_a_kubeconfig_signs_in_by_the_aws_cli_and_holds_no_secret() -> None:
    text = kubeconfig("theirs", "eu-central-1", "https://x.eks.amazonaws.com", "Q0E=")
    (user,) = json.loads(text)["users"]
    assert user["user"]["exec"]["command"] == "aws" and "token" not in user["user"]
    assert text == kubeconfig("theirs", "eu-central-1", "https://x.eks.amazonaws.com", "Q0E=")
