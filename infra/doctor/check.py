"""A check and its result. A check raises whatever it likes: what could not be looked at is a result too, never a stack
trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from infra.errors import UserError

State = Literal["ok", "warn", "fail", "not applicable"]


@dataclass(frozen=True)
class Result:
    """What one check found."""

    state: State
    found: str
    fix: str = ""
    """What to do; '' when there is nothing to do."""


@dataclass(frozen=True)
class Check:
    """One line of the table."""

    name: str
    look: Callable[[], Result]


@dataclass(frozen=True)
class Done:
    """A check with its result."""

    name: str
    state: State
    found: str
    fix: str


class Unseen(Exception):
    """What can't be looked at from here: its message says why."""


def ok(found: str) -> Result:
    """As it should be."""
    return Result("ok", found)


def warn(found: str, fix: str) -> Result:
    """Works now and may not for long."""
    return Result("warn", found, fix)


def fail(found: str, fix: str) -> Result:
    """Does not work, or an `up` will not."""
    return Result("fail", found, fix)


def beside_the_point(found: str) -> Result:
    """Does not concern this stack, or can't be seen from here."""
    return Result("not applicable", found)


def run(check: Check) -> Done:
    """Runs one check."""
    try:
        result = check.look()
    except Unseen as error:
        result = beside_the_point(str(error))
    except UserError as error:
        result = fail(str(error), "")
    except Exception as error:
        said = str(error).strip().partition("\n")[0][:300]
        result = warn(f"could not be checked: {type(error).__name__}: {said}", "look at it yourself")
    return Done(check.name, result.state, result.found, result.fix)


def short(error: Exception) -> str:
    """The first sentence of what an error says."""
    return str(error).strip().partition("\n")[0].partition(". ")[0]


@contextmanager
def aws_answers() -> Iterator[None]:
    """Turns AWS's refusals and silence into Unseen."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        raise Unseen(f"AWS refuses {error.operation_name}: {code}") from None
    except BotoCoreError as error:
        raise Unseen(f"AWS can't be asked: {str(error).strip()[:200]}") from None


def days(count: float) -> str:
    """A number of days, in words."""
    whole = int(count)
    return f"{whole} day{'' if whole == 1 else 's'}"
