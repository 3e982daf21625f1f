"""An API as it runs for others: a real server on a port, with a ledger and a token."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from taximeter.api.app import create_app
from taximeter.api.connections import closing_slow_heads
from taximeter.api.room import Limits
from taximeter.api_tokens import PERMISSIONS, TokenFile
from taximeter.broker.admin import drop_topics, ensure_topics
from taximeter.state import DataDir
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.topics import Topics
from taximeter_sinks.duckdb_sink import DuckDBSink
from tests.builders import NOON
from tests.waiting import eventually

__all__ = ["ServedApi", "served_api"]


class ServedApi:
    """Where it is, and what a caller needs who may do everything."""

    def __init__(self, bootstrap: str, topics: Topics, port: int, token: str) -> None:
        self.bootstrap = bootstrap
        self.topics = topics
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.headers = {"Authorization": f"Bearer {token}"}


@contextmanager
def served_api(
    bootstrap: str, data: Path, limits: Limits, prefix: str
) -> Iterator[ServedApi]:
    """Serve an API on topics and a ledger of its own, for as long as the block runs."""
    topics = Topics(prefix=prefix, partitions=1)
    asyncio.run(ensure_topics(bootstrap, topics))
    DuckDBSink(DataDir(data).ledger, topics).close()
    file = TokenFile(DataDir(data).api_tokens)
    made = file.create("tests", NOON, PERMISSIONS, rate="100000/second")
    app = create_app(
        bootstrap=bootstrap,
        topics=topics,
        data=DataDir(data),
        clock=ManualClock(NOON),
        limits=limits,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            http=closing_slow_heads(limits.body_seconds),
        )
    )
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        eventually(lambda: server.started)
        port = listener.getsockname()[1]
        yield ServedApi(bootstrap, topics, port, made.text)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        asyncio.run(drop_topics(bootstrap, topics.prefix))
