"""Checks of Grafana: whether it answers and, where it is given, whether the token for it is still taken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from infra.doctor.aws import Seen
from infra.doctor.check import Check, Result, aws_answers, beside_the_point, fail, ok

ANSWER_SECONDS = 5
FOR_ADMINS = "/api/datasources"
"""Read by an Admin alone, unless roles were changed (Grafana's Data source HTTP API: datasources:read)."""


def checks(seen: Seen) -> Iterator[Check]:
    """All of them."""
    yield Check("Grafana", partial(answers, seen))
    yield Check("Grafana's token", partial(token, seen))


def answers(seen: Seen) -> Result:
    """Whether it answers at all: who may sign in is not asked."""
    import requests

    if seen.settings.grafanaMode == "none":
        return beside_the_point("grafanaMode is none")
    url = seen.settings.grafanaUrl or str(seen.outputs().get("grafana", ""))
    if not url:
        return beside_the_point("the stack has no output `grafana` yet")
    try:
        answer = requests.get(f"{url.rstrip('/')}/api/health", timeout=ANSWER_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        return fail(
            f"{url} does not answer: {type(error).__name__}", "is the workspace there, and a way to it from here?"
        )
    if answer.status_code >= 500:
        return fail(f"{url} answers {answer.status_code}", "see the workspace's own page in the console")
    return ok(f"{url} answers")


def token(seen: Seen) -> Result:
    """Whether a given Grafana still takes the token that its owner put into a secret. A workspace's is made for each run."""
    import requests

    from infra.aws.grafana_token import SecretToken

    settings = seen.settings
    if settings.grafanaMode != "existing":
        return beside_the_point("grafanaMode is not existing: tokens are made for one run, and end with it")
    seen.signed_in()
    with aws_answers(), SecretToken(settings.awsRegion, settings.grafanaTokenSecretArn).open() as given:
        headers = {"Authorization": f"Bearer {given}"}
    try:
        answer = requests.get(
            f"{settings.grafanaUrl.rstrip('/')}{FOR_ADMINS}",
            headers=headers,
            timeout=ANSWER_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return beside_the_point(f"{settings.grafanaUrl} does not answer: {type(error).__name__}")
    where = "the secret of grafanaTokenSecretArn"
    if answer.status_code == 401:
        return fail(
            f"{settings.grafanaUrl} refuses the token in {where}: it has ended, or was revoked",
            'make one of an Admin service account, and put it there as {"token": "glsa_…"}',
        )
    if answer.status_code == 403:
        return fail(f"the token in {where} may not administer Grafana", "give its service account the role Admin")
    return ok(f"Grafana takes the token in {where}")
