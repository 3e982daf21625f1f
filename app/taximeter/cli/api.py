"""`taximeter api`: the HTTP API alone, as a deployment runs it."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from taximeter.api_tokens import TokenFile
from taximeter.broker.admin import ensure_topics
from taximeter.broker.ports import USUAL_API_PORT, is_free, is_loopback
from taximeter.cli.options import bootstrap_option, data_option, topic_options
from taximeter.logs import configure
from taximeter.settings import ApiSettings, read
from taximeter.state import DataDir, Presence
from taximeter_schemas.errors import ConfigurationError, NotReady

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

__all__ = ["command"]

_UNGUARDED: Final = (
    "whoever reaches {host} could write and read everything: make a token first, "
    "'taximeter tokens create NAME', or let it be open with --open"
)
_LOOK_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 3
_REPORT_SECONDS: Final = 2.0
_OTHER_CONNECTIONS: Final = 500


@click.command()
@data_option
@bootstrap_option
@topic_options
@click.option("--host", metavar="ADDRESS", help="[default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="P",
    help="0 for any free one. Default: 8470, or any free one where that is taken.",
)
@click.option(
    "--open",
    "open_",
    is_flag=True,
    help="Start without tokens also where others can reach it.",
)
def command(
    data: Path,
    bootstrap: str | None,
    prefix: str | None,
    partitions: int | None,
    host: str | None,
    port: int | None,
    *,
    open_: bool,
) -> None:
    """Run the HTTP API."""
    settings = read(
        ApiSettings,
        data=data,
        bootstrap=bootstrap,
        prefix=prefix,
        partitions=partitions,
        api_host=host,
        api_port=port,
        api_open=open_ or None,
    )
    configure()
    place, topics = DataDir(settings.data), settings.topics()
    kafka = place.bootstrap(settings.bootstrap)
    tokens = settings.tokens_file or place.api_tokens
    alone = settings.api_open or is_loopback(settings.api_host)
    if not alone and not TokenFile(tokens).read():
        raise ConfigurationError(_UNGUARDED.format(host=settings.api_host))
    with _listening(settings) as listener:
        asyncio.run(ensure_topics(kafka, topics))
        import uvicorn  # noqa: PLC0415

        from taximeter.api.app import create_app  # noqa: PLC0415
        from taximeter.api.connections import closing_slow_heads  # noqa: PLC0415

        limits = settings.limits()
        app = create_app(
            bootstrap=kafka,
            topics=topics,
            data=place,
            limits=limits,
            tokens=tokens,
            always_tokens=not alone,
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            http=closing_slow_heads(limits.body_seconds),
            # Connections, idle ones too: the last bound, and no request's answer.
            limit_concurrency=limits.requests + _OTHER_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        with Presence(place, "api", kafka) as presence:
            server = uvicorn.Server(config)
            asyncio.run(_serve(server, listener, presence, app))


def _listening(settings: ApiSettings) -> socket.socket:
    host, port = settings.api_host, settings.api_port
    if port is None:
        port = USUAL_API_PORT if is_free(USUAL_API_PORT, host) else 0
    try:
        listener = socket.create_server((host, port), reuse_port=False)
    except OSError as error:
        raise ConfigurationError(
            f"the API cannot listen on {host}:{port} ({error.strerror}): "
            "give another port with --port"
        ) from None
    # What it accepts inherits this. asyncio sets it on sockets of its own making only,
    # and without it each answer on a kept connection waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def _serve(
    server: uvicorn.Server, listener: socket.socket, presence: Presence, app: FastAPI
) -> None:
    # uvicorn raises a signal once more after it has stopped for it; by then the
    # signal has done its work.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    app.state.closing = lambda: server.should_exit  # streams end by themselves
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(_LOOK_SECONDS)
    if server.started:
        presence.ready(api=_url(listener))
        await _reporting(app, presence, serving)
    await serving
    if not server.started:
        raise NotReady("the API did not start; the reason stands above")


async def _reporting(
    app: FastAPI, presence: Presence, serving: asyncio.Task[None]
) -> None:
    """Say how the API stands, whenever that has changed, until it ends."""
    said: dict[str, Any] = {}
    while not serving.done():
        facts = app.state.services.facts()
        if facts != said:
            presence.report(**facts)
            said = facts
        await asyncio.wait({serving}, timeout=_REPORT_SECONDS)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - shown only
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
