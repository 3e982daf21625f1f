"""Worker processes that a test starts, stops, kills and freezes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taximeter_schemas.topics import Topics
from tests.waiting import eventually

__all__ = ["WorkerProcess", "Workers"]

_PROGRAM = Path(__file__).with_name("worker_process.py")
READY_SECONDS = 40.0


@dataclass
class WorkerProcess:
    """One worker, with what it printed in a file."""

    process: subprocess.Popen[bytes]
    out: Path

    def facts(self) -> list[dict[str, Any]]:
        """Return what the worker told so far."""
        lines = self.out.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def ready(self) -> WorkerProcess:
        """Wait until it owns its partitions."""
        eventually(self.facts, READY_SECONDS)
        return self

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        return self.process.wait(READY_SECONDS)

    def kill(self) -> None:
        """End it as the kernel would."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks, as a suspended machine would."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had happened."""
        self.process.send_signal(signal.SIGCONT)


@dataclass
class Workers:
    """Starts workers on one installation; `close` ends what is left of them."""

    bootstrap: str
    topics: Topics
    home: Path
    started: list[WorkerProcess] = field(default_factory=list[WorkerProcess])

    def start(self, *arguments: str) -> WorkerProcess:
        """Start one more worker; it is not ready yet."""
        name = f"worker-{len(self.started) + 1}"
        out = self.home / f"{name}.out"
        command = [sys.executable, str(_PROGRAM), self.bootstrap, self.topics.prefix]
        with out.open("wb") as stdout, out.with_suffix(".err").open("wb") as stderr:
            process = subprocess.Popen(
                [*command, name, *arguments],
                stdout=stdout,
                stderr=stderr,
            )
        self.started.append(WorkerProcess(process, out))
        return self.started[-1]

    def close(self) -> None:
        """End every worker that still runs, frozen ones too."""
        for worker in self.started:
            worker.kill()
