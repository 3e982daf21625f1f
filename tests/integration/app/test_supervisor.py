"""Real child processes, started, watched and stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from taximeter.supervisor import PartSpec, Supervisor
from taximeter_schemas.errors import PartFailed
from tests.waiting import eventually, eventually_async

# Says that it is there, then waits; obeys SIGTERM, or not.
CHILD = """
import pathlib, signal, sys, os
file, stubborn = pathlib.Path(sys.argv[1]), "stubborn" in sys.argv
if stubborn: signal.signal(signal.SIGTERM, signal.SIG_IGN)
else: signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
file.with_suffix(".new").write_text(str(os.getpid()))
file.with_suffix(".new").rename(file)
while True: signal.pause()
"""


class Yard:
    """A place for children to say who they are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self.supervisor = Supervisor(path / "logs", self.said.append)

    def pid(self, name: str) -> int:
        """Return what a child said its process id is; 0 if it said nothing yet."""
        file = self.path / name
        return int(file.read_text()) if file.exists() else 0

    def child(self, name: str, *arguments: str) -> PartSpec:
        """Return a part that is ready when it has said so."""

        async def ready(pid: int) -> bool:
            return self.pid(name) == pid

        file = str(self.path / name)
        command = (sys.executable, "-c", CHILD, file, *arguments)
        return PartSpec(name, command, ready, stop_seconds=2)


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    """Give a yard; its supervisor is stopped afterwards."""
    yard = Yard(tmp_path)
    yield yard
    await yard.supervisor.stop()


async def test_start_returns_when_all_are_ready(yard: Yard) -> None:
    """After start every part runs and has said so."""
    await yard.supervisor.start([yard.child("a"), yard.child("b")])
    assert psutil.pid_exists(yard.pid("a"))
    assert psutil.pid_exists(yard.pid("b"))


async def test_a_killed_part_is_started_again(yard: Yard) -> None:
    """A part that is killed comes back as another process, and people are told."""
    await yard.supervisor.start([yard.child("a")])
    first = yard.pid("a")
    os.kill(first, signal.SIGKILL)

    async def is_back() -> bool:
        return yard.pid("a") != first

    await eventually_async(is_back)
    assert "a ended (killed by signal 9): starting it again in 0.5 s" in yard.said[0]


async def test_a_part_is_not_started_again_without_what_it_needs(yard: Yard) -> None:
    """What could only end once more waits, and comes back as soon as it can."""
    asked: list[bool] = []
    there = asyncio.Event()

    async def has_its_needs() -> bool:
        asked.append(there.is_set())
        return there.is_set()

    await yard.supervisor.start([replace(yard.child("a"), has_its_needs=has_its_needs)])
    first = yard.pid("a")
    os.kill(first, signal.SIGKILL)

    async def was_asked() -> bool:
        return len(asked) >= 3

    async def is_back() -> bool:
        return yard.pid("a") != first

    await eventually_async(was_asked)
    assert not await is_back()
    there.set()
    await eventually_async(is_back)
    assert len(yard.said) == 1


async def test_a_part_that_cannot_start_stops_the_start(yard: Yard) -> None:
    """The error carries the part's own last words, and its neighbour can be stopped."""

    async def never(_pid: int) -> bool:
        return False

    script = "import sys; sys.exit('error: the port is taken')"
    broken = PartSpec("broken", (sys.executable, "-c", script), never)
    with pytest.raises(PartFailed, match="broken did not start: the port is taken"):
        await yard.supervisor.start([yard.child("good"), broken])
    await yard.supervisor.stop()
    assert not psutil.pid_exists(yard.pid("good") or 2**30)


async def test_a_part_that_never_gets_ready_fails(yard: Yard) -> None:
    """Waiting has a limit, and the error says so."""
    spec = yard.child("slow")

    async def never(_pid: int) -> bool:
        return False

    slow = PartSpec(spec.name, spec.command, never, start_seconds=0.5)
    with pytest.raises(PartFailed, match="not ready after"):
        await yard.supervisor.start([slow])


async def test_stop_ends_even_the_stubborn(yard: Yard) -> None:
    """A part that does not listen to SIGTERM is killed when its time is over."""
    await yard.supervisor.start([yard.child("deaf", "stubborn"), yard.child("a")])
    pids = [yard.pid("deaf"), yard.pid("a")]
    await yard.supervisor.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert yard.said == []


def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    """When the supervisor itself is killed its children die with it."""
    script = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.integration.app.test_supervisor import Yard
async def main():
    yard = Yard(pathlib.Path({str(tmp_path)!r}))
    await yard.supervisor.start([yard.child("a")])
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE
    ) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == b"ready\n"
        child = psutil.Process(Yard(tmp_path).pid("a"))
        supervisor.kill()
    eventually(lambda: not child.is_running())
