"""`llm costs set-alerts`, `test-alert` and `alerts`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import click
import yaml

from taximeter.cli.output import Format, write_rows
from taximeter.llm_costs.commands.asked import (
    Meant,
    chosen_format,
    format_option,
    meant_options,
    opened,
)
from taximeter.llm_costs.commands.spread import Spread
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import budget_events, budgets_in_force, keep
from taximeter.llm_costs.kept_thresholds import keep_thresholds
from taximeter.llm_costs.setting_budgets import percents
from taximeter.llm_costs.telling import routes_file
from taximeter.logs import say
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError, NotDelivered

__all__ = ["alerts", "set_alerts", "test_alert"]

_METHODS: Final = ("terminal", "email", "webhook")
_RAISED: Final = (
    "raised_at",
    "event_type",
    "budget_id",
    "subject_kind",
    "subject_id",
    "threshold_percent",
    "spent_usd",
    "limit_usd",
)


@click.command("set-alerts", cls=Spread, spread=("--thresholds",))
@click.option("--thresholds", multiple=True, metavar="SHARE …", help="0.75 0.9 1.0")
@click.option("--method", "methods", multiple=True, help="terminal, email, webhook.")
@click.option("--email", metavar="NAME@HOST", help="Whom to write to.")
@click.option("--server", metavar="smtp[s]://[USER:PASSWORD@]HOST", help="By what.")
@click.option("--sender", metavar="NAME@HOST", help="From whom.  [default: the same]")
@click.option("--url", metavar="URL", help="A webhook of Slack, Discord, Teams, …")
@click.option("--test", is_flag=True, help="Send one that nothing has raised.")
@click.pass_context
def set_alerts(
    ctx: click.Context,
    /,
    thresholds: tuple[str, ...],
    methods: tuple[str, ...],
    *,
    test: bool,
    **targets: str | None,
) -> None:
    """Say at which shares of a budget to be told, and how.

    Shares hold for all budgets that there are, and for later ones. Methods are written
    to notify.yaml, which may hold much more: docs/alerts.md. Any address that Apprise
    knows is a --url.
    """
    home = Home.of_tool()
    if thresholds:
        _set_thresholds(home, percents(thresholds))
    named = [name.strip() for text in methods for name in text.split(",")]
    if named:
        _set_routes(home, list(_routes(named, targets)))
    if not (thresholds or named or test):
        raise ConfigurationError("give --thresholds, --method or both")
    if test:
        ctx.invoke(test_alert)


@click.command("test-alert")
def test_alert() -> None:
    """Send an alert that nothing has raised, along each route."""
    home = Home.of_tool()
    if not routes_file(home).exists():
        say("llm costs: this is how an alert looks; nothing has raised it")
        return
    # They need what only who has routes has installed.
    from taximeter.notify.config import read_config  # noqa: PLC0415
    from taximeter.notify.targets import open_targets  # noqa: PLC0415
    from taximeter.notify.trial import try_route  # noqa: PLC0415

    config = read_config(routes_file(home))
    clock = SystemClock()
    targets = open_targets(config, clock)
    faults: list[str] = []
    for route in config.routes:
        attempt = try_route(config, route, targets[route.name], clock.now())
        try:
            asyncio.run(attempt)
            say(f"{route.name}: accepted")
        except NotDelivered as error:
            faults.append(str(error))
    if faults:
        raise click.ClickException("; ".join(faults))


@click.command()
@meant_options
@format_option
def alerts(meant: Meant, output: Format | None) -> None:
    """Show the alerts that were raised, the latest first."""
    with opened(meant) as ledger:
        rows = ledger.alerts(1_000).named()
    write_rows(rows, chosen_format(meant, output), _RAISED)
    if not rows:
        say("no alert has been raised")


def _set_thresholds(home: Home, shares: tuple[int, ...]) -> None:
    keep_thresholds(home, shares)
    now = SystemClock().now()
    budgets = budgets_in_force(budget_events(home)).values()
    changed = {"thresholds_percent": shares, "defined_at": now}
    keep(home, [budget.model_copy(update=changed) for budget in budgets])
    said = ", ".join(f"{share}%" for share in shares)
    say(f"you are told at {said} of a budget")


def _set_routes(home: Home, routes: list[dict[str, Any]]) -> None:
    file = routes_file(home.made())
    text = yaml.safe_dump({"routes": routes}, sort_keys=False)
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    say(f"alerts go to {', '.join(route['name'] for route in routes)} ({file})")


def _routes(
    methods: list[str], targets: dict[str, str | None]
) -> Iterator[dict[str, Any]]:
    for method in methods:
        if method == "terminal":
            yield {"name": method, "terminal": True}
        elif method == "email":
            yield {"name": method, "email": _mail(targets)}
        elif method == "webhook":
            yield {"name": method, "to": _given(targets, "url", method)}
        else:
            known = ", ".join(_METHODS)
            raise ConfigurationError(f"{method!r} is no method: there are {known}")


def _mail(targets: dict[str, str | None]) -> dict[str, object]:
    to = _given(targets, "email", "email")
    return {
        "server": _given(targets, "server", "email"),
        "from": targets["sender"] or to,
        "to": [to],
    }


def _given(targets: dict[str, str | None], name: str, method: str) -> str:
    value = targets[name]
    if not value:
        raise ConfigurationError(f"--method {method} needs --{name}")
    return value
