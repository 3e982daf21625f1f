"""`taximeter notify`: carries alerts to people, and says whether it could."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import click

from taximeter.broker.admin import ensure_topics
from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import configure, say
from taximeter.notify.config import NotifyConfig, read_config
from taximeter.notify.delivery_state import DeliveryState
from taximeter.notify.details import LedgerDetails
from taximeter.notify.hiding import hide_in_logs
from taximeter.notify.resend import ask_again, given_up_deliveries
from taximeter.notify.run import Notifier
from taximeter.notify.targets import Target, open_targets
from taximeter.notify.trial import try_route
from taximeter.reading import open_ledger
from taximeter.settings import NotifySettings, read
from taximeter.state import Presence
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import TaximeterError

__all__ = ["command"]

_CLOCK: Final = SystemClock()
_log: Final = logging.getLogger(__name__)


def _or_before(
    ctx: click.Context, _: click.Parameter, config: Path | None
) -> Path | None:
    """Return what was given here, or before the subcommand's name."""
    before: Path | None = ctx.parent.params.get("config") if ctx.parent else None
    return config or before


_config_option: Final = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_or_before,
    metavar="FILE",
    help="Routes and targets.  [default: notify.yaml]",
)


@click.group(invoke_without_command=True)
@where_options
@_config_option
@click.option(
    "--from-start",
    is_flag=True,
    help="The first time: deliver what was raised before, too.",
)
def command(where: Where, config: Path | None, *, from_start: bool) -> None:
    """Deliver alerts to Slack, Teams, Discord, e-mail, webhooks and others.

    Routes stand in a YAML file. Each alert goes along each of its routes once,
    however often this is restarted; what cannot be delivered becomes a dead letter.
    """
    if click.get_current_context().invoked_subcommand is None:
        asyncio.run(_until_told(where, *_read(config), from_start=from_start))


@command.command("check")
@_config_option
def check(config: Path | None) -> None:
    """Read the file and open every target, without sending anything."""
    routes, _ = _read(config)
    for route in routes.routes:
        click.echo(f"{route.name}: {route.target}")


@command.command("test")
@click.argument("route")
@_config_option
def test(route: str, config: Path | None) -> None:
    """Send a made-up alert along ROUTE, now."""
    routes, targets = _read(config)
    chosen = routes.route(route)
    asyncio.run(try_route(routes, chosen, targets[route], _CLOCK.now()))
    say(f"route {route}: its target has accepted a message")


@command.command("resend")
@where_options
@format_option
@click.option("--route", default="*", metavar="PATTERN", help="Of these routes.")
@click.option("--alert", type=click.UUID, metavar="ID", help="Only this alert.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and no more.")
def resend(
    where: Where, output: Format, route: str, alert: UUID | None, *, dry_run: bool
) -> None:
    """Deliver once more what was given up after the last attempt.

    The notifier does it: the one that runs now, or the next one that is started.
    """
    found = asyncio.run(given_up_deliveries(where.kafka(), where.topics, route, alert))
    if found and not dry_run:
        asyncio.run(ask_again(where.kafka(), where.topics, found, _CLOCK.now()))
    rows = [failed.model_dump(mode="json") for failed in found]
    write_rows(rows, output, _GIVEN_UP, "Given up")
    say(f"{len(found)} deliveries {'would be' if dry_run else 'are'} attempted anew")


_GIVEN_UP: Final = ("alert_id", "route", "attempts", "failed_at", "reason")


def _read(config: Path | None) -> tuple[NotifyConfig, dict[str, Target]]:
    file = read(NotifySettings, notify_config=config).notify_config
    routes = read_config(file)
    configure()
    hide_in_logs(routes.secrets)
    return routes, open_targets(routes, _CLOCK)


async def _until_told(
    where: Where, config: NotifyConfig, targets: dict[str, Target], *, from_start: bool
) -> None:
    kafka, link = where.kafka(), read(NotifySettings).public_url
    await ensure_topics(kafka, where.topics)
    with Presence(where.data, "notify", kafka) as presence:

        def ready() -> None:
            presence.ready()
            names = ", ".join(route.name for route in config.routes)
            say(f"delivering alerts along {names}; Ctrl-C ends it")

        def told(state: DeliveryState) -> None:
            presence.report(
                waiting_deliveries=state.count,
                delivered=state.delivered,
                failed_deliveries=state.failed,
                last_flush_at=_CLOCK.now().isoformat(),
            )

        notifier = Notifier(
            bootstrap=kafka,
            topics=where.topics,
            config=config,
            targets=targets,
            clock=_CLOCK,
            from_start=from_start,
            ready=ready,
            told=told,
            details=LedgerDetails(partial(open_ledger, where.data, 0.0), link),
        )
        working = asyncio.create_task(notifier.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, working.cancel)
        with suppress(asyncio.CancelledError):
            await _logged(working)


async def _logged(working: asyncio.Task[None]) -> None:
    """Wait; what nobody expected goes into the log, which holds no secret."""
    try:
        await working
    except TaximeterError:
        raise
    except Exception as error:
        _log.exception("notify ends")
        raise TaximeterError(f"notify ends: {type(error).__name__}") from None
