"""However events arrive and workers die, each event is charged once, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.charging import Pricer
from taximeter_processors.price_book import litellm_price_book, litellm_price_file
from taximeter_processors.windows import window_start
from taximeter_schemas.charges import Charge, UsagePriced
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.records import encode_event, usage_partition
from taximeter_schemas.usage import Usage, UsageCorrected, UsageEvent, UsageRecorded
from tests.builders import NOON, a_usage, an_id
from tests.metering import INPUT_USD, OUTPUT_USD, UNPRICED, Bench, FlatPricer, as_packed

PARTITIONS = 3
FAULTS = (b'{"event_id":1}', b"7", b'{"schema_version":2}')
BOOK = litellm_price_book()
PRICES = litellm_price_file().entries()
MODELS = (("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4o-mini"))

Mark = Literal["flush", "crash", "crash while flushing"]
tokens = st.integers(0, 150_000)
usages = st.builds(Usage, text_input_tokens=tokens, text_output_tokens=tokens)


@st.composite
def calls(
    draw: st.DrawFn, number: int, models: tuple[tuple[str, str], ...]
) -> UsageRecorded:
    """Return the call of this number: the same number is the same event."""
    provider, model = draw(st.sampled_from(models))
    return a_usage(
        event_id=an_id("property", number),
        occurred_at=NOON - timedelta(minutes=draw(st.integers(0, 60))),
        provider=provider,
        model=model,
        usage=draw(usages),
        user_id=draw(st.sampled_from(("ada", "grace"))),
    )


@st.composite
def corrections(draw: st.DrawFn, number: int) -> UsageCorrected:
    """Return a correction of some call."""
    return UsageCorrected(
        event_id=an_id("property", number),
        event_type="UsageCorrected",
        occurred_at=NOON,
        provider="anthropic",
        model=draw(st.sampled_from(("claude-sonnet-4-5", UNPRICED))),
        corrects=an_id("whatever"),
        old_usage=draw(usages),
        new_usage=draw(usages),
        reason="estimated",
    )


def pools(models: tuple[tuple[str, str], ...]) -> st.SearchStrategy[list[UsageEvent]]:
    """Some events, no two with the same id."""
    kinds = [
        st.one_of(calls(n, models), calls(n, models), corrections(n)) for n in range(8)
    ]
    return st.tuples(*kinds).map(list)


@dataclass(frozen=True)
class Sent:
    """A record: which events of the pool stand in it, and where it was put."""

    events: tuple[int, ...]
    faults: tuple[int, ...]
    partition: int
    gap: int


records = st.builds(
    Sent,
    st.lists(st.integers(0, 7), max_size=4).map(tuple),
    st.lists(st.integers(0, len(FAULTS) - 1), max_size=2).map(tuple),
    st.integers(0, PARTITIONS - 1),
    st.integers(0, 2),
)
marks: st.SearchStrategy[Mark] = st.sampled_from(
    ("flush", "crash", "crash while flushing")
)
histories = st.lists(st.one_of(records, records, marks), max_size=25)


@dataclass
class Topic:
    """All partitions of `usage`, each with a meter, and the way between them."""

    pricer: Pricer
    delivered: list[int] = field(default_factory=lambda: [0] * PARTITIONS)

    def __post_init__(self) -> None:
        self.benches = [
            Bench(self.pricer, partition, PARTITIONS) for partition in range(PARTITIONS)
        ]

    def take(self, pool: list[UsageEvent], sent: Sent) -> None:
        """Put a record into its partition, wrong as it may be, and apply it."""
        bench = self.benches[sent.partition]
        value = as_packed(
            *(pool[n] for n in sent.events), *(FAULTS[n] for n in sent.faults)
        )
        following = bench.log[-1].offset + 1 if bench.log else 0
        # Our own emitter says that it placed the events; others say nothing.
        owners = {usage_partition(pool[n].event_id, PARTITIONS) for n in sent.events}
        own = PARTITIONS if owners == {sent.partition} else None
        bench.send(value, placed_for=own, offset=following + sent.gap)
        bench.apply()

    def mark(self, mark: Mark) -> None:
        """Let every partition flush or die."""
        for bench in self.benches:
            if mark == "flush":
                bench.flush()
            elif mark == "crash":
                bench.crash()
            else:
                bench.crash_while_flushing()
        self._deliver()

    def finish(self) -> None:
        """Apply and flush until nothing is on its way any more."""
        for _ in range(2):
            for bench in self.benches:
                bench.apply()
                bench.flush()
            self._deliver()
        for bench in self.benches:
            bench.apply()
            bench.flush()

    def charges(self) -> list[Charge]:
        """Every charge of every partition."""
        return [charge for bench in self.benches for charge in bench.charges]

    def _deliver(self) -> None:
        for at, bench in enumerate(self.benches):
            for event in bench.forwarded[self.delivered[at] :]:
                own = usage_partition(event.event_id, PARTITIONS)
                self.benches[own].send(encode_event(event))
            self.delivered[at] = len(bench.forwarded)


def played(pool: list[UsageEvent], history: list[Sent | Mark], pricer: Pricer) -> Topic:
    """Let a history happen, to its end."""
    topic = Topic(pricer)
    for step in history:
        if isinstance(step, Sent):
            topic.take(pool, step)
        else:
            topic.mark(step)
    topic.finish()
    return topic


def events_in(pool: list[UsageEvent], history: list[Sent | Mark]) -> list[UsageEvent]:
    """Return the events that were sent at least once."""
    sent = {n for step in history if isinstance(step, Sent) for n in step.events}
    return [pool[n] for n in sorted(sent)]


def flat_usd(usage: Usage) -> Decimal:
    """Price a usage the way a person with a calculator would."""
    return INPUT_USD * usage.text_input_tokens + OUTPUT_USD * usage.text_output_tokens


def cost_of(event: UsageEvent) -> Decimal | None:
    """Recompute what an event adds to spend, with decimals."""
    if event.model == UNPRICED:
        return None
    if isinstance(event, UsageCorrected):
        return flat_usd(event.new_usage) - flat_usd(event.old_usage)
    return flat_usd(event.usage)


def subjects_of(event: UsageEvent) -> Iterable[tuple[str, str, int]]:
    """Return the rows that an event counts for."""
    window = window_start(event.occurred_at)
    return (
        ("all", "", window),
        ("user", event.user_id, window),
        ("model", event.model, window),
        ("project", event.project_id, window),
    )


@given(pools((*MODELS, ("acme", UNPRICED))), histories)
def test_every_event_is_charged_once_and_exactly(
    pool: list[UsageEvent], history: list[Sent | Mark]
) -> None:
    """Charges = rows = an independent recomputation, to the last digit."""
    topic = played(pool, history, FlatPricer())
    events = events_in(pool, history)

    charges = {_id(charge): charge.cost_usd for charge in topic.charges()}
    assert len(topic.charges()) == len(charges)
    assert charges == {event.event_id: cost_of(event) for event in events}

    spent: dict[tuple[str, str, int], Decimal] = {}
    calls_of: Counter[tuple[str, str, int]] = Counter()
    unpriced: Counter[tuple[str, str, int]] = Counter()
    for event in events:
        call = isinstance(event, UsageRecorded)
        for key in subjects_of(event):
            spent[key] = spent.get(key, Decimal(0)) + (cost_of(event) or 0)
            calls_of[key] += call
            unpriced[key] += call and cost_of(event) is None
    assert _summed(topic) == {
        key: (usd, calls_of[key], unpriced[key]) for key, usd in spent.items()
    }
    for bench in topic.benches:
        assert bench.newest_partials() == bench.spend()


@given(pools(MODELS), histories)
def test_real_prices_add_up_as_well(
    pool: list[UsageEvent], history: list[Sent | Mark]
) -> None:
    """With litellm's own prices the total is tokens times price, in decimals."""
    calls_only = [event for event in pool if isinstance(event, UsageRecorded)]
    history = [step for step in history if not _has_correction(pool, step)]
    topic = played(pool, history, BOOK)
    sent = [event for event in events_in(pool, history) if event in calls_only]
    expected = sum((_listed_usd(event) for event in sent), Decimal(0))
    total = sum(
        (charge.cost_usd or Decimal(0) for charge in topic.charges()), Decimal(0)
    )
    assert total == expected
    assert (
        sum(
            usd for (kind, _, _), (usd, _, _) in _summed(topic).items() if kind == "all"
        )
        == expected
    )


@given(pools(MODELS), histories)
def test_faults_are_kept_once(
    pool: list[UsageEvent], history: list[Sent | Mark]
) -> None:
    """Each bad item is one dead letter, whatever crashed; its bytes are kept."""
    topic = played(pool, history, FlatPricer())
    letters = [letter for bench in topic.benches for letter in bench.letters]
    assert len({letter.key for letter in letters}) == len(letters)
    expected = Counter(
        FAULTS[n] for step in history if isinstance(step, Sent) for n in step.faults
    )
    assert Counter(letter.payload for letter in letters) == expected


def _has_correction(pool: list[UsageEvent], step: Sent | Mark) -> bool:
    return isinstance(step, Sent) and any(
        isinstance(pool[n], UsageCorrected) for n in step.events
    )


def _listed_usd(event: UsageRecorded) -> Decimal:
    prices = PRICES[event.model]
    usage = event.usage
    return usage.text_input_tokens * Decimal(
        str(prices["input_cost_per_token"])
    ) + usage.text_output_tokens * Decimal(str(prices["output_cost_per_token"]))


def _id(charge: Charge) -> object:
    if isinstance(charge, UsagePriced):
        return charge.recorded.event_id
    return charge.cause.event_id


def _summed(topic: Topic) -> dict[tuple[str, str, int], tuple[Decimal, int, int]]:
    sums: dict[tuple[str, str, int], tuple[Decimal, int, int]] = {}
    for bench in topic.benches:
        for key, row in bench.spend().items():
            usd, calls_before, unpriced = sums.get(key, (Decimal(0), 0, 0))
            sums[key] = (
                usd + usd_from_pico(int(row.cost_pico)),
                calls_before + row.calls,
                unpriced + row.unpriced_calls,
            )
    return sums
