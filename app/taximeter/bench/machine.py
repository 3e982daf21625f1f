"""The machine that is measured on, and keeping processes on cores of their own."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from taximeter.processes import die_with

__all__ = ["Cores", "described", "preparing"]

_LIBRARIES: Final = (
    "taximeter",
    "pydantic",
    "aiokafka",
    "faust-streaming",
    "litellm",
    "duckdb",
)
_MIB: Final = 1024 * 1024


def described() -> dict[str, object]:
    """Return what a reader of the figures has to know of the machine."""
    return {
        "cpu": _cpu_name(),
        "cores": len(Cores.of_this_process().all),
        "memory_mib": psutil.virtual_memory().total // _MIB,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in _LIBRARIES},
    }


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Cores:
    """The cores that this process may use: one for what is measured, and the rest."""

    def __init__(self, cores: set[int]) -> None:
        self.all = frozenset(cores)
        self.measured = frozenset({min(cores)})
        self.rest = frozenset(self.all - self.measured) or self.all

    @classmethod
    def of_this_process(cls) -> Cores:
        """Return the cores as the system has them; all of them where it can't say."""
        if hasattr(os, "sched_getaffinity"):
            return cls(os.sched_getaffinity(0))
        return cls(set(range(os.cpu_count() or 1)))

    @contextmanager
    def left_to(self, pid: int) -> Iterator[None]:
        """Leave the measured core to one process; all our others use the rest.

        A broker that was given to us is none of ours and stays where it is.
        """
        others = [process for process in _ours() if process.pid != pid]
        try:
            for process in others:
                _pin(process, self.rest)
            yield
        finally:
            for process in others:
                _pin(process, self.all)


def preparing(cores: frozenset[int] | None) -> Callable[[], None]:
    """Return what a child runs before its program: it dies with us, on its cores."""
    bound = die_with(os.getpid())

    def prepare() -> None:
        bound()
        if cores is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)

    return prepare


def _ours() -> list[psutil.Process]:
    this = psutil.Process()
    return [this, *this.children(recursive=True)]


def _pin(process: psutil.Process, cores: frozenset[int]) -> None:
    if not hasattr(os, "sched_setaffinity"):
        return
    with suppress(psutil.Error):
        for thread in process.threads():
            with suppress(OSError):  # it has ended meanwhile
                os.sched_setaffinity(thread.id, cores)
