"""`taximeter up`: everything, supervised, in the foreground."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import click

from taximeter.cli.options import bootstrap_option, data_option, topic_options
from taximeter.logs import say
from taximeter.settings import ApiSettings, read
from taximeter.state import DataDir
from taximeter.system import Plan, running

__all__ = ["command"]


@click.command()
@data_option
@bootstrap_option
@topic_options
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="P",
    help="The API's port; 0 for any free one. Default: 8470, or any free one.",
)
@click.option(
    "--notify",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Also deliver alerts, along the routes of this file.",
)
def command(
    data: Path,
    bootstrap: str | None,
    prefix: str | None,
    partitions: int | None,
    workers: int,
    port: int | None,
    notify: Path | None,
) -> None:
    """Run broker (unless one is given), workers, sink and API.

    Prints one line, `ready …`, with the URLs when everything is. A part that dies is
    started again. SIGTERM and Ctrl-C stop everything cleanly.
    """
    settings = read(
        ApiSettings,
        data=data,
        bootstrap=bootstrap,
        prefix=prefix,
        partitions=partitions,
        api_port=port,
    )
    plan = Plan(
        data=DataDir(settings.data),
        topics=settings.topics(),
        bootstrap=settings.bootstrap or None,
        workers=workers,
        api_port=settings.api_port,
        notify=notify.absolute() if notify else None,
    )
    asyncio.run(_until_told(plan))


async def _until_told(plan: Plan) -> None:
    """Run until a signal; one that comes while things start ends the start."""
    running_up = asyncio.create_task(_up(plan))
    told = False

    def stop() -> None:
        nonlocal told
        if not told:  # a second one must not interrupt the stopping
            told = True
            say("stopping")
            running_up.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await running_up


async def _up(plan: Plan) -> None:
    async with running(plan, say) as addresses:
        click.echo(f"ready {addresses}")
        await asyncio.Event().wait()
