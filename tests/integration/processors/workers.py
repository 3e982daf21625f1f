"""Worker processes that a test starts, stops, kills and freezes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from taximeter_schemas.topics import Topics
from tests.waiting import eventually

__all__ = ["WorkerProcess", "Workers"]

# Importing Faust takes seconds: done once, in a process that every worker is a fork of.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", "tests.integration.processors.worker_process"])
READY_SECONDS = 40.0


@dataclass
class WorkerProcess:
    """One worker, with what it printed in a file."""

    process: ForkServerProcess
    out: Path

    @property
    def runs(self) -> bool:
        """Tell whether it has not ended."""
        return self.process.is_alive()

    def facts(self) -> list[dict[str, Any]]:
        """Return what the worker told so far."""
        lines = self.out.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def errors(self) -> str:
        """Return what it wrote to stderr."""
        return self.out.with_suffix(".err").read_text()

    def ready(self) -> WorkerProcess:
        """Wait until it owns its partitions."""
        eventually(self.facts, READY_SECONDS)
        return self

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self._signal(signal.SIGTERM)
        return self.ended()

    def ended(self, timeout: float = READY_SECONDS) -> int:
        """Wait for its end, and return its exit code."""
        self.process.join(timeout)
        code = self.process.exitcode
        assert code is not None, "the worker runs on"
        return code

    def kill(self) -> None:
        """End it as the kernel would."""
        self.process.kill()
        self.process.join()

    def freeze(self) -> None:
        """Stop it in its tracks, as a suspended machine would."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had happened."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


@dataclass
class Workers:
    """Starts workers on one installation; `close` ends what is left of them."""

    bootstrap: str
    topics: Topics
    home: Path
    started: list[WorkerProcess] = field(default_factory=list[WorkerProcess])

    def start(self, *arguments: str, **environment: str) -> WorkerProcess:
        """Start one more worker; it is not ready yet."""
        name = f"worker-{len(self.started) + 1}"
        out = self.home / f"{self.topics.prefix}{name}.out"
        out.touch()
        told = (self.bootstrap, self.topics.prefix, name, *arguments)
        process = _FORKS.Process(target=_run, args=(told, environment, out))
        process.start()
        self.started.append(WorkerProcess(process, out))
        return self.started[-1]

    def close(self) -> None:
        """End every worker that still runs, frozen ones too."""
        for worker in self.started:
            worker.kill()


def _run(arguments: tuple[str, ...], environment: dict[str, str], out: Path) -> None:
    """Be the worker; this runs in its process."""
    from tests.integration.processors.worker_process import main

    for stream, file in ((sys.stdout, out), (sys.stderr, out.with_suffix(".err"))):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream.fileno())
    os.environ.update(environment)
    main(*arguments)
