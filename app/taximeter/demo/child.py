"""`taximeter up` as the demo's child: started, listened to, stopped or left running."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taximeter.processes import die_with
from taximeter.state import DataDir
from taximeter_schemas.errors import TaximeterError
from taximeter_schemas.topics import Topics

__all__ = ["DemoFailed", "Plan", "Up", "running"]

_LOOK_SECONDS: Final = 0.1
_STOP_SECONDS: Final = 30.0


class DemoFailed(TaximeterError):
    """The demo could not be carried through; says why, and which log to read."""


@dataclass(frozen=True)
class Plan:
    """What the child is to bring up; with `keep` it outlives the demo.

    `notify` is the file by which alerts are delivered; without it they are not.
    """

    data: DataDir
    topics: Topics
    bootstrap: str | None
    keep: bool
    notify: Path | None = None


@dataclass(frozen=True)
class Up:
    """A running `taximeter up`: its process and where everything is found."""

    pid: int
    urls: dict[str, str]

    @property
    def kafka(self) -> str:
        """Kafka's address."""
        return self.urls["kafka"]


@asynccontextmanager
async def running(plan: Plan, say: Callable[[str], None]) -> AsyncIterator[Up]:
    """Run the whole system for as long as the block runs, or, kept, for longer.

    A block that fails stops it in any case.

    Raises:
        DemoFailed: it did not come up; its own words say why.
    """
    log = plan.data.logs / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    process = _spawned(plan, log)
    listening = asyncio.create_task(_pass_on(log, say))
    kept = False
    try:
        yield Up(process.pid, await _ready(process, log))
        kept = plan.keep
    finally:
        listening.cancel()
        if not kept:
            await asyncio.shield(asyncio.to_thread(_stop, process))


def _spawned(plan: Plan, log: Path) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, writing to a file: it may have to outlive us.

    Unless it is to be kept, it ends with this process, however that ends.
    """
    with log.open("wb") as out:
        return subprocess.Popen(
            _command(plan),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={k: v for k, v in os.environ.items() if not k.startswith("TAXIMETER_")},
            start_new_session=True,
            preexec_fn=None if plan.keep else die_with(os.getpid()),  # noqa: PLW1509
        )


def _command(plan: Plan) -> list[str]:
    command = [sys.executable, "-m", "taximeter.cli", "up"]
    command += ["--data", str(plan.data.path), "--workers", "1"]
    command += ["--prefix", plan.topics.prefix]
    command += ["--partitions", str(plan.topics.partitions)]
    if plan.bootstrap:
        command += ["--bootstrap", plan.bootstrap]
    if plan.notify:
        command += ["--notify", str(plan.notify.absolute())]
    # What is kept is best found where people look for it; else any port will do.
    return command if plan.keep else [*command, "--port", "0"]


async def _ready(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """Wait for the ready line; how long a part may take, `up` itself decides."""
    while True:
        ended = process.poll() is not None
        lines = _lines(log)
        for line in lines:
            if line.startswith("ready "):
                return dict(word.split("=", 1) for word in line.split()[1:])
        if ended:
            why = lines[-1].removeprefix("error: ") if lines else "it ended at once"
            raise DemoFailed(why)
        await asyncio.sleep(_LOOK_SECONDS)


async def _pass_on(log: Path, say: Callable[[str], None]) -> None:
    """Tell what the child tells: what it fetches, and what it had to start again."""
    told = 0
    while True:
        lines = _lines(log)
        for line in lines[told:]:
            if not line.startswith(("ready ", "error: ")):
                say(line)
        told = len(lines)
        await asyncio.sleep(_LOOK_SECONDS)


def _lines(log: Path) -> list[str]:
    """Return the lines that are written to their end."""
    return log.read_text(errors="replace").split("\n")[:-1]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop everything; should it not, its parts die with it."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
