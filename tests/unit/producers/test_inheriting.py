"""What is started inside an `attribute` block is for the same people."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from uuid import uuid4

import pytest

import taximeter
from taximeter_producers.attribution import (
    Reserved,
    attribute,
    current_attribution,
    reserved,
)


@pytest.fixture(autouse=True)
def _meter() -> Iterator[None]:
    taximeter.stop()
    taximeter.start(taximeter.MemoryEmitter())
    yield
    taximeter.stop()


def user() -> str | None:
    """Return whom a call would be for, here."""
    return current_attribution().user_id


def user_of(_: int) -> str | None:
    """Return whom the call of a number would be for."""
    return user()


def tags_and_reservation() -> tuple[dict[str, str], object]:
    """Return what else goes along, or stays."""
    by = current_attribution()
    return dict(by.tags), by.reserved


class Asking(threading.Thread):
    """A thread that remembers whom its calls are for."""

    def run(self) -> None:
        """Ask."""
        self.found = user()


def test_threads_inherit() -> None:
    """A thread takes the names of whoever starts it, and no longer than it runs."""
    found: list[str | None] = []
    with attribute(user="ada"):
        plain = threading.Thread(target=lambda: found.append(user()))
        derived = Asking()
        for thread in (plain, derived):
            thread.start()
    for thread in (plain, derived):
        thread.join()
    assert (found, derived.found) == (["ada"], "ada")
    assert "run" not in vars(derived)


def test_pools_inherit_piece_by_piece() -> None:
    """Work is for whoever submits it, not for whoever made the pool's thread start."""
    with ThreadPoolExecutor(1) as pool:
        with attribute(user="ada"):
            first = pool.submit(user)
        second = pool.submit(user)
        with attribute(user="bob"):
            third = pool.submit(user)
            mapped = list(pool.map(lambda _: user(), range(2)))
    assert [first.result(), second.result(), third.result()] == ["ada", None, "bob"]
    assert mapped == ["bob", "bob"]


def test_pools_of_processes_inherit_piece_by_piece() -> None:
    """Work is for whoever submits it, not for whoever had the process forked."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        with attribute(user="ada"):
            found = [pool.submit(user)]
        found.append(pool.submit(user))
        with attribute(user="bob", tags={"team": "x"}), reserved(Reserved(uuid4())):
            mapped = list(pool.map(user_of, range(2)))
            along = pool.submit(tags_and_reservation).result()
    assert [one.result() for one in found] == ["ada", None]
    assert mapped == ["bob", "bob"]
    assert along == ({"team": "x"}, None)


def test_starting_a_thread_settles_no_reservation() -> None:
    """Only an event does; else what was reserved would be held until it lapses."""
    of = Reserved(uuid4())
    with reserved(of):
        thread = threading.Thread(target=user)
        thread.start()
        thread.join()
    assert not of.taken


async def test_tasks_and_executors_of_a_loop_inherit() -> None:
    """So do tasks, `to_thread` and `run_in_executor`."""

    async def asked() -> str | None:
        await asyncio.sleep(0)
        return user()

    loop = asyncio.get_running_loop()
    with attribute(user="ada"):
        task = asyncio.create_task(asked())
        threaded = asyncio.create_task(asyncio.to_thread(user))
        executed = loop.run_in_executor(None, user)
    assert [await task, await threaded, await executed] == ["ada"] * 3
    assert await loop.run_in_executor(None, user) is None


def test_stopping_takes_it_back() -> None:
    """Without a meter, threads and pools are Python's own."""
    started = threading.Thread.start
    taximeter.stop()
    assert threading.Thread.start is not started
    assert threading.Thread.start.__module__ == "threading"
    for pool in (ThreadPoolExecutor, ProcessPoolExecutor):
        assert "wrapped" not in pool.submit.__dict__
        assert pool.submit.__module__.startswith("concurrent.futures.")
    with attribute(user="ada"):
        thread = Asking()
        thread.start()
    thread.join()
    assert thread.found is None
