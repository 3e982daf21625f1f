"""What was cancelled from below is an error; who was cancelled ends."""

from __future__ import annotations

import asyncio

import pytest

from taximeter_schemas.lost_connections import lost_is_an_error


async def test_what_is_waited_for_is_cancelled() -> None:
    """Nobody cancelled the task: it hears of a lost connection, and goes on."""
    answer = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(answer.cancel)
    with pytest.raises(ConnectionError, match="closed"), lost_is_an_error():
        await answer


async def test_a_cancelled_task_ends() -> None:
    """A cancellation of the task itself passes."""
    began = asyncio.Event()

    async def waiting() -> None:
        with lost_is_an_error():
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(waiting())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_time_that_runs_out_is_no_lost_connection() -> None:
    """A limit of time around it, or inside, is told as what it is."""

    async def limited_around() -> None:
        async with asyncio.timeout(0.01):
            with lost_is_an_error():
                await asyncio.Event().wait()

    async def limited_inside() -> None:
        with lost_is_an_error():
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

    for limited in (limited_around, limited_inside):
        with pytest.raises(TimeoutError):
            await limited()


async def test_a_group_hears_of_it() -> None:
    """A group of tasks would take a cancelled one for one that is done."""
    answer = asyncio.get_running_loop().create_future()

    async def reading() -> None:
        with lost_is_an_error():
            await answer

    async def working() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reading())
            tasks.create_task(asyncio.Event().wait())
            answer.cancel()

    with pytest.raises(ExceptionGroup) as failed:
        await working()
    assert failed.group_contains(ConnectionError)


async def test_other_errors_pass() -> None:
    """Nothing else is touched."""
    with pytest.raises(KeyError), lost_is_an_error():
        raise KeyError
