"""A broker of a test's own, to be paused, killed and brought back on its port."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from taximeter.broker.admin import wait_for_broker
from taximeter.broker.embedded import EmbeddedKafka, prepare
from taximeter.processes import die_with

__all__ = ["OwnBroker", "own_broker"]

# On a machine with much else to do; a few seconds otherwise.
_BOOT_SECONDS = 180.0


class OwnBroker:
    """An embedded broker as a child process; its data stays when it is killed."""

    def __init__(self, kafka: EmbeddedKafka) -> None:
        self.bootstrap = kafka.bootstrap
        self._kafka = kafka
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._kafka.home / "kafka.log").open("ab") as out:
            self._process = subprocess.Popen(
                self._kafka.command,
                stdout=out,
                stderr=out,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - as the ladder does
            )
        await wait_for_broker(self.bootstrap, _BOOT_SECONDS)

    def kill(self) -> None:
        """End it as the kernel would, paused or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it answer nothing from now on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    async def out_of_reach(self, seconds: float) -> None:
        """Let it answer nothing for so long."""
        assert self._process is not None
        self.freeze()
        await asyncio.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def own_broker(home: Path) -> AsyncIterator[OwnBroker]:
    """Run a broker for as long as the block runs."""
    kafka = await asyncio.to_thread(prepare, home, lambda _: None)
    broker = OwnBroker(kafka)
    try:
        await broker.start()
        yield broker
    finally:
        broker.kill()
