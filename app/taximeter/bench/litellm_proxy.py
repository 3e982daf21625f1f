"""What the callback adds to the CPU of litellm's proxy, per request.

    python -m taximeter.bench.litellm_proxy --proxy-python /opt/proxy/bin/python

litellm[proxy] and Taximeter pin some libraries differently, so the proxy is run by the
Python of an environment of its own, in which aiokafka, cramjam and pydantic are, too;
Taximeter's own code is lent to it. Two proxies run side by side, one with the callback
(events into a real Kafka) and one without; they are asked in turns, with mock answers,
and the CPU time of each process over each turn is what counts: other load on a machine
makes the wall clock lie, and CPU time less so.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import click
import httpx
import psutil

import taximeter
import taximeter_producers
import taximeter_schemas
from taximeter.broker.ladder import broker
from taximeter.logs import say

__all__ = ["main"]

_KEY: Final = "sk-bench-of-the-callback-1234"
_AT_ONCE: Final = 8
_TURNS: Final = 6
_PATIENCE_SECONDS: Final = 600
_SETTLING_SECONDS: Final = 2.0
_MS: Final = 1_000
_CONFIG: Final = """
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-4o-mini, api_key: x, mock_response: Hello}
general_settings: {master_key: %s}
"""
_CALLBACK: Final = "litellm_settings: {callbacks: taximeter.litellm_proxy.callback}\n"


class _Proxy:
    """A proxy in a process of its own."""

    def __init__(self, folder: Path, python: Path, config: str, bootstrap: str) -> None:
        (folder / "config.yaml").write_text(config)
        self.url = f"http://127.0.0.1:{_free_port()}"
        port = self.url.rpartition(":")[2]
        program = [str(python.parent / "litellm"), "--config", "config.yaml"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*program, "--host", "127.0.0.1", "--port", port],
                cwd=folder,
                stdout=log,
                stderr=log,
                env=os.environ | _settings(bootstrap),
            )
        self._seen = psutil.Process(self._process.pid)

    async def ready(self, client: httpx.AsyncClient) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await self._answers(client):
                await asyncio.sleep(1)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.url}/health/liveliness")).is_success
        except httpx.TransportError:
            return False

    async def cpu_ms(self, client: httpx.AsyncClient, requests: int) -> float:
        """Return the CPU milliseconds that each of so many requests took of it."""
        before = self._cpu_seconds()
        left = iter(range(requests))
        await asyncio.gather(*(self._ask(client, left) for _ in range(_AT_ONCE)))
        # Callbacks and their events come a moment behind the answers.
        await asyncio.sleep(_SETTLING_SECONDS)
        return (self._cpu_seconds() - before) / requests * _MS

    async def _ask(self, client: httpx.AsyncClient, left: Iterator[int]) -> None:
        body = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}
        for _ in left:
            answered = await client.post(
                f"{self.url}/v1/chat/completions",
                json=body,
                headers={"Authorization": f"Bearer {_KEY}"},
            )
            answered.raise_for_status()

    def _cpu_seconds(self) -> float:
        times = self._seen.cpu_times()
        return times.user + times.system

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def _settings(bootstrap: str) -> dict[str, str]:
    parts = (taximeter, taximeter_producers, taximeter_schemas)
    folders = [str(Path(str(part.__file__)).parents[1]) for part in parts]
    return {
        "PYTHONPATH": os.pathsep.join(folders),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "TAXIMETER_BOOTSTRAP": bootstrap,
        "TAXIMETER_PREFIX": "bench-proxy.",
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _proxies(python: Path, bootstrap: str) -> Iterator[tuple[_Proxy, _Proxy]]:
    plain = _CONFIG % _KEY
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2)]
        configs = (plain + _CALLBACK, plain)
        both = [
            _Proxy(Path(folder), python, config, bootstrap)
            for folder, config in zip(folders, configs, strict=True)
        ]
        for one in both:
            stack.callback(one.stop)
        yield both[0], both[1]


async def _measure(metered: _Proxy, plain: _Proxy, requests: int) -> dict[str, object]:
    each = requests // _TURNS
    taken: dict[_Proxy, list[float]] = {metered: [], plain: []}
    async with httpx.AsyncClient(timeout=60) as client:
        for one in taken:
            await one.ready(client)
            await one.cpu_ms(client, each)  # warming up
        for turn in range(_TURNS):
            order = (metered, plain) if turn % 2 else (plain, metered)
            for one in order:
                taken[one].append(await one.cpu_ms(client, each))
            say(f"turn {turn + 1}: {taken[metered][-1]:.3f}, {taken[plain][-1]:.3f} ms")
    with_it, without = median(taken[metered]), median(taken[plain])
    return {
        "requests": each * _TURNS,
        "with_ms": round(with_it, 3),
        "without_ms": round(without, 3),
        "added_percent": round((with_it / without - 1) * 100, 2),
        "turns_with_ms": [round(ms, 3) for ms in taken[metered]],
        "turns_without_ms": [round(ms, 3) for ms in taken[plain]],
    }


@click.command()
@click.option(
    "--proxy-python", type=click.Path(path_type=Path, exists=True), required=True
)
@click.option(
    "--requests", type=click.IntRange(_TURNS), default=3_000, show_default=True
)
def main(proxy_python: Path, requests: int) -> None:
    """Print what the callback adds, as JSON: medians over the turns."""
    with (
        tempfile.TemporaryDirectory() as data,
        broker(Path(data), say) as bootstrap,
        _proxies(proxy_python, bootstrap) as (metered, plain),
    ):
        click.echo(
            json.dumps(asyncio.run(_measure(metered, plain, requests)), indent=2)
        )


if __name__ == "__main__":
    main()
