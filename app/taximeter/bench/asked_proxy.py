"""A litellm proxy in a process of its own, and the CPU time that requests take."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import clock_gettime
from typing import Final

import httpx

import taximeter
import taximeter_producers
import taximeter_schemas
from taximeter.broker.ports import HOST, free_port

__all__ = ["AskedProxy"]

_KEY: Final = "sk-bench-of-the-callback-1234"
_AT_ONCE: Final = 8
_PATIENCE_SECONDS: Final = 600
_STOP_SECONDS: Final = 60
_SETTLING_SECONDS: Final = 1.0
_MS: Final = 1_000
_CONFIG: Final = """
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-4o-mini, api_key: x, mock_response: Hello}
general_settings: {master_key: %s}
"""


class AskedProxy:
    """One proxy with mock answers.

    Args:
        folder: where its configuration and its log are.
        python: of an environment with litellm[proxy].
        bootstrap: where Kafka is.
        callback: what its configuration names; none without it.
    """

    def __init__(
        self, folder: Path, python: Path, bootstrap: str, callback: str | None
    ) -> None:
        named = f"litellm_settings: {{callbacks: {callback}}}\n" if callback else ""
        (folder / "config.yaml").write_text(_CONFIG % _KEY + named)
        self.times = folder / "times.json"
        port = free_port()
        self._url = f"http://{HOST}:{port}"
        program = [str(python.parent / "litellm"), "--config", "config.yaml"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*program, "--host", HOST, "--port", str(port)],
                cwd=folder,
                stdout=log,
                stderr=log,
                env=os.environ | _settings(bootstrap, self.times),
            )
        self._clock = _cpu_clock_of(self._process.pid)

    async def ready(self, client: httpx.AsyncClient) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await self._answers(client):
                await asyncio.sleep(1)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            answer = await client.get(f"{self._url}/health/liveliness")
        except httpx.TransportError:
            return False
        return answer.is_success

    async def cpu_ms(self, client: httpx.AsyncClient, requests: int) -> float:
        """Return the CPU milliseconds that each of so many requests took of it."""
        before = clock_gettime(self._clock)
        left = iter(range(requests))
        await asyncio.gather(*(self._ask(client, left) for _ in range(_AT_ONCE)))
        # Callbacks and their events come a moment behind the answers.
        await asyncio.sleep(_SETTLING_SECONDS)
        return (clock_gettime(self._clock) - before) / requests * _MS

    async def _ask(self, client: httpx.AsyncClient, left: Iterator[int]) -> None:
        body = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}
        for _ in left:
            answered = await client.post(
                f"{self._url}/v1/chat/completions",
                json=body,
                headers={"Authorization": f"Bearer {_KEY}"},
            )
            answered.raise_for_status()

    def stop(self) -> None:
        """Stop it as a supervisor does, or end it."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _settings(bootstrap: str, times: Path) -> dict[str, str]:
    parts = (taximeter, taximeter_producers, taximeter_schemas)
    folders = [str(Path(str(part.__file__)).parents[1]) for part in parts]
    return {
        "PYTHONPATH": os.pathsep.join(folders),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "TAXIMETER_BOOTSTRAP": bootstrap,
        "TAXIMETER_PREFIX": "bench-proxy.",
        "TAXIMETER_BENCH_TIMES": str(times),
    }


def _cpu_clock_of(pid: int) -> int:
    """Return the clock of another process's CPU time, to the nanosecond.

    What /proc says of it, and so psutil, comes in steps of 10 ms.
    """
    clock = ctypes.c_int()
    wrong = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    if wrong:
        raise OSError(wrong, os.strerror(wrong))
    return clock.value
