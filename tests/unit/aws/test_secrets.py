"""Secrets stay where they belong: canaries in every input and output, user data, and what the code does with secrets."""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.paths import ROOT
from tests.unit.aws.controls.stacks import VARIANTS, declared
from tests.unit.aws.test_program import SECRETS

pytestmark = pytest.mark.xdist_group("controls")
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
INSTANCE = "aws:ec2/instance:Instance"
MAY_HOLD = {
    SECRET_VERSION: {"secretString"},
    "tls:index/selfSignedCert:SelfSignedCert": {"privateKeyPem"},
    "tls:index/certRequest:CertRequest": {"privateKeyPem"},
    "tls:index/locallySignedCert:LocallySignedCert": {"caPrivateKeyPem"},
}
"""Where a canary is right: inputs that the providers' own schemas call secret."""
USER_DATA_BYTES = 16 * 1024
"""What EC2 takes."""
LOOKS_LIKE_A_SECRET = (
    re.compile(r"AKIA[0-9A-Z]{16}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    # Not an ARN's own part, …:secret:NAME.
    re.compile(r"(?i)(?<![:\w])(password|passwd|secret|token)\b\s*[=:]\s*['\"]?[^\s$'\"{]{6,}"),
)


def texts(value: Any) -> Iterator[str]:
    """Every text in a value, base64 also decoded, JSON's escapes also taken off."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value
        yield value.replace('\\"', '"').replace("\\n", "\n")
        if len(value) >= 16 and re.fullmatch(r"[A-Za-z0-9+/\s]+=*\s*", value):
            with contextlib.suppress(ValueError):
                yield base64.b64decode(value).decode()


def holds_canary(value: Any) -> bool:
    return any(secret in text for text in texts(value) for secret in SECRETS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_canary_is_in_an_input_that_is_not_a_secret_s_own(variant: str) -> None:
    stack = declared(variant)
    found = {(item.type, key) for item in stack.resources for key, value in item.inputs.items() if holds_canary(value)}
    assert not {(type_, key) for type_, key in found if key not in MAY_HOLD.get(type_, ())}
    assert {type_ for type_, _ in found} == set(MAY_HOLD), "the canaries reach no secret: this test sees nothing"


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_holds_a_canary_is_registered_as_a_secret(variant: str) -> None:
    stack = declared(variant)
    held = {(item.name, key) for item in stack.resources for key, value in item.inputs.items() if holds_canary(value)}
    assert held <= stack.marked


def test_a_canary_is_found_wherever_it_hides() -> None:
    hidden = base64.b64encode(f"password {SECRETS[0]}".encode()).decode()
    for value in (SECRETS[0], [{"a": f"x{SECRETS[1]}y"}], {"userDataBase64": hidden}, json.dumps({"a": [SECRETS[0]]})):
        assert holds_canary(value)
    assert not holds_canary({"a": ["nothing", 1, None]})


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_canary_is_in_an_output(variant: str) -> None:
    outputs = declared(variant).outputs
    assert len(outputs) >= 10
    assert not [name for name, value in outputs.items() if holds_canary(value)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_user_data_is_one_small_text_without_a_secret(variant: str) -> None:
    stack = declared(variant)
    written = (ROOT / "configs" / "clickhouse" / "aws" / "user_data.sh").read_text()
    assert len(written.encode()) < USER_DATA_BYTES
    assert not [pattern.pattern for pattern in LOOKS_LIKE_A_SECRET if pattern.search(written)]
    for node in stack.of(INSTANCE):
        assert node.inputs["userData"] == written and "userDataBase64" not in node.inputs, node.name


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_in_a_task_s_definition_looks_like_a_secret(variant: str) -> None:
    for task, container in declared(variant).containers():
        plain = [*container["command"], *(item["value"] for item in container["environment"])]
        plain += container.get("dockerLabels", {}).values()
        assert not [pattern.pattern for text in plain for pattern in LOOKS_LIKE_A_SECRET if pattern.search(text)], (
            task.name
        )


READS = re.compile(r"get_(secret_version|random_password|secrets|ephemeral_\w+|access_key\w*)(_output)?$")
"""Invokes that bring a secret into the program, and so into the state's plain inputs."""
SAYS = {"print", "debug", "info", "warn", "warning", "error", "exception", "log"}


def misuses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and reason of what must not be done with secrets."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if name == "get" and ((not node.args and not node.keywords) or re.match(r"(aws|random|tls)\.", owner)):
            yield node.lineno, f"{owner}.get(): an output's value, or a resource that exists, in the program"
        if READS.match(name) and owner.startswith("aws."):
            yield node.lineno, f"{owner}.{name}: a secret in the program"
        if name == "unsecret" or (
            name == "get_parameter" and any(item.arg == "with_decryption" for item in node.keywords)
        ):
            yield node.lineno, f"{name}: takes a secret's mark off"
        if name == "apply":
            for inner in (call for item in node.args for call in ast.walk(item) if isinstance(call, ast.Call)):
                said = inner.func.attr if isinstance(inner.func, ast.Attribute) else getattr(inner.func, "id", "")
                logger = ast.unparse(inner.func.value) if isinstance(inner.func, ast.Attribute) else ""
                if said in SAYS and (said == "print" or "log" in logger):
                    yield inner.lineno, f"{said} inside an apply: the value may be a secret"


SOURCES = [
    ROOT / "infra" / "pipeline.py",
    *sorted(path for folder in ("infra/aws", "infra/postdeploy") for path in (ROOT / folder).rglob("*.py")),
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_program_never_looks_at_a_secret(path: Path) -> None:
    assert not list(misuses(ast.parse(path.read_text())))


@pytest.mark.parametrize(
    "code",
    [
        "password.result.get()",
        "aws.secretsmanager.Secret.get('a', id)",
        "aws.secretsmanager.get_secret_version_output(secret_id=arn)",
        "aws.secretsmanager.get_random_password()",
        "pulumi.Output.unsecret(password)",
        "aws.ssm.get_parameter(name='a', with_decryption=True)",
        "password.result.apply(lambda text: print(text))",
        "password.result.apply(lambda text: pulumi.log.info(text))",
    ],
)
def test_what_looks_at_a_secret_is_noticed(code: str) -> None:
    assert list(misuses(ast.parse(code)))


def test_everyday_code_is_not_taken_for_it() -> None:
    code = "settings.get('key'); os.environ.get('HOME'); session.get(url); arn.apply(lambda text: text.split(':'))"
    assert not list(misuses(ast.parse(code)))
