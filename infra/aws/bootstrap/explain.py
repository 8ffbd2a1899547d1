"""Why AWS refuses a job of GitHub Actions: what its token says against what configs/bootstrap.yaml lets in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

import requests

from infra.aws.bootstrap.policies import AUDIENCE, roles
from infra.aws.bootstrap.settings import BootstrapSettings, check_own
from infra.errors import UserError

ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/(?:[\w+=,.@-]+/)*agent-telemetry-([a-z0-9-]+)")
TIMEOUT_SECONDS = 30
AGAIN = "`telemetry bootstrap up` prints the roles (docs/pull-requests.md)"


def subject() -> str:
    """The subject of this job's token. Raises UserError outside of a job that may have one."""
    url, token = (os.environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{what}", "") for what in ("URL", "TOKEN"))
    if not url or not token:
        raise UserError(
            "this job gets no token from GitHub: it needs `permissions: id-token: write` (a fork's pull request never gets one)"
        )
    import jwt

    try:
        answer = requests.get(
            url, params={"audience": AUDIENCE}, headers={"Authorization": f"bearer {token}"}, timeout=TIMEOUT_SECONDS
        )
        answer.raise_for_status()
        claims = jwt.decode(answer.json()["value"], options={"verify_signature": False})
    except (requests.RequestException, jwt.PyJWTError, KeyError, ValueError) as error:
        raise UserError(f"GitHub gives this job no token that can be read: {type(error).__name__}") from None
    return str(claims.get("sub", ""))


def subjects(found: BootstrapSettings) -> Mapping[str, list[str]]:
    """Each role, without its prefix, and the subjects that may take it."""
    return {name: [f"repo:{found.repository}:{job}" for job in role.jobs] for name, role in roles(found).items()}


def explain(found: BootstrapSettings, role: str, sub: str) -> str:
    """What is wrong, or that nothing is wrong with the file: then the account is behind it. Raises UserError."""
    check_own(found)
    if not role:
        raise UserError(
            "the role's variable is empty: set AWS_DEPLOY_ROLE or AWS_PREVIEW_ROLE in the GitHub environment, AWS_PLAN_ROLE in "
            f"the repository; {AGAIN}"
        )
    named = ROLE.fullmatch(role)
    if named is None:
        raise UserError(f"{role} is no role that `telemetry bootstrap` makes (agent-telemetry-…); {AGAIN}")
    account, name = named.groups()
    if account != found.account:
        raise UserError(f"{role} is of another account than configs/bootstrap.yaml says ({found.account})")
    known = subjects(found)
    if name not in known:
        raise UserError(f"configs/bootstrap.yaml makes no role {name}: it has {', '.join(known) or 'none'}; {AGAIN}")
    if not any(fnmatchcase(sub, wanted) for wanted in known[name]):
        others = [other for other, wanted in known.items() if any(fnmatchcase(sub, one) for one in wanted)]
        hint = f"this job may take {', '.join(others)}: give it that role" if others else _nobody(found, sub)
        raise UserError(f"{name} lets in {' or '.join(known[name])}, and this job's token says {sub}: {hint}")
    return (
        f"{name} lets this job in ({sub}) by configs/bootstrap.yaml. AWS has it otherwise: run `telemetry bootstrap up`, whose "
        "preview shows what has changed there"
    )


def _nobody(found: BootstrapSettings, sub: str) -> str:
    repository = sub.removeprefix("repo:").partition(":")[0]
    if repository != found.repository:
        return f"`repository` in configs/bootstrap.yaml is {found.repository}, and should be {repository}"
    return "`previews` or `environments` in configs/bootstrap.yaml name no such job"
