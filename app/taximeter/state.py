"""The data directory: what lies where, who holds it, and which parts run.

Every part writes one small file about itself when it is ready, and takes it away
when it ends well. A file that was left behind says so: its process is gone, or the
process of that number is another one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.errors import BrokerUnavailable, DataDirInUse

__all__ = ["DataDir", "PartState", "Presence", "locked", "write_whole"]

_SAME_START_SECONDS = 2.0


class PartState(BaseModel):
    """What a part says about itself.

    `process_started` (epoch seconds, the system's own) tells the process from a
    later one that was given the same number. `facts` is what else the part wants
    known, for example how far it got.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    process_started: float
    version: str
    started_at: datetime
    urls: dict[str, str] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of_this_process(
        cls, name: str, clock: Clock, urls: Mapping[str, str] | None = None
    ) -> PartState:
        """Return the state of the process that calls this."""
        return cls(
            name=name,
            pid=os.getpid(),
            process_started=psutil.Process().create_time(),
            version=version("taximeter"),
            started_at=clock.now(),
            urls=dict(urls or {}),
        )

    @property
    def running(self) -> bool:
        """Whether the very process that wrote this is still there."""
        try:
            process = psutil.Process(self.pid)
            started = process.create_time()
            ended = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
        return not ended and abs(started - self.process_started) < _SAME_START_SECONDS

    @property
    def memory_bytes(self) -> int | None:
        """The memory that the process occupies; None once it has ended."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return None

    @property
    def cpu_seconds(self) -> float | None:
        """The processor time that the process has used; None once it has ended."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return None
        return float(times.user + times.system)


class DataDir:
    """One installation's directory; nothing is made before it is needed."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    @property
    def ledger(self) -> Path:
        """The DuckDB file; only the sink opens it for writing."""
        return self.path / "ledger.duckdb"

    @property
    def broker(self) -> Path:
        """Where the embedded broker keeps everything."""
        return self.path / "broker"

    @property
    def spool(self) -> Path:
        """Where events wait that Kafka did not take before their process ended."""
        return self.path / "spool"

    @property
    def api_tokens(self) -> Path:
        """What is kept of the API's tokens, unless a setting names another file."""
        return self.path / "api-tokens.json"

    @property
    def logs(self) -> Path:
        """A log a part."""
        return self.path / "logs"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory for one supervisor alone.

        Raises:
            DataDirInUse: another one holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = locked(self.path / "lock")
        try:
            yield
        finally:
            os.close(lock)

    def quack_token(self) -> str:
        """Return the secret with which the ledger is read; made the first time."""
        file = self.path / "quack.token"
        if not file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(file, secrets.token_urlsafe(32))
        return file.read_text()

    def write_state(self, state: PartState) -> None:
        """Say how a part is; readers see the old words or the new, never half."""
        file = self._state_file(state.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, state.model_dump_json())

    def remove_state(self, name: str) -> None:
        """Say that a part has ended well."""
        self._state_file(name).unlink(missing_ok=True)

    def state(self, name: str) -> PartState | None:
        """Return what a part said about itself last, if it said anything."""
        return _read(self._state_file(name))

    def states(self) -> list[PartState]:
        """Return what every part said about itself last, by name."""
        found = [_read(file) for file in sorted(self.path.glob("state/*.json"))]
        return [state for state in found if state is not None]

    def bootstrap(self, given: str | None = None) -> str:
        """Return where Kafka is: as given, or as the parts running here say.

        Raises:
            BrokerUnavailable: none was given and nothing runs here.
        """
        if given:
            return given
        for state in self.states():
            if "kafka" in state.urls and state.running:
                return state.urls["kafka"]
        raise BrokerUnavailable("any known address", f"nothing runs in {self.path}")

    def _state_file(self, name: str) -> Path:
        return self.path / "state" / f"{name}.json"


class Presence:
    """A part's own word on itself while it runs.

    Used as a context: whatever way the part ends, short of being killed, its word is
    taken back.
    """

    def __init__(
        self, data: DataDir, name: str, kafka: str, clock: Clock | None = None
    ) -> None:
        self._data = data
        clock = clock or SystemClock()
        self._state = PartState.of_this_process(name, clock, {"kafka": kafka})

    def __enter__(self) -> Presence:
        return self

    def __exit__(self, *_: object) -> None:
        self._data.remove_state(self._state.name)

    def ready(self, **urls: str) -> None:
        """Say that the part is ready, and where it is found."""
        known = {"urls": self._state.urls | urls}
        self._state = self._state.model_copy(update=known)
        self._data.write_state(self._state)

    def report(self, **facts: object) -> None:
        """Say how far the part got; a disk that is full does not stop it."""
        known = {"facts": self._state.facts | facts}
        self._state = self._state.model_copy(update=known)
        with suppress(OSError):
            self._data.write_state(self._state)


def locked(file: Path) -> int:
    """Lock a file for this process; return the descriptor that holds the lock.

    The lock lives as long as the descriptor, in whichever process has it, and names
    its holder to whoever comes second.

    Raises:
        DataDirInUse: another process holds it.
    """
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode().strip()
        os.close(lock)
        pid = int(holder) if holder.isdecimal() else None
        raise DataDirInUse(file.parent, pid) from None
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock


def write_whole(file: Path, text: str) -> None:
    """Write a file whole, readable by its owner alone."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
        fresh.replace(file)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise


def _read(file: Path) -> PartState | None:
    try:
        return PartState.model_validate_json(file.read_text())
    except (OSError, ValidationError):
        return None
