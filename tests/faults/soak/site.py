"""A whole running system, what emits into it, and what is done to both."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Final

from taximeter.broker.admin import wait_for_broker
from taximeter_schemas.topics import Topics
from tests.faults.soak.emission import Emission
from tests.faults.soak.plan import Fault
from tests.faults.soak.traffic import Traffic
from tests.running_system import TAXIMETER, Running, environment
from tests.waiting import eventually

__all__ = ["FURTHER", "TOPICS", "Site", "a_site"]

# Six: two workers have three each, and a third one takes one from both. Of four,
# Faust would leave it none.
TOPICS: Final = Topics(partitions=6)
FURTHER: Final = "worker-3"
_BACK_SECONDS: Final = 60.0
_READY_SECONDS: Final = 60.0


class Site:
    """Two workers, sink, API and broker as `taximeter up` runs them, and a stream.

    Args:
        running: the system.
        emission: what emits.
        settings: the variables that the system was given.
    """

    def __init__(
        self, running: Running, emission: Emission, settings: dict[str, str]
    ) -> None:
        self.running = running
        self.emission = emission
        self._settings = settings
        self._further: subprocess.Popen[bytes] | None = None

    def inject(self, fault: Fault) -> str:
        """Do it, and say what was done; returns when the fault itself is over."""
        match fault.kind:
            case "kill -9 of the emitting process":
                self.emission.kill()
            case "a worker frozen past its session":
                name = "worker-1" if fault.other_way else "worker-2"
                self._frozen(name, fault.lasts_seconds)
                return f"{name} frozen for {fault.lasts_seconds:.1f} s"
            case "the broker out of reach":
                self._frozen("broker", fault.lasts_seconds)
                return f"{fault.kind} for {fault.lasts_seconds:.1f} s"
            case "a further worker joins or leaves":
                return self._moved(killed=fault.other_way)
            case _:
                self._signal(fault.kind.split()[-1], signal.SIGKILL)
        return fault.kind

    def ask_for_stacks(self) -> None:
        """Have every worker write what its tasks wait for into its log."""
        for state in self.running.data.states():
            if state.name.startswith("worker-") and state.running:
                with suppress(ProcessLookupError):
                    os.kill(state.pid, signal.SIGUSR1)

    def close(self) -> None:
        """End everything that runs."""
        self.emission.close()
        self.without_further()
        self.running.stop()

    def without_further(self) -> None:
        """Ask the further worker, if there is one, to leave."""
        if self._further is not None:
            self._further.terminate()
            try:
                self._further.wait(_BACK_SECONDS)
            finally:
                self._further.kill()
            self._further = None

    def _signal(self, name: str, number: signal.Signals) -> int:
        pid = eventually(lambda: self.running.pid(name), _BACK_SECONDS)
        assert pid
        os.kill(pid, number)
        return pid

    def _frozen(self, name: str, seconds: float) -> None:
        pid = self._signal(name, signal.SIGSTOP)
        sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    def _moved(self, *, killed: bool) -> str:
        if self._further is None:
            self._further = self._joined()
            return f"{FURTHER} joins"
        if killed:
            self._further.kill()
            self._further.wait()
            self._further = None
            return f"kill -9 of {FURTHER}"
        self.without_further()
        return f"{FURTHER} leaves"

    def _joined(self) -> subprocess.Popen[bytes]:
        data, kafka = self.running.data, self.running.urls["kafka"]
        # Alone it would end where a supervised one is started once Kafka is there.
        asyncio.run(wait_for_broker(kafka, _BACK_SECONDS))
        where = ("--data", str(data.path), "--bootstrap", kafka)
        with (data.logs / f"{FURTHER}.log").open("ab") as log:
            worker = subprocess.Popen(
                [*TAXIMETER, "worker", *where, "--name", FURTHER],
                stdout=log,
                stderr=log,
                env=environment() | self._settings,
            )
        eventually(lambda: self.running.pid(FURTHER) == worker.pid, _READY_SECONDS)
        return worker


@contextmanager
def a_site(data: Path, traffic: Traffic, **settings: str) -> Iterator[Site]:
    """Run a system for as long as the block runs."""
    settings |= {"TAXIMETER_PARTITIONS": str(TOPICS.partitions)}
    running = Running(data, "--workers", "2", **settings)
    assert running.line.startswith("ready"), running.line
    emission = Emission(running.urls["kafka"], traffic, data / "logs" / "emitter.log")
    site = Site(running, emission, settings)
    try:
        yield site
    finally:
        site.close()
