"""The bootstrap stack: the state's bucket with its key, GitHub's OIDC provider and roles, and a shared image repository."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.aws.bootstrap.policies import AUDIENCE, BOOTSTRAP, ISSUER, Role, documents, roles, trust
from infra.aws.bootstrap.settings import BootstrapSettings
from infra.aws.buckets import BucketArgs, PrivateBucket
from infra.aws.context import Context, make_provider, tagging
from infra.aws.encryption import Encryption, EncryptionArgs
from infra.aws.image import image_repository
from infra.settings import Settings

ROLES_PATH = "/agent-telemetry-bootstrap/"
"""Not the stacks' (IAM_PATH): who deploys those may write the policies of every role there, and must not write its own."""
OLD_STATES_DAYS = 90
"""An earlier state can be brought back for so long."""
SESSION_SECONDS = 4 * 3600
"""What a job may ask for: as long as prod's may run. A first `up` waits half an hour for MSK alone."""


def deploy(found: BootstrapSettings, protect: bool) -> None:
    """Declares everything and the outputs. `protect`: everything stateful refuses deletion."""
    # Only what a Context reads; the pipeline's own rules (tokens, certificates) are not about this stack.
    settings = Settings.model_construct(
        platform="aws", env=BOOTSTRAP, awsAccount=found.account, awsRegion=found.region, protect=protect
    )
    context = Context(settings, BOOTSTRAP, make_provider(settings))
    Bootstrap(BOOTSTRAP, context, found)


class Bootstrap(pulumi.ComponentResource):
    """What stacks stand on, in one account and region."""

    def __init__(self, name: str, context: Context, found: BootstrapSettings):
        super().__init__(
            "agent-telemetry:aws:Bootstrap",
            name,
            None,
            pulumi.ResourceOptions(
                providers=[context.provider], transformations=[tagging(context.settings, BOOTSTRAP)]
            ),
        )
        options = context.options(self)
        self._context, self._found = context, found
        self._key = Encryption("encryption", EncryptionArgs(context), options).key_arn
        bucket = BucketArgs(
            context,
            bucket_name=found.bucket,
            key_arn=self._key,
            versioned=True,
            expire_old_versions_days=OLD_STATES_DAYS,
        )
        self._state = PrivateBucket("state", bucket, options)
        repository = image_repository(context, self, "images", f"{context.prefix}/worker", self._key)
        outputs = {
            "stateUrl": self._state.name.apply(lambda _: found.state_url),
            "secretsProviders": {stack: found.secrets_provider(stack) for stack in found.stacks if "*" not in stack},
            "workerImageRepository": repository.repository_url,
            "roles": self._roles() if found.repository else {},
        }
        for key, value in outputs.items():
            pulumi.export(key, value)
        self.register_outputs(outputs)

    def _roles(self) -> dict[str, pulumi.Output[str]]:
        provider = self._github()
        return {name: self._role(name, provider, role) for name, role in roles(self._found).items()}

    def _github(self) -> pulumi.Output[str]:
        """AWS checks GitHub's certificate by itself: no thumbprints (IAM, "Obtain the thumbprint")."""
        if self._found.oidcProviderArn:
            return pulumi.Output.from_input(self._found.oidcProviderArn)
        made = aws.iam.OpenIdConnectProvider(
            "github", url=f"https://{ISSUER}", client_id_lists=[AUDIENCE], opts=self._context.options(self)
        )
        return made.arn

    def _role(self, name: str, provider: pulumi.Output[str], may: Role) -> pulumi.Output[str]:
        context, found, options = self._context, self._found, self._context.options(self)
        role = aws.iam.Role(
            name,
            name=f"agent-telemetry-{name}",
            path=ROLES_PATH,
            assume_role_policy=provider.apply(lambda arn: trust(arn, found.repository, may.jobs)),
            max_session_duration=SESSION_SECONDS,
            # Its name is fixed: two of it can't be there at once.
            opts=context.options(self, delete_before_replace=True),
        )
        parts: list[tuple[str, pulumi.Input[str]]] = [
            (f"{name}-{number}", text) for number, text in enumerate(documents(may.statements), 1)
        ]
        state = pulumi.Output.all(self._state.arn, self._key).apply(
            lambda arns: documents(may.of_state(arns[0], arns[1], found.region))[0]
        )
        for part, text in [*parts, (f"{name}-state", state)]:
            policy = aws.iam.Policy(f"{part}-policy", path=ROLES_PATH, policy=text, opts=options)
            aws.iam.RolePolicyAttachment(f"{part}-attached", role=role.name, policy_arn=policy.arn, opts=options)
        return role.arn
