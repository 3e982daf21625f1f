"""`taximeter demo`: see it work, on a real trace through the whole system."""

from __future__ import annotations

import asyncio
import signal
from datetime import datetime
from pathlib import Path
from typing import Literal

import click

from taximeter.cli.output import write_object
from taximeter_schemas.clock import SystemClock

__all__ = ["command"]


@click.command()
@click.option(
    "--events",
    type=click.IntRange(1),
    metavar="N",
    help="How many calls; more than the trace has repeat it.  [default: all of it]",
)
@click.option("--seed", type=int, default=1, show_default=True, metavar="S")
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
@click.option(
    "--notify",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Also deliver the alerts, along the routes of this file.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What is printed at the end.",
)
@click.option(
    "--bootstrap",
    envvar="TAXIMETER_BOOTSTRAP",
    metavar="HOST:PORT",
    help="A Kafka to use, with topics of the demo's own. Default: the embedded one.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="A fresh directory. Default: a temporary one.",
)
def command(
    *,
    events: int | None,
    seed: int,
    keep: bool,
    notify: Path | None,
    output: Literal["table", "json"],
    bootstrap: str | None,
    data: Path | None,
) -> int:
    """Bring everything up, replay a real trace, and print what it cost.

    The trace is an hour of a real conversation service; its users, projects and
    models are invented, the same ones for the same seed. Exit code 1 if the audit
    finds any difference.
    """
    try:
        where = bootstrap, data, notify
        return asyncio.run(_demo(events, seed, *where, output, keep=keep))
    except asyncio.CancelledError:  # SIGTERM; everything has been stopped
        raise click.Abort from None


async def _demo(
    events: int | None,
    seed: int,
    bootstrap: str | None,
    data: Path | None,
    notify: Path | None,
    output: str,
    *,
    keep: bool,
) -> int:
    # Seconds of imports: only after what can be wrong has been found.
    from rich.console import Console  # noqa: PLC0415

    from taximeter.demo.closing import print_closing  # noqa: PLC0415
    from taximeter.demo.run import Ride, place, ride, system  # noqa: PLC0415
    from taximeter.demo.screen import screen_for  # noqa: PLC0415
    from taximeter.demo.trace import read_trace  # noqa: PLC0415
    from taximeter.reading import open_ledger  # noqa: PLC0415

    _end_on_sigterm()
    trace, screen = read_trace(), screen_for(Console(stderr=True, highlight=False))
    todo = Ride(trace, events or len(trace), seed, _today())
    with place(data, keep=keep) as where, screen:
        bringing_up = system(where, bootstrap, screen, keep=keep, notify=notify)
        async with bringing_up as (plan, up):
            outcome = await ride(todo, plan, up, screen)
            screen.finish()
            if output == "json":
                write_object(outcome.as_facts())
            else:
                with open_ledger(where) as ledger:
                    print_closing(Console(highlight=False), ledger, outcome)
    return 0 if outcome.audit.ok else 1


def _end_on_sigterm() -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _today() -> datetime:
    now = SystemClock().now()
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
