"""What agents need to send to an ephemeral stack: its address and a token, in a file for `set -a; . FILE`."""

from __future__ import annotations

import os
from pathlib import Path

from infra.errors import UserError


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


def write_env_file(path: Path, stack: str, url: str, token_days: int) -> dict[str, str]:
    """What every OpenTelemetry SDK reads, for a tenant that is called as the stack; 0 days: without a token. A token is shown
    nowhere else and stored nowhere. Returns what may be shown. Raises UserError."""
    lines = [f"OTEL_EXPORTER_OTLP_ENDPOINT={url}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"]
    said = {"envFile": str(path)}
    if token_days:
        from infra import tenants as credentials
        from infra.cli.tenants import key_store

        credential, token = credentials.add(key_store(stack), [stack], token_days)
        lines.append(f"OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{token}")
        said |= {"tenant": stack, "credential": credential.kid}
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text("\n".join(lines) + "\n")
    except OSError as error:
        raise UserError(f"--env-file {path}: {error.strerror}") from None
    return said
