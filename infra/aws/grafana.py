"""Amazon Managed Grafana: the workspace with its role and who may use it, another stack's, or a Grafana that exists."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.firewall import Firewall
from infra.aws.grafana_token import SecretToken, WorkspaceToken
from infra.aws.network import Network
from infra.endpoints import GrafanaEndpoint, access_input
from infra.settings import Settings

WORKSPACE_CONFIGURATION = {"plugins": {"pluginAdminEnabled": True}, "unifiedAlerting": {"enabled": True}}
"""Both objects: the service echoes both, and one alone is a difference for ever (terraform-provider-aws #34417)."""
ROLE_GROUPS = {"ADMIN": "grafanaAdminGroups", "EDITOR": "grafanaEditorGroups", "VIEWER": "grafanaViewerGroups"}


@dataclass(frozen=True)
class GrafanaArgs:
    """What Grafana needs."""

    context: Context
    network: Network
    firewall: Firewall


class Grafana(pulumi.ComponentResource):
    """One workspace. Its queries go through the VPC; so does all else that it calls, by NAT."""

    endpoint: GrafanaEndpoint
    workspace_id: pulumi.Output[str]
    """'' for a Grafana that exists."""

    def __init__(self, name: str, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Grafana", name, None, opts)
        settings = args.context.settings
        if lent := args.context.lends("grafana"):
            self.workspace_id = lent.value("grafana", "workspaceId")
            self.endpoint = self._managed(settings, lent.value("grafana", "url"))
        elif settings.grafanaMode == "existing":
            self.workspace_id = pulumi.Output.from_input("")
            self.endpoint = GrafanaEndpoint(
                url=pulumi.Output.from_input(settings.grafanaUrl.rstrip("/")),
                access=access_input(SecretToken, region=settings.awsRegion, secret_arn=settings.grafanaTokenSecretArn),
            )
        else:
            workspace = self._workspace(name, args)
            granted = self._people(name, args.context, workspace)
            self.workspace_id = workspace.id
            url = pulumi.Output.all(workspace.endpoint, *(item.id for item in granted)).apply(
                lambda found: f"https://{found[0]}"
            )
            self.endpoint = self._managed(settings, url)
        self.register_outputs({"url": self.endpoint.url})

    def _managed(self, settings: Settings, url: pulumi.Output[str]) -> GrafanaEndpoint:
        access = access_input(WorkspaceToken, region=settings.awsRegion, workspace_id=self.workspace_id)
        return GrafanaEndpoint(url=url, access=access)

    def _workspace(self, name: str, args: GrafanaArgs) -> aws.grafana.Workspace:
        context, settings = args.context, args.context.settings
        role = aws.iam.Role(
            f"{name}-role",
            description="What the Grafana workspace may do in this account: be a workspace, and tell alertTopicArn.",
            assume_role_policy=json.dumps(trust(context)),
            opts=context.options(self),
        )
        if settings.alertTopicArn:
            aws.iam.RolePolicy(
                f"{name}-role-alerts",
                role=role.id,
                policy=json.dumps(publish(settings.alertTopicArn)),
                opts=context.options(self),
            )
        return aws.grafana.Workspace(
            f"{name}-workspace",
            name=context.prefix,
            description=f"Dashboards and alerts of {context.prefix}",
            account_access_type="CURRENT_ACCOUNT",
            # SERVICE_MANAGED roles are made by the console only.
            permission_type="CUSTOMER_MANAGED",
            role_arn=role.arn,
            # Replaces the workspace when it changes: id, URL and all content would be lost.
            authentication_providers=[settings.grafanaAuthentication],
            grafana_version=settings.grafanaVersion,
            configuration=json.dumps(WORKSPACE_CONFIGURATION),
            vpc_configuration=aws.grafana.WorkspaceVpcConfigurationArgs(
                security_group_ids=[args.firewall.grafana],
                subnet_ids=args.network.private_subnet_ids,
            ),
            opts=context.stateful(self),
        )

    def _people(self, name: str, context: Context, workspace: aws.grafana.Workspace) -> list[pulumi.CustomResource]:
        settings = context.settings
        if settings.grafanaAuthentication == "SAML":
            return [self._saml(name, context, workspace)]
        return [
            aws.grafana.RoleAssociation(
                f"{name}-{role.lower()}",
                workspace_id=workspace.id,
                role=role,
                group_ids=getattr(settings, key),
                opts=context.options(self),
            )
            for role, key in ROLE_GROUPS.items()
            if getattr(settings, key)
        ]

    def _saml(self, name: str, context: Context, workspace: aws.grafana.Workspace) -> pulumi.CustomResource:
        settings: Settings = context.settings
        return aws.grafana.WorkspaceSamlConfiguration(
            f"{name}-saml",
            workspace_id=workspace.id,
            idp_metadata_url=settings.grafanaSamlMetadataUrl,
            role_assertion="groups",
            admin_role_values=settings.grafanaAdminGroups,
            editor_role_values=settings.grafanaEditorGroups or settings.grafanaAdminGroups,
            opts=context.options(self),
        )


def publish(topic_arn: str) -> dict[str, object]:
    """What the workspace may do for its alerts."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": topic_arn}],
    }


def trust(context: Context) -> dict[str, object]:
    """Who may take the role: Managed Grafana, for this account's workspaces only."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "grafana.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": context.settings.awsAccount},
                    "StringLike": {"aws:SourceArn": context.arn("grafana", "/workspaces/*")},
                },
            }
        ],
    }
