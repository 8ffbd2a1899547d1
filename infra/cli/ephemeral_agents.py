"""What agents need to send to an ephemeral stack: its address and a token, in a file for `set -a; . FILE`."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from infra.cli.local import stack_platform
from infra.cli.tenants import key_store
from infra.config import file_settings
from infra.errors import UserError
from infra.local.layout import agents_token
from infra.tenants import TokenFile, TokenPlace, kept

TOKEN_DAYS = 90
"""More than any stack may be asked to live (maximumHours), so that a push seldom makes another one. It ends with its stack."""


def check_writable(option: str, path: Path | None) -> None:
    """Raises UserError where a file can't be written: before the quarter of an hour that an `up` takes, not after."""
    if path is None:
        return
    if path.is_dir():
        raise UserError(f"{option} {path}: a folder; name a file in it")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"{option} {path}: it may not be written")


def write_env_file(path: Path, stack: str, url: str, expires: datetime) -> dict[str, str]:
    """What every OpenTelemetry SDK reads, for a tenant that is called as the stack: the stack's one token, the same each time.
    It is shown nowhere. Returns what may be shown. Raises UserError."""
    lines = [f"OTEL_EXPORTER_OTLP_ENDPOINT={url}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"]
    said = {"envFile": str(path), "tenant": stack}
    if file_settings(stack).collectorAuth == "jwt":
        credential, token = kept(key_store(stack), token_place(stack), stack, int(expires.timestamp()), TOKEN_DAYS)
        lines.append(f"OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{token}")
        said["credential"] = credential.kid
    else:  # the payload's word counts
        lines.append(f"OTEL_RESOURCE_ATTRIBUTES=tenant.id={stack}")
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text("\n".join(lines) + "\n")
    except OSError as error:
        raise UserError(f"--env-file {path}: {error.strerror}") from None
    return said


def token_place(stack: str) -> TokenPlace:
    """Beside the list of keys: whoever may read there may make tokens anyway, and it goes with the stack."""
    if stack_platform(stack) == "local":
        return TokenFile(agents_token(stack))
    from infra.aws.key_bucket import TokenObject, bucket_name

    found = file_settings(stack)
    return TokenObject(found.awsRegion, bucket_name(found, stack))
