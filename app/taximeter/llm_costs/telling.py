"""Alerts to the person: on the terminal, or along the routes of `notify.yaml`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import click

from taximeter.alert_words import alert_words, plain_usd
from taximeter.llm_costs.home import Home
from taximeter_schemas.alerts import Alert, BudgetThresholdCrossed

__all__ = ["routes_file", "tell", "what_is_left"]

_DAY_SECONDS: Final = 86_400


def tell(home: Home, alerts: Sequence[Alert]) -> None:
    """Tell of alerts that have just been raised; each is raised once.

    Without a `notify.yaml` on the terminal. What cannot be delivered is told there
    too, with the reason; it is not tried again.
    """
    if not alerts:
        return
    if not routes_file(home).exists():
        for alert in alerts:
            _say(alert)
        return
    # In a thread, for the caller's may have a running loop already.
    with ThreadPoolExecutor(max_workers=1) as thread:
        faults = thread.submit(asyncio.run, _deliver(home, alerts)).result()
    for fault in faults:
        click.echo(f"llm costs: {fault}", err=True)


def routes_file(home: Home) -> Path:
    """Return where the routes stand, as `taximeter notify` reads them."""
    return home.path / "notify.yaml"


def what_is_left(alert: Alert) -> str:
    """Return how much of a budget is left for how long, and what to do about it.

    Of other alerts, and of budgets in tokens or calls, nothing is said.
    """
    if not isinstance(alert, BudgetThresholdCrossed) or alert.limit_usd is None:
        return ""
    left = alert.limit_usd - alert.spent_usd
    how = f"{alert.threshold_percent}% is reached"
    until = ""
    if alert.period_end is not None:
        days = (alert.period_end - alert.raised_at).total_seconds() / _DAY_SECONDS
        until = f" for {max(days, 0):.1f} days"
    if left <= 0:
        return f"; {how}, nothing is left{until}"
    return (
        f"; {how}, {plain_usd(left)} USD are left{until}: a cheaper model makes them "
        "last longer"
    )


def _say(alert: Alert) -> None:
    words = f"llm costs: {alert_words(alert)}{what_is_left(alert)}"
    click.echo(click.style(words, fg="yellow"), err=True)


async def _deliver(home: Home, alerts: Sequence[Alert]) -> list[str]:
    from taximeter.notify.alert import read_alert  # noqa: PLC0415 - only with routes
    from taximeter.notify.config import read_config  # noqa: PLC0415
    from taximeter.notify.messages import Message, message_id_of  # noqa: PLC0415
    from taximeter.notify.targets import open_targets  # noqa: PLC0415
    from taximeter.notify.targets.refused import Refused  # noqa: PLC0415
    from taximeter_schemas.clock import SystemClock  # noqa: PLC0415

    config = read_config(routes_file(home))
    targets = open_targets(config, SystemClock())
    read = [read_alert(alert.model_dump_json().encode()) for alert in alerts]
    faults: list[str] = []
    for route in config.routes:
        pairs = zip(alerts, read, strict=True)
        covered = [pair for pair in pairs if route.match.covers(pair[1])]
        if route.terminal or not covered:
            for alert, _ in covered:
                _say(alert)  # not on stdout, which is the answer's
            continue
        theirs = [one for _, one in covered]
        identity = message_id_of(route.name, (one.alert_id for one in theirs))
        message = Message.of(identity, route.name, theirs, route.texts)
        try:
            await targets[route.name].send(message)
        except Refused as error:
            faults.append(f"{route.name}: {config.secrets.hidden(error.reason)}")
    return faults
