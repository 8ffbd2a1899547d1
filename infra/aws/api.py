"""AWS's API for post-deploy steps: boto3 clients, and AWS's refusals as messages for the person who must act."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.errors import UserError


def client(service: str, region: str) -> Any:
    """A boto3 client that gives up after a minute rather than many. Imported here: boto3 takes a second to load."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 5})
    return boto3.client(service, region_name=region, config=config)


@contextmanager
def as_user_error(what: str) -> Iterator[None]:
    """Turns AWS's errors into a UserError that begins with `what` (the step and the thing that it works on)."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        hint = ""
        if code.startswith(("AccessDenied", "UnauthorizedOperation")):
            hint = f"; allow {error.operation_name} to whoever runs this (docs/aws.md lists the permissions)"
        raise UserError(f"{what}: AWS refused {error.operation_name}: {code}: {message}{hint}") from error
    except BotoCoreError as error:
        raise UserError(f"{what}: AWS could not be asked: {error}") from error


def secret(region: str, arn: str) -> dict[str, str]:
    """A secret's JSON object. Raises UserError when it can't be read or is none."""
    with as_user_error(f"secret {arn}"):
        text = client("secretsmanager", region).get_secret_value(SecretId=arn)["SecretString"]
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(f"secret {arn}: not a JSON object as this program writes it; restore its former version")
    return value
