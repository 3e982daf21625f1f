"""What the commands share: the time and the calls that are meant, and the ledger."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Final, TypeVar

import click

from taximeter.cli.output import REPORT_FORMATS, Format
from taximeter.llm_costs.books import BroughtUp, bring_up_to_date
from taximeter.llm_costs.chores import export_last_month, update_prices
from taximeter.llm_costs.config import CostsConfig, read_config
from taximeter.llm_costs.for_whom import PLAIN_TAG
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.logged_events import sold_as
from taximeter.llm_costs.telling import tell
from taximeter.logs import say
from taximeter.reports.stretches import Asked, first_days, stretch_of
from taximeter.spend_report import Stretch
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = [
    "Meant",
    "chosen_format",
    "format_option",
    "meant_options",
    "opened",
    "tell_what_is_missing",
    "width",
]

F = TypeVar("F", bound=Callable[..., Any])

_PERIODS: Final = ("today", "week", "month", "year", "all")


@dataclass(frozen=True)
class Meant:
    """Which calls somebody asks about, as the options said it."""

    home: Home
    config: CostsConfig
    asked: Asked
    only: Only
    now: datetime

    @property
    def stretch(self) -> Stretch:
        """The stretch of time."""
        return stretch_of(self.asked, self.now)

    @property
    def is_all(self) -> bool:
        """Whether all calls of all time are meant."""
        return self.asked == Asked(zone=self.asked.zone) and not self.only

    def options(self) -> dict[str, Any]:
        """Return it as the options of a `taximeter` command have it."""
        only = {f"only_{name}": tuple(values) for name, values in self.only.items()}
        tags = [
            f"{name.removeprefix('only_tag:')}={value}"
            for name, values in only.items()
            if name.startswith("only_tag:")
            for value in values
        ]
        plain = {k: v for k, v in only.items() if not k.startswith("only_tag:")}
        return {
            "data": self.home.data,
            **self.asked._asdict(),
            **plain,
            "only_tag": tuple(tags),
        }


def meant_options(function: F) -> F:
    """Add the options that say which calls are meant, given as one `meant`."""

    @wraps(function)
    def command(**given: Any) -> Any:  # noqa: ANN401 - the command's own
        home = Home.of_tool()
        config = read_config(home)
        now = SystemClock().now()
        only = _only(given)
        asked = _asked(given, config, now)
        return function(meant=Meant(home, config, asked, only, now), **given)

    for option in reversed(_OPTIONS):
        option(command)
    return command  # type: ignore[return-value]


def format_option(function: F) -> F:
    """Add `--format`, given as `output`; None where the person has set one."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(REPORT_FORMATS),
        help="table, json, csv or md.  [default: as costs.yaml says, or table]",
    )(function)


_OPTIONS: Final = (
    click.option("--period", type=click.Choice(_PERIODS), help="Up to now."),
    click.option("--week", is_flag=True, help="This week."),
    click.option("--from", "start", metavar="DATE", help="Included."),
    click.option("--to", "end", metavar="DATE", help="Not included."),
    click.option("--last", metavar="LENGTH", help="24h, 7d, 4w, 3m or 1y."),
    click.option("--month", metavar="YYYY-MM", help="One month."),
    click.option("--year", metavar="YYYY", help="One year."),
    click.option("--tz", "zone", metavar="ZONE", help="[default: your own]"),
    click.option("--model", "models", multiple=True, metavar="M", help="Only of M."),
    click.option("--project", "projects", multiple=True, metavar="P", help="For it."),
    click.option("--tag", "tagged", multiple=True, metavar="NAME[=VALUE]"),
    click.option("--conversation", "threads", multiple=True, metavar="ID"),
)


def _only(given: dict[str, Any]) -> Only:
    sold = [sold_as(name) for name in given.pop("models")]
    tags: dict[str, list[str]] = {}
    for text in given.pop("tagged"):
        name, _, value = text.partition("=")
        tags.setdefault(f"tag:{name}", []).append(value or PLAIN_TAG)
    only = {
        "model": [model for _, model in sold],
        "project": list(given.pop("projects")),
        "conversation": list(given.pop("threads")),
        **tags,
    }
    return {name: values for name, values in only.items() if values}


def _asked(given: dict[str, Any], config: CostsConfig, now: datetime) -> Asked:
    words = {name: given.pop(name) for name in Asked._fields}
    period, week = given.pop("period"), given.pop("week")
    words["zone"] = zone = words["zone"] or config.zone
    period = period or ("week" if week else None)
    if period is None:
        return Asked(**words)
    if any(value for name, value in words.items() if name != "zone"):
        raise ConfigurationError("give one way to say the time, not two")
    return Asked(start=_first(period, now, zone), zone=zone)


def _first(period: str, now: datetime, zone: str) -> str | None:
    today, monday, first = first_days(now, zone)
    days = {"today": today, "week": monday, "month": first}
    days["year"] = today.replace(month=1, day=1)
    return days[period].isoformat() if period in days else None


@contextmanager
def opened(meant: Meant) -> Iterator[Ledger]:
    """Bring the ledger up to date, tell of what that raised, and open it."""
    brought = bring_up_to_date(meant.home, meant.config, meant.now)
    _tell_of(brought, meant.home)
    update_prices(meant.home, meant.config, meant.now)
    with Ledger.open(meant.home.ledger) as ledger:
        export_last_month(meant.home, meant.config, ledger, meant.now)
        yield ledger


def _tell_of(brought: BroughtUp, home: Home) -> None:
    tell(home, brought.alerts)
    if brought.unreadable:
        say(f"{brought.unreadable} rows of the log could not be read: they are kept")


_UNSURE: Final = """
    SELECT count(*) FILTER (usage_source = 'estimated'),
        count(*) FILTER (cost_usd IS NULL),
        (SELECT count(*) FROM dead_letters WHERE retried_at IS NULL)
    FROM charges WHERE kind = 'charge'
"""


def tell_what_is_missing(ledger: Ledger) -> None:
    """Say what no sum can say: calls without a price, without tokens, unread."""
    ((estimated, unpriced, kept),) = ledger.sql(_UNSURE).rows
    if unpriced:
        say(
            f"{unpriced:,} calls have no known price and are in no sum: "
            "'llm costs pricing --missing' shows which"
        )
    if estimated:
        say(f"{estimated:,} calls state no tokens: theirs are estimated by length")
    if kept:
        say(f"{kept:,} calls are not understood and in no sum: dead_letters has them")


def chosen_format(meant: Meant, output: Format | None) -> Format:
    """Return the format that was asked for, or is set."""
    return output or meant.config.reports.format


def width() -> int:
    """Return how wide a chart may be."""
    import shutil  # noqa: PLC0415

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
