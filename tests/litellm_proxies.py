"""A real litellm proxy in a process of its own, without a database.

Its pins and ours exclude each other (polars, rich, websockets), so it has an
environment of its own, made once and kept in the cache directory.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.running_system import environment
from tests.waiting import eventually

__all__ = ["EXAMPLE", "Proxy", "proxy_python"]

ROOT: Final = Path(__file__).parents[1]
EXAMPLE: Final = ROOT / "examples" / "litellm_proxy.yaml"
PINS: Final = ROOT / "tests" / "data" / "litellm_proxy_constraints.txt"
NEEDED: Final = ("litellm[proxy]==1.106.2", "aiokafka", "cramjam", "pydantic")
SOURCES: Final = ("app", "producers", "schemas", "processors", "sinks")

# Whose a key is, the proxy would look up in its database.
AUTH: Final = """
from litellm.proxy._types import UserAPIKeyAuth

KEYS = {
    "sk-growth": {
        "api_key": "hash-of-growth", "user_id": "ada", "team_id": "team-7f",
        "team_alias": "growth", "key_alias": "search-prod",
    },
    "sk-plain": {"api_key": "hash-of-plain"},
}

async def known(request, api_key):
    found = KEYS.get(api_key)
    if found is None:
        raise Exception("no such key")
    return UserAPIKeyAuth(metadata={"allow_client_mock_response": True}, **found)
"""


def proxy_python() -> Path:
    """Return the Python of an environment with the proxy; made the first time."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    pinned = hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]
    where = Path(home) / "taximeter" / f"litellm-proxy-{pinned}"
    where.parent.mkdir(parents=True, exist_ok=True)
    with where.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (where / "done").exists():
            _install(where)
            (where / "done").touch()
    return where / "bin" / "python"


def _install(where: Path) -> None:
    shutil.rmtree(where, ignore_errors=True)
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    if Path(uv).exists():
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(where)]
        pip = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(where / "bin" / "python"),
        ]
    else:
        make = [sys.executable, "-m", "venv", str(where)]
        pip = [str(where / "bin" / "pip"), "install", "--quiet"]
    subprocess.run(make, check=True)
    subprocess.run([*pip, "-c", str(PINS), *NEEDED], check=True)


class Proxy:
    """One proxy, with the example's configuration; what it says is in `log`.

    Args:
        folder: where its files are written.
        beside: YAML that is laid over the example's.
        settings: of its environment.
    """

    def __init__(self, folder: Path, beside: str, **settings: str) -> None:
        (folder / "auth.py").write_text(AUTH)
        (folder / "beside.yaml").write_text(beside)
        shutil.copy(EXAMPLE, folder / EXAMPLE.name)
        # What is included later wins, section by section.
        included = f"include: [{EXAMPLE.name}, beside.yaml]"
        (folder / "config.yaml").write_text(included)
        self.log = folder / "log"
        self.url = f"http://127.0.0.1:{_free_port()}"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    str(proxy_python().parent / "litellm"),
                    *("--config", "config.yaml", "--host", "127.0.0.1"),
                    *("--port", self.url.rpartition(":")[2]),
                ],
                cwd=folder,
                stdout=out,
                stderr=out,
                env=_environment() | settings,
            )

    def ready(self) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-2_000:]
            try:
                return httpx.get(f"{self.url}/health/liveliness").status_code == 200
            except httpx.TransportError:
                return False

        eventually(answers, 300)

    def post(self, path: str, key: str, **body: object) -> httpx.Response:
        """Send one request with a key."""
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=60)

    def chat(
        self, model: str, key: str = "sk-growth", **more: object
    ) -> httpx.Response:
        """Ask a model."""
        messages = [{"role": "user", "content": "a planted secret"}]
        body = {"model": model, "messages": messages, **more}
        return self.post("/v1/chat/completions", key, **body)

    def stop(self) -> int:
        """Stop it as a supervisor does; return its exit code."""
        self.process.terminate()
        return self.process.wait(60)


_ITS_OWN: Final = {
    "PYTHONPATH": os.pathsep.join(str(ROOT / source) for source in SOURCES),
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MASTER_KEY": "sk-master-of-the-tests-1234",
    "OPENAI_API_KEY": "sk-planted-openai",
    "ANTHROPIC_API_KEY": "sk-planted-anthropic",
    "LITELLM_TELEMETRY": "False",
}


def _environment() -> dict[str, str]:
    # Compiled once and kept: uncompiled, the proxy takes 20 s to be imported.
    around = environment()
    around.pop("PYTHONDONTWRITEBYTECODE", None)
    return around | _ITS_OWN


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def proxy(folder: Path, beside: str, **settings: str) -> Iterator[Proxy]:
    """Have a proxy that answers for as long as the block runs."""
    running = Proxy(folder, beside, **settings)
    try:
        running.ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()
