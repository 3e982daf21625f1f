"""Whatever is re-priced, how often and however it ends: the ledger is what it must be.

The model is a dictionary: what was used by each call so far, and what it costs.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import Usage, UsageCorrected, UsageRepriced
from tests.builders import NOON, a_usage, an_id
from tests.repricing import VERSIONS, Site

MODELS = ("cheaper", "long", "newer", "older", "unheard-of")
tokens = st.sampled_from((0, 1, 7, 127_999, 128_000, 128_001, 10**6))
versions = st.sampled_from(VERSIONS)
hours = st.sampled_from((0.1, 30.0))


class Call(NamedTuple):
    """A call is made."""

    model: str
    tokens_in: int
    tokens_out: int


class Correct(NamedTuple):
    """The usage of an earlier call was another one."""

    call: int
    tokens_in: int
    tokens_out: int


class Reprice(NamedTuple):
    """Everything gets other prices.

    A run for `killed_for` is killed when it has sent so many events, and another one
    for `rival` has seen the same ledger and sends after this one; both may be none.
    """

    version: str
    killed_for: str | None
    killed_at: int
    rival: str | None
    later: float


steps = st.lists(
    st.one_of(
        st.builds(Call, st.sampled_from(MODELS), tokens, tokens),
        st.builds(Correct, st.integers(0, 9), tokens, tokens),
        st.builds(
            Reprice,
            versions,
            st.none() | versions,
            st.integers(0, 4),
            st.none() | versions,
            hours,
        ),
    ),
    max_size=12,
)


class Model:
    """What every call has used, and what it costs, None where there is no price."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.used: list[tuple[str, Usage]] = []
        self.cost: list[int | None] = []
        self.numbers: dict[UUID, int] = {}
        self.counted: set[UUID] = set()

    def call(self, step: Call) -> None:
        """Have a call charged, which arrives twice."""
        usage = _usage(step)
        number = len(self.used)
        event = a_usage(
            event_id=an_id("repriced", number),
            provider="acme",
            model=step.model,
            usage=usage,
            session_id=None if number % 2 else 'a "name":null,',
            tags={"team": "ä"} if number % 3 else {},
            occurred_at=NOON + timedelta(microseconds=number),
        )
        self.site.send([encode_event(event)] * 2)
        self.numbers[event.event_id] = number
        self.used.append((step.model, usage))
        self.cost.append(self.price("v1", step.model, usage))

    def correct(self, step: Correct) -> None:
        """Have the usage of a call corrected, at the prices in force."""
        if not self.used:
            return
        number = step.call % len(self.used)
        model, old = self.used[number]
        new = _usage(step)
        event = UsageCorrected(
            event_id=an_id(),
            event_type="UsageCorrected",
            occurred_at=NOON,
            provider="acme",
            model=model,
            corrects=an_id("repriced", number),
            old_usage=old,
            new_usage=new,
            reason="late",
        )
        self.site.send([encode_event(event)])
        self.used[number] = (model, new)
        before, after = self.price("v1", model, old), self.price("v1", model, new)
        cost = self.cost[number]
        if cost is not None and before is not None and after is not None:
            self.cost[number] = cost + after - before

    def reprice(self, step: Reprice) -> None:
        """Have everything re-priced, so that the second time nothing is left."""
        if step.killed_for:
            self.run(step.killed_for, most=step.killed_at)
        rivals = self.site.repricings(step.rival)[0] if step.rival else []
        self.run(step.version)
        if step.rival:
            # The first one wins; where that one sent nothing, the rival counts.
            self.count(rivals, step.rival)
            self.site.later(step.later)
            self.run(step.version)
        self.site.later(step.later)
        assert not self.site.repricings(step.version)[0], "the second time sent more"
        for number, (model, usage) in enumerate(self.used):
            cost = self.price(step.version, model, usage)
            self.cost[number] = self.cost[number] if cost is None else cost

    def run(self, version: str, most: int | None = None) -> None:
        """Send what a run sends, some of it twice."""
        events = self.site.repricings(version)[0][:most]
        self.count([*events, *events[:2]], version)

    def count(self, events: list[bytes], version: str) -> None:
        """Send re-pricings; each counts if no other one follows the same statements."""
        self.site.send(events)
        for event in map(UsageRepriced.model_validate_json, events):
            if event.event_id not in self.counted:
                self.counted.add(event.event_id)
                number = self.numbers[event.reprices]
                self.cost[number] = self.price(version, *self.used[number])

    def price(self, version: str, model: str, usage: Usage) -> int | None:
        """Return what a usage costs, None without a price."""
        book = self.site.books.named(version)
        priced = book.price_usage("acme", model, "standard", usage)
        if priced.input_pico is None or priced.output_pico is None:
            return None
        return priced.input_pico + priced.output_pico


def _usage(step: Call | Correct) -> Usage:
    return Usage(text_input_tokens=step.tokens_in, text_output_tokens=step.tokens_out)


@given(steps)
@settings(deadline=None, max_examples=50)  # each step asks a ledger
def test_the_ledger_is_the_direct_recomputation(
    plan: list[Call | Correct | Reprice],
) -> None:
    """After any calls, corrections, kills, rivals and repeats, to the last digit.

    Nobody's price is taken away, and what has none is counted wherever it is counted.
    """
    site = Site()
    model = Model(site)
    for step in plan:
        if isinstance(step, Call):
            model.call(step)
        elif isinstance(step, Correct):
            model.correct(step)
        else:
            model.reprice(step)
            _check(site, model)
    _check_tables(site)


def _check(site: Site, model: Model) -> None:
    for number, cost in enumerate(model.cost):
        event_id = an_id("repriced", number)
        mine = f"'{event_id}' IN (event_id, adjusts)"
        assert site.cost_pico(mine) == (cost or 0)
    waiting = Counter(
        name
        for (name, _), cost in zip(model.used, model.cost, strict=True)
        if cost is None
    )
    assert site.unpriced() == waiting.total()
    assert +Counter(site.missing()) == waiting


def _check_tables(site: Site) -> None:
    """Hold the spend table against the ledger."""
    rows = [p for (kind, _, _), p in site.bench.spend().items() if kind == "all"]
    assert sum(int(row.cost_pico) for row in rows) == site.cost_pico()
    assert sum(row.unpriced_calls for row in rows) == site.unpriced()
    calls = site.rows("SELECT count(*) FROM charges WHERE kind = 'charge'")[0][0]
    assert sum(row.calls for row in rows) == calls
