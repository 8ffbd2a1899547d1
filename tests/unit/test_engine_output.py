"""What a person sees of the engine's output: its own lines, and an error's message instead of a traceback."""

from __future__ import annotations

from infra.cli.engine_output import OutputFilter

PROVIDER_ERROR = """\
 +  pulumi-python:dynamic/local:Process kafka creating (1s) error: Traceback (most recent call last):
Diagnostics:
  pulumi-python:dynamic/local:Process (kafka):
    error: Traceback (most recent call last):
      File "dynamic/__main__.py", line 84, in wrapper
        return fn(self, request, context)
    infra.errors.UserError: kafka gave up. The end of kafka.log:
    no space left

Resources:
    1 errored
"""

PROGRAM_ERROR = """\
    pulumi:pulumi:Stack s running error: python inline source runtime error: a.sql: bad
Diagnostics:
  pulumi:pulumi:Stack (s):
    error: python inline source runtime error: a.sql: bad
      File "_server.py", line 95, in run
        loop.run_until_complete()
    infra.errors.UserError: a.sql: bad
    error: an unhandled error occurred: python inline source runtime error: a.sql: bad
      File "_server.py", line 95, in run
    infra.errors.UserError: a.sql: bad

Resources:
    1 errored
"""


def shown(text: str) -> list[str]:
    lines: list[str] = []
    take = OutputFilter(lines.append)
    for line in text.splitlines():
        take(line)
    return [line for line in lines if line.strip()]


def test_a_providers_user_error_is_its_message() -> None:
    assert shown(PROVIDER_ERROR) == [
        "Diagnostics:",
        "  pulumi-python:dynamic/local:Process (kafka):",
        "    error: kafka gave up. The end of kafka.log:",
        "    no space left",
        "Resources:",
        "    1 errored",
    ]


def test_an_unforeseen_error_keeps_its_name() -> None:
    text = PROVIDER_ERROR.replace("infra.errors.UserError: kafka gave up.", "KeyError: 'x' ")
    assert "    error: KeyError: 'x'  The end of kafka.log:" in shown(text)


def test_a_programs_error_is_said_once() -> None:
    assert shown(PROGRAM_ERROR) == [
        "Diagnostics:",
        "  pulumi:pulumi:Stack (s):",
        "    error: a.sql: bad",
        "Resources:",
        "    1 errored",
    ]


def test_a_refused_setting_is_said_once_with_all_its_lines() -> None:
    text = """\
    pulumi:pulumi:Stack s running error: f.yaml: a: bad
Diagnostics:
  pulumi:pulumi:Stack (s):
    error: f.yaml: a: bad
    f.yaml: b: bad
    error: an unhandled error occurred: f.yaml: a: bad
    f.yaml: b: bad

Resources:
"""
    expected = [
        "Diagnostics:",
        "  pulumi:pulumi:Stack (s):",
        "    error: f.yaml: a: bad",
        "    f.yaml: b: bad",
        "Resources:",
    ]
    assert shown(text) == expected


def test_of_a_chain_of_errors_the_last_one_is_shown() -> None:
    chained = PROVIDER_ERROR.replace(
        "    infra.errors.UserError: kafka",
        """    urllib3.exceptions.LocationParseError: bad port

    The above exception was the direct cause of the following exception:

    Traceback (most recent call last):
      File "process.py", line 1, in start
    infra.errors.UserError: kafka""",
    )
    assert shown(chained) == shown(PROVIDER_ERROR)
