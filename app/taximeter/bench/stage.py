"""Where a measurement plays: fresh topics, a fresh data directory, real parts."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final
from uuid import uuid4

import psutil

from taximeter.bench.machine import Cores, preparing
from taximeter.bench.sizes import Sizes
from taximeter.bench.traffic import Traffic
from taximeter.broker.admin import drop_topics, ensure_topics
from taximeter.logs import open_log
from taximeter.processes import stopped
from taximeter.state import DataDir, PartState
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import NotReady, PartFailed
from taximeter_schemas.topics import Topics

__all__ = ["Bench", "Part", "Stage", "until"]

_LOOK_SECONDS: Final = 0.02
_START_SECONDS: Final = 90.0
_PATIENCE_SECONDS: Final = 300.0
_MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Bench:
    """What every measurement is given.

    `wanted` are the rows to measure, `repeat` how often a row with a ratio is
    measured; `say` tells people how it goes.
    """

    bootstrap: str
    scratch: Path
    sizes: Sizes
    repeat: int
    wanted: frozenset[str]
    say: Callable[[str], None]
    cores: Cores = field(default_factory=Cores.of_this_process)

    @asynccontextmanager
    async def stage(self, doing: str) -> AsyncIterator[Stage]:
        """Give a fresh installation; its topics and files are removed afterwards."""
        self.say(doing)
        topics = Topics(prefix=f"bench-{uuid4().hex[:12]}.")
        stage = Stage(self.bootstrap, topics, DataDir(self.scratch / topics.prefix))
        await ensure_topics(self.bootstrap, topics)
        try:
            yield stage
        finally:
            await drop_topics(self.bootstrap, topics.prefix)
            shutil.rmtree(stage.data.path, ignore_errors=True)

    def traffic(self, users: int = 2_000, salt: str = "") -> Traffic:
        """Return traffic that begins now."""
        return Traffic(SystemClock().now(), users, salt=salt)


@dataclass(frozen=True)
class Stage:
    """One installation: where Kafka is, its topics, its directory."""

    bootstrap: str
    topics: Topics
    data: DataDir

    @property
    def log(self) -> Path:
        """Where tasks in processes of their own write their words."""
        return self.data.logs / "tasks.log"

    @contextmanager
    def part(
        self, command: str, *options: str, cores: frozenset[int] | None = None
    ) -> Iterator[Part]:
        """Run `taximeter worker`, `sink` or `api` for as long as the block runs.

        Raises:
            PartFailed: it did not get ready.
        """
        part = self._begun(command, options, cores)
        with stopped(part.process):
            part.await_ready()
            yield part

    @contextmanager
    def metering(self) -> Iterator[tuple[Part, Part]]:
        """Run a worker and a sink for as long as the block runs.

        Raises:
            PartFailed: one of them did not get ready.
        """
        worker = self._begun("worker", (), None)
        with stopped(worker.process), self.part("sink") as sink:
            worker.await_ready()
            yield worker, sink

    def _begun(
        self, command: str, options: tuple[str, ...], cores: frozenset[int] | None
    ) -> Part:
        name = "worker-1" if command == "worker" else command
        where = ("--data", str(self.data.path), "--bootstrap", self.bootstrap)
        topics = ("--prefix", self.topics.prefix)
        taximeter = (sys.executable, "-m", "taximeter.cli", command)
        log = self.data.logs / f"{name}.log"
        with open_log(log) as out:
            process = subprocess.Popen(
                [*taximeter, *where, *topics, *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=preparing(cores),  # noqa: PLW1509 - no lock is held here
            )
        return Part(name, self.data, process, log)


@dataclass(frozen=True)
class Part:
    """One running part, seen from outside."""

    name: str
    data: DataDir
    process: subprocess.Popen[bytes]
    log: Path

    def await_ready(self) -> None:
        """Wait until the part says that it is ready."""
        deadline = monotonic() + _START_SECONDS
        while not self._is_ready():
            if monotonic() > deadline:
                raise PartFailed(self.name, "not ready in time", self.log)
            sleep(_LOOK_SECONDS)

    @property
    def state(self) -> PartState | None:
        """What the part said about itself last.

        Raises:
            PartFailed: it has ended.
        """
        code = self.process.poll()
        if code is not None:
            raise PartFailed(self.name, f"exit code {code}", self.log)
        return self.data.state(self.name)

    @property
    def facts(self) -> dict[str, Any]:
        """How far the part got, by its own word."""
        state = self.state
        return state.facts if state else {}

    @property
    def cpu_seconds(self) -> float:
        """The processor time that the part has used so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    @property
    def resident_mib(self) -> float:
        """The memory that the part occupies now."""
        return psutil.Process(self.process.pid).memory_info().rss / _MIB

    def _is_ready(self) -> bool:
        state = self.state
        return state is not None and state.pid == self.process.pid


async def until(
    condition: Callable[[], bool], what: str, seconds: float = _PATIENCE_SECONDS
) -> None:
    """Wait for a condition, looking fifty times a second.

    Raises:
        NotReady: it did not come true in time.
    """
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            raise NotReady(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(_LOOK_SECONDS)
