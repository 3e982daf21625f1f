"""A worker as a process of its own, so that a test can stop, kill and freeze it.

Prints one JSON line when it owns its partitions, and one for every flush. With a
file named as its fourth argument, pricing the model "trip" fails once: the worker
that finds no such file makes it, and raises in the middle of a record. CLOCK_HOURS
names a file that says by how many hours its clock is wrong.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import faust

from taximeter_processors.app import create_app
from taximeter_processors.circumstances import Circumstances
from taximeter_processors.price_book import litellm_price_book, litellm_price_file
from taximeter_processors.price_versions import PriceBooks
from taximeter_processors.pricing import Priced
from taximeter_processors.rates import Counts
from taximeter_processors.worker import FlushReport, WorkerConfig, run_worker
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.topics import Topics

LOGGERS = ("mode", "mode.services", "faust", "faust.transport.consumer", "aiokafka")


class FailsOnce(PriceBooks):
    """The installed prices, with one look that ends in an error."""

    def __init__(self, marker: Path) -> None:
        file = litellm_price_file()
        super().__init__(file.entries(), file.price_version)
        self._prices = litellm_price_book()
        self._marker = marker

    def known_at(self, recorded_at: datetime) -> FailsOnce:
        """Return itself: there is one version."""
        return self

    def price_counts(
        self,
        provider: str,
        model: str,
        service_tier: str,
        counts: Counts,
        call: Circumstances | None = None,
    ) -> Priced:
        """Raise at this model, once in the life of a file; else return the price."""
        if model == "trip" and not self._marker.exists():
            self._marker.touch()
            raise RuntimeError("the price book fell over")
        return self._prices.price_counts(provider, model, service_tier, counts, call)


class WrongClock:
    """The machine's clock, moved by as many hours as a file says just then."""

    def __init__(self, hours: Path) -> None:
        self._hours = hours

    def now(self) -> datetime:
        """Return the present moment, or what this clock takes for it."""
        wrong = timedelta(hours=int(self._hours.read_text() or 0))
        return SystemClock().now() + wrong


def _clock() -> Clock:
    hours = os.environ.get("CLOCK_HOURS")
    return WrongClock(Path(hours)) if hours else SystemClock()


def _tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def _ready() -> None:
    _tell(levels={n: logging.getLogger(n).getEffectiveLevel() for n in LOGGERS})


def _flushed(report: FlushReport) -> None:
    _tell(**asdict(report) | {"flushed_at": report.flushed_at.isoformat()})


def main(bootstrap: str, prefix: str, name: str, fails_once: str = "") -> None:
    """Run a worker until it is stopped."""
    config = WorkerConfig(
        bootstrap=bootstrap,
        topics=Topics(prefix=prefix),
        name=name,
        on_ready=_ready,
        on_flush=_flushed,
        clock=_clock(),
    )
    if fails_once:
        app = create_app(config, FailsOnce(Path(fails_once)))
        worker = faust.Worker(app, loglevel="WARNING", quiet=True)
        worker.execute_from_commandline()
    else:
        run_worker(config)


if __name__ == "__main__":
    main(*sys.argv[1:])
