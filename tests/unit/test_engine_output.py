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


UNCHANGED_UP = """\
Updating (local):

 ~  pulumi-python:dynamic/local:Folder run-folder refreshing (0s)
 ~  pulumi-python:dynamic/local:Folder run-folder refresh (0.17s)
    pulumi-python:dynamic/local:Folder run-folder
 ~  pulumi-python:dynamic/local:Process page refreshing (0s) [diff: ~version]
 ~  pulumi-python:dynamic/local:Process page refresh (250ms)
 ~  pulumi-python:dynamic/local:Process page updated (0.11s) [diff: ~version]
    pulumi:pulumi:Stack agent-telemetry-local
Resources:
    ~ 1 updated
    2 unchanged

Duration: 5s
"""


def brief(text: str) -> tuple[list[str], int]:
    """What is shown where only changes are, and how many lines are hidden."""
    lines: list[str] = []
    hidden: list[None] = []
    take = OutputFilter(lines.append, lambda: hidden.append(None))
    for line in text.splitlines():
        take(line)
    return [line for line in lines if line.strip()], len(hidden)


def test_of_what_does_not_change_only_the_count_is_shown() -> None:
    lines, hidden = brief(UNCHANGED_UP)
    assert lines == [
        "Updating (local):",
        " ~  pulumi-python:dynamic/local:Process page updated (0.11s) [diff: ~version]",
        "Resources:",
        "    ~ 1 updated",
        "    2 unchanged",
        "Duration: 5s",
    ]
    assert hidden == 6
    coloured = UNCHANGED_UP.replace(" ~  pulumi-python", " \x1b[33m~ \x1b[0m pulumi-python")
    assert brief(coloured)[1] == 6


def test_a_diff_shows_every_line() -> None:
    assert len(shown(UNCHANGED_UP)) == 12


def test_an_error_is_whole_where_only_changes_are_shown() -> None:
    text = PROVIDER_ERROR.replace("    no space left", "    pulumi:pulumi:Stack name")
    assert brief(text)[0] == shown(text) and "    pulumi:pulumi:Stack name" in brief(text)[0]
    failed = " ~  pulumi-python:dynamic/local:Folder run-folder refresh failed [diff: ~x]; 1 error"
    assert brief(failed) == ([failed], 0)


def test_a_destroy_does_not_advise_what_the_command_does_next() -> None:
    said = (
        "Duration: 2s\n\n"
        "The resources in the stack have been deleted, but the history and configuration associated with the stack are still "
        "maintained. \nIf you want to remove the stack completely, run `pulumi stack rm pr-7`.\n"
    )
    assert shown(said) == ["Duration: 2s"]
