"""What `costs.yaml` wants done now and then, done when somebody looks at costs.

There is no process that could do it at its hour; whoever looks rarely finds it done
then.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from taximeter.cli.output import jsonable
from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_prices import keep_prices, price_books
from taximeter.llm_costs.newer_prices import PUBLISHED, newer_list
from taximeter.logs import say
from taximeter.reports.exports.writing import Wanted, export, format_of
from taximeter.reports.stretches import first_days, month_stretch
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.queries import Ledger

__all__ = ["export_last_month", "update_prices"]


def export_last_month(
    home: Home, config: CostsConfig, ledger: Ledger, now: datetime
) -> None:
    """Write the report of the month before this one, unless it is there already."""
    folder = config.reports.export_dir
    if folder is None:
        return
    month = f"{first_days(now, config.zone)[2] - timedelta(days=1):%Y-%m}"
    file = folder.expanduser() / f"llm-costs-{month}.{config.reports.export_as}"
    stretch = month_stretch(month, config.zone)
    if file.exists() or not ledger.totals(stretch.start, stretch.end).calls:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    wanted = Wanted(format_of(file, None), (), stretch, {}, "llm")
    export(ledger, wanted, file, now, lambda: price_books(home).book_at(now), jsonable)
    say(f"wrote {file}")


def update_prices(home: Home, config: CostsConfig, now: datetime) -> None:
    """Take a newer price list over, if the last look was long enough ago.

    What goes wrong is told, and is no reason not to show costs.
    """
    days = config.prices.update_every_days
    noted = home.data / "prices-looked-at"
    if days is None or _is_fresh(
        noted.read_text() if noted.exists() else "", days, now
    ):
        return
    noted.write_text(now.isoformat())
    try:
        version, _ = newer_list(
            price_books(home), config.prices.source or PUBLISHED, now
        )
    except ConfigurationError as error:
        say(f"llm costs: prices stay as they are: {error}")
        return
    if version.entries:
        keep_prices(home, [version])
        say(f"{version.price_version} is in force from now on")


def _is_fresh(written: str, days: int, now: datetime) -> bool:
    return bool(written) and now - datetime.fromisoformat(written) < timedelta(days)
