"""The workspace and its tokens: protected, private, never a token in the state."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pulumi
import pytest
from botocore.stub import ANY, Stubber

from infra.aws import grafana_token
from infra.aws.context import Context, make_provider
from infra.aws.firewall import Firewall, FirewallArgs
from infra.aws.grafana import Grafana, GrafanaArgs
from infra.aws.network import Network, NetworkArgs
from infra.config import file_settings
from infra.errors import UserError
from infra.settings import Settings
from tests.unit.aws.mocks import Cloud, run, value

WORKSPACE = "g-1234567890"


def deployed(settings: Settings) -> tuple[Cloud, Grafana]:
    def declare() -> Grafana:
        context = Context(settings, "test", make_provider(settings))
        network = Network("network", NetworkArgs(context, "arn:aws:kms:eu-central-1:123456789012:key/1"))
        firewall = Firewall("firewall", FirewallArgs(context, network.vpc_id))
        return Grafana("grafana", GrafanaArgs(context, network, firewall))

    return run(declare)


def test_the_workspace_has_one_way_in_to_the_network_and_a_pinned_version() -> None:
    cloud, grafana = deployed(file_settings("prod"))
    made = cloud.one("aws:grafana/workspace:Workspace").inputs
    assert made["permissionType"] == "CUSTOMER_MANAGED" and made["grafanaVersion"] == "12.4"
    assert set(json.loads(made["configuration"])) == {"plugins", "unifiedAlerting"}, "one alone drifts for ever"
    assert len(made["vpcConfiguration"]["subnetIds"]) == 3
    assert value(grafana.endpoint.url).startswith("https://g-")
    roles = {
        item.inputs["role"]: item.inputs["groupIds"] for item in cloud.of("aws:grafana/roleAssociation:RoleAssociation")
    }
    assert roles == {"ADMIN": ["123456789012-admins"], "VIEWER": ["123456789012-agents"]}


def test_the_role_can_be_taken_by_this_account_s_workspaces_only() -> None:
    cloud, _ = deployed(file_settings("dev"))
    (statement,) = json.loads(cloud.one("aws:iam/role:Role", "grafana-role").inputs["assumeRolePolicy"])["Statement"]
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}


def test_the_role_may_tell_the_alerts_topic_and_nothing_else() -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:alerts"
    cloud, _ = deployed(file_settings("dev").model_copy(update={"alertTopicArn": topic}))
    (statement,) = json.loads(cloud.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("sns:Publish", topic)
    without, _ = deployed(file_settings("dev"))
    assert not without.of("aws:iam/rolePolicy:RolePolicy")


def test_by_saml_the_groups_of_the_identity_provider_decide() -> None:
    settings = file_settings("dev").model_copy(
        update={"grafanaAuthentication": "SAML", "grafanaSamlMetadataUrl": "https://idp.example.com/metadata"}
    )
    cloud, _ = deployed(settings)
    saml = cloud.one("aws:grafana/workspaceSamlConfiguration:WorkspaceSamlConfiguration").inputs
    assert saml["adminRoleValues"] == ["123456789012-admins"] and not cloud.of(
        "aws:grafana/roleAssociation:RoleAssociation"
    )


def test_a_grafana_that_exists_is_only_an_address() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:grafana"
    settings = file_settings("dev").model_copy(
        update={"grafanaMode": "existing", "grafanaUrl": "https://grafana.example.com/", "grafanaTokenSecretArn": arn}
    )
    cloud, grafana = deployed(settings)
    assert value(grafana.endpoint.url) == "https://grafana.example.com"
    assert not cloud.of("aws:grafana/workspace:Workspace")
    assert value(pulumi.Output.from_input(grafana.endpoint.access))["args"]["secret_arn"] == arn


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("grafana", region_name="eu-central-1")
    monkeypatch.setattr(grafana_token, "client", lambda *_: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def accounts(*names: str) -> dict:
    listed = [{"id": f"id-{name}", "name": name, "grafanaRole": "ADMIN", "isDisabled": "false"} for name in names]
    return {"workspaceId": WORKSPACE, "serviceAccounts": listed}


def token(api: Stubber, account: str) -> None:
    made = {"id": "7", "name": "run", "key": "glsa_canary"}
    api.add_response(
        "create_workspace_service_account_token",
        {"workspaceId": WORKSPACE, "serviceAccountId": account, "serviceAccountToken": made},
        {"name": ANY, "secondsToLive": 3600, "serviceAccountId": account, "workspaceId": WORKSPACE},
    )


def deleted(api: Stubber, account: str) -> None:
    api.add_response(
        "delete_workspace_service_account_token",
        {"workspaceId": WORKSPACE, "serviceAccountId": account, "tokenId": "7"},
        {"serviceAccountId": account, "tokenId": "7", "workspaceId": WORKSPACE},
    )


def test_a_token_is_made_for_the_step_and_deleted_after_it_also_when_the_step_failed(api: Stubber) -> None:
    api.add_response("list_workspace_service_accounts", accounts("people", grafana_token.SERVICE_ACCOUNT))
    ours = f"id-{grafana_token.SERVICE_ACCOUNT}"
    token(api, ours)
    deleted(api, ours)
    with pytest.raises(RuntimeError), grafana_token.WorkspaceToken("eu-central-1", WORKSPACE).open() as key:
        assert key == "glsa_canary"
        raise RuntimeError("the step failed")


def test_the_service_account_is_made_once(api: Stubber) -> None:
    api.add_response("list_workspace_service_accounts", accounts("people"))
    made = {"id": "new", "name": grafana_token.SERVICE_ACCOUNT, "grafanaRole": "ADMIN", "workspaceId": WORKSPACE}
    api.add_response("create_workspace_service_account", made)
    token(api, "new")
    deleted(api, "new")
    with grafana_token.WorkspaceToken("eu-central-1", WORKSPACE).open():
        pass


def test_missing_rights_name_the_action_and_the_workspace(api: Stubber) -> None:
    api.add_client_error("list_workspace_service_accounts", "AccessDeniedException", "no")
    with pytest.raises(UserError, match=f"Grafana workspace {WORKSPACE}: AWS refused ListWorkspaceServiceAccounts"):
        grafana_token.WorkspaceToken("eu-central-1", WORKSPACE).open().__enter__()
