"""Starts parts, waits until they are ready, starts again what dies, stops in order.

It knows processes and nothing of Kafka or DuckDB: what a part is, and how one tells
that it is ready, comes with its `PartSpec` (`taximeter.system` has the real ones).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from taximeter.logs import open_log
from taximeter.processes import die_with
from taximeter_schemas.errors import PartFailed

__all__ = ["Backoff", "PartSpec", "Supervisor"]

_LOOK_SECONDS = 0.1
_TOLD_BYTES = 4096


async def _always() -> bool:
    return True


@dataclass(frozen=True)
class PartSpec:
    """One part: how it is started, how one knows that it is ready.

    `ready` is given the process id and asked again and again until it says yes.
    Parts of a lower `stop_order` are stopped, and have ended, before those of a
    higher one are asked to. `has_its_needs` is asked before the part is started again:
    without what it needs it would only end once more, and wait longer each time.
    `settings` are variables that it finds where the environment does not have them.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[int], Awaitable[bool]]
    start_seconds: float = 90.0
    stop_seconds: float = 5.0
    stop_order: int = 0
    has_its_needs: Callable[[], Awaitable[bool]] = _always
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class Backoff:
    """How long to wait before a part is started again.

    >>> backoff = Backoff()
    >>> [backoff.pause(lived_seconds=1) for _ in range(6)]
    [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    >>> backoff.pause(lived_seconds=61)
    0.5
    """

    first_seconds: float = 0.5
    most_seconds: float = 10.0
    healthy_seconds: float = 60.0
    _next: float = field(default=0.0, init=False)

    def pause(self, lived_seconds: float) -> float:
        """Return the pause after a life of this length."""
        if lived_seconds >= self.healthy_seconds or not self._next:
            self._next = self.first_seconds
        pause = self._next
        self._next = min(self._next * 2, self.most_seconds)
        return pause


class _Part:
    """One part's process, and the log that it writes into."""

    def __init__(self, spec: PartSpec, logs: Path) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self.process: Process | None = None

    async def spawn(self) -> Process:
        """Start the process; it gets a session of its own, so Ctrl-C is only ours."""
        with open_log(self.log) as log:
            self._log_start = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *self.spec.command,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**self.spec.settings, **os.environ},
                preexec_fn=die_with(os.getpid()),
            )
        return self.process

    async def start(self) -> Process:
        """Start the process and wait until it is ready.

        Raises:
            PartFailed: it ended first, or took too long.
        """
        process = await self.spawn()
        try:
            async with asyncio.timeout(self.spec.start_seconds):
                while not await self.spec.ready(process.pid):
                    if process.returncode is not None:
                        raise self._failed(f"exit code {process.returncode}")
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            waited = f"not ready after {self.spec.start_seconds:.0f} s"
            raise self._failed(waited) from None
        return process

    async def stop(self) -> None:
        """Ask the process to end; end it when its time is over."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self.spec.stop_seconds):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _failed(self, otherwise: str) -> PartFailed:
        # On a full disk the part's own words had no place either.
        full = shutil.disk_usage(self.log.parent).free < _TOLD_BYTES
        words = "no space left on the device" if full else otherwise
        return PartFailed(self.spec.name, self._last_words() or words, self.log)

    def _last_words(self) -> str:
        """Return the last line that the part wrote in this life."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - _TOLD_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip().removeprefix("error: ") if lines else ""


class Supervisor:
    """Keeps parts alive between `start` and `stop`.

    Args:
        logs: the directory for the parts' logs.
        say: told what happens, in words for people.
    """

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self._logs = logs
        self._say = say
        self._parts: list[_Part] = []
        self._watches: list[asyncio.Task[None]] = []

    async def start(self, specs: Sequence[PartSpec]) -> None:
        """Start parts side by side; return when all of them are ready.

        Raises:
            PartFailed: one of them did not get ready; `stop` stops the others.
        """
        parts = [_Part(spec, self._logs) for spec in specs]
        self._parts += parts
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(part.start())
        except* PartFailed as failed:
            raise failed.exceptions[0] from None
        except* OSError as failed:
            raise failed.exceptions[0] from None
        self._watches += [asyncio.create_task(self._watch(part)) for part in parts]

    async def stop(self) -> None:
        """Stop every part.

        1. The watches end, so that nothing is started again meanwhile.
        2. In their order, parts are asked to end, and killed when their time is over.
        """
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        parts, self._parts = self._parts, []
        for order in sorted({part.spec.stop_order for part in parts}):
            turn = [part for part in parts if part.spec.stop_order == order]
            await asyncio.gather(*(part.stop() for part in turn))

    async def _watch(self, part: _Part) -> None:
        clock, backoff = asyncio.get_running_loop(), Backoff()
        born = clock.time()
        while part.process is not None:
            code = await part.process.wait()
            pause = backoff.pause(clock.time() - born)
            ended = f"{part.spec.name} ended ({_how(code)})"
            self._say(f"{ended}: starting it again in {pause:g} s (log: {part.log})")
            await asyncio.sleep(pause)
            while not await part.spec.has_its_needs():
                await asyncio.sleep(_LOOK_SECONDS)
            await self._respawn(part)
            born = clock.time()

    async def _respawn(self, part: _Part) -> None:
        try:
            await part.spawn()
        except OSError as error:  # a full disk: the old process stays the ended one
            self._say(f"cannot start {part.spec.name}: {error}")


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
