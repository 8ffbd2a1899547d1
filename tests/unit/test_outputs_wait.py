"""Waiting for a program's outputs: each is attached to once, and a failed one ends the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest
from pulumi.runtime import set_mocks, stack
from pulumi.runtime.settings import SETTINGS
from pulumi.runtime.stack import wait_for_rpcs

from infra.outputs_wait import wait_for_all_outputs
from tests.unit.aws.mocks import Cloud

OUTPUTS = 60


def open_outputs() -> set[asyncio.Future[None]]:
    """What the SDK waits for."""
    return SETTINGS.outputs  # type: ignore[return-value]


async def after(turns: int) -> None:
    """Ends after so many turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)


class Counted(asyncio.Task[None]):
    """An output's task that counts who attached to it."""

    attached = 0

    def add_done_callback(self, *arguments: object, **options: object) -> None:
        Counted.attached += 1
        super().add_done_callback(*arguments, **options)  # type: ignore[arg-type]


def waited(*outputs: Callable[[], Awaitable[None]]) -> int:
    """How often somebody attached to an output until all had ended."""
    set_mocks(Cloud(), project="p", stack="s", preview=False)
    open_outputs().clear()  # the stack's own, which ended in another loop
    Counted.attached = 0

    async def run() -> None:
        asyncio.get_running_loop().set_task_factory(lambda loop, work, **_: Counted(work, loop=loop))  # type: ignore[arg-type]
        tasks = [asyncio.ensure_future(output()) for output in outputs]
        open_outputs().update(tasks)
        try:
            await asyncio.wait_for(wait_for_rpcs(), 20)
        finally:
            for task in tasks:
                task.cancel()

    # asyncio.run would leave this worker's later tests, which make outputs, without a loop.
    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(run())
    return Counted.attached


@pytest.fixture(autouse=True)
def unchanged_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "asyncio", asyncio)


def test_an_output_is_attached_to_once_where_the_sdk_does_it_for_each_that_ends() -> None:
    outputs = [lambda turns=turns: after(turns) for turns in range(OUTPUTS)]
    assert waited(*outputs) > OUTPUTS * OUTPUTS / 4
    wait_for_all_outputs()
    assert waited(*outputs) < OUTPUTS * 2


def test_an_output_that_is_added_meanwhile_is_waited_for() -> None:
    ended: list[str] = []

    async def late() -> None:
        await after(30)
        ended.append("late")

    async def first() -> None:
        open_outputs().add(asyncio.ensure_future(late()))

    wait_for_all_outputs()
    waited(first)
    assert ended == ["late"]


def test_a_failed_output_ends_the_wait_though_another_never_ends() -> None:
    async def fails() -> None:
        raise LookupError("no such zone")

    wait_for_all_outputs()
    with pytest.raises(LookupError, match="no such zone"):
        waited(lambda: asyncio.Event().wait(), fails)  # type: ignore[arg-type]


def test_it_is_done_once() -> None:
    wait_for_all_outputs()
    first = vars(stack)["asyncio"]
    wait_for_all_outputs()
    assert vars(stack)["asyncio"] is first is not asyncio
