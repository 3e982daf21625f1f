"""Half of what the system can do, a fault every thirty seconds, for twenty minutes.

`make soak` runs that; without its variables the suite runs a short form of it, which
says nothing about memory. TAXIMETER_SOAK_SECONDS, _FAULT_EVERY, _SEED and _RATE choose
others. Which fault comes when is a function of the seed (`plan.py`); what flat memory
means stands in `memory.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import pytest

from taximeter_schemas.clock import SystemClock
from tests.faults.soak.memory import bound_of, growth, longest_life
from tests.faults.soak.plan import Asked, plan
from tests.faults.soak.readings import EMITTER, Reading, Readings
from tests.faults.soak.report import Soak, report
from tests.faults.soak.site import TOPICS, Site, a_site
from tests.faults.soak.stalls import Stalls
from tests.faults.soak.traffic import Traffic
from tests.faults.soak.verdict import budgets_for, nothing_waits, rows, verdict
from tests.waiting import eventually

pytestmark = pytest.mark.broker

# Read when the suite is collected: the tests themselves see no such variables.
ASKED: Final = Asked.of_environment()
SPARED: Final = ("worker-2", "sink", "api", "broker")
# A worker remembers ids for a quarter of the run and the quarter of that.
HORIZON_SECONDS: Final = max(60, round(ASKED.seconds / 4))
LATE: Final = 100_000 if ASKED.long else 5_000
CALIBRATION_SECONDS: Final = 15.0
READ_EVERY_SECONDS: Final = 5.0
DRAIN_SECONDS: Final = 300.0


@pytest.fixture
def traffic() -> Traffic:
    """Give the stream that the seed stands for."""
    delays = (0, 10, 1_000, LATE)
    return Traffic(ASKED.seed, SystemClock().now(), delays)


@pytest.fixture
def site(traffic: Traffic, tmp_path: Path) -> Iterator[Site]:
    """Give a running system of this test's own."""
    horizon = {"TAXIMETER_DEDUPE_HORIZON_SECONDS": str(HORIZON_SECONDS)}
    with a_site(tmp_path / "data", traffic, **horizon) as running:
        yield running


def test_a_soak_ends_with_every_book_in_agreement_and_flat_memory(
    site: Site, traffic: Traffic, tmp_path: Path
) -> None:
    """Whatever is done to it, each call is charged once, and nothing grows for ever."""
    saturation = None if ASKED.rate else _saturation(site)
    rate = ASKED.rate or (saturation or 0) / 2
    before = site.emission.emitted
    limits = budgets_for(before + rate * ASKED.seconds, site, tmp_path)
    soak = _soaked(site, saturation, rate)
    found = verdict(site, traffic, limits)
    _say("\n" + report(soak, found))
    eventually(lambda: nothing_waits(site), DRAIN_SECONDS)
    assert found.alerts
    if ASKED.long:
        _memory_is_flat(soak.readings)


def _saturation(site: Site) -> float:
    """Emit flat out; return the rate at which all of it came into the ledger."""
    site.emission.start(None, CALIBRATION_SECONDS)
    eventually(lambda: site.emission.emitted, DRAIN_SECONDS)
    began = monotonic()
    site.emission.finish()
    _all_in(site)
    rate = site.emission.emitted / (monotonic() - began)
    _say(f"flat out: {site.emission.emitted:,} calls, {rate:,.0f} a second")
    return rate


def _soaked(site: Site, saturation: float | None, rate: float) -> Soak:
    """Emit at a steady rate, and do one thing after the other to the system."""
    began, faults = monotonic(), plan(ASKED.seed, ASKED.seconds, ASKED.every_seconds)
    site.emission.start(rate, ASKED.seconds)
    readings = Readings(site, lambda: monotonic() - began, READ_EVERY_SECONDS)
    stalls = Stalls(lambda: _progress(site), TOPICS.partitions, site.ask_for_stacks)
    readings.start()
    stalls.start()
    for fault in faults:
        sleep(max(0.0, began + fault.at_seconds - monotonic()))
        _say_how(readings, stalls)
        stalls.fault()
        _say(f"{monotonic() - began:7.1f} s  {site.inject(fault)}")
    sleep(max(0.0, began + ASKED.seconds - monotonic()))
    _say_how(readings, stalls)
    stalls.stop()
    readings.stop()
    ended = monotonic()
    site.without_further()
    site.emission.finish()
    _all_in(site)
    return Soak(
        asked=ASKED,
        saturation=saturation,
        rate=rate,
        faults=faults,
        stalls=stalls.of_faults,
        undisturbed_stall=stalls.before_faults,
        drained_seconds=monotonic() - ended,
        sent=site.emission.sent,
        readings=readings,
        parts=(*SPARED, "worker-1", EMITTER),
        judged=SPARED,
    )


def _all_in(site: Site) -> None:
    def there() -> bool:
        found = rows(site)
        assert found == site.emission.emitted, f"{found} of {site.emission.emitted}"
        return True

    eventually(there, DRAIN_SECONDS)


def _progress(site: Site) -> dict[str, int]:
    state = site.running.data.state("sink")
    return dict(state.facts.get("progress", {})) if state else {}


def _memory_is_flat(readings: Readings) -> None:
    """The longest life of a part, and all of them together, stay below the bound."""
    for part in SPARED:
        taken = readings.of(part)
        for stretch in (longest_life(taken), taken):
            grown = growth(stretch)
            assert grown is not None, f"{part} lived too briefly"
            assert grown.bytes_an_event < bound_of(part), (part, grown)


def _say_how(readings: Readings, stalls: Stalls) -> None:
    if not readings.taken or not stalls.of_faults:
        return
    now: Reading = readings.taken[-1]
    memory = ", ".join(f"{name} {each.mib:.0f}" for name, each in now.parts.items())
    _say(
        f"{'':11}stood still {stalls.of_faults[-1]:.1f} s; {now.emitted:,} emitted, "
        f"lag {now.lag}, {now.remembered_ids:,} ids; MiB: {memory}"
    )


_say: Callable[[str], object] = lambda words: print(words, file=sys.stderr, flush=True)  # noqa: E731
