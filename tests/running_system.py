"""The real system in real processes, as `taximeter up` and the commands run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from taximeter.state import DataDir

__all__ = ["TAXIMETER", "Running", "environment", "taximeter"]

TAXIMETER = (sys.executable, "-m", "taximeter.cli")


def environment() -> dict[str, str]:
    """Return the environment without the caller's own settings."""
    return {k: v for k, v in os.environ.items() if not k.startswith("TAXIMETER_")}


def taximeter(
    *arguments: str, text: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*TAXIMETER, *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=environment(),
    )


class Running:
    """One `taximeter up` and what it said."""

    def __init__(self, data: Path, *arguments: str, **settings: str) -> None:
        self.data = DataDir(data)
        self.process = subprocess.Popen(
            [*TAXIMETER, "up", "--data", str(data), "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=environment() | settings,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.urls = dict(word.split("=", 1) for word in self.line.split()[1:])

    def pid(self, part: str) -> int | None:
        """Return a part's process id if it runs."""
        state = self.data.state(part)
        return state.pid if state is not None and state.running else None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Stop it; return its exit code and what else it had printed."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest
