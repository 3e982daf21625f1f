"""Providers' usage reports, which count buckets, become events that are calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from taximeter.imports.shares import Bucket, events_of
from taximeter.reports.bills import read_bill
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.importing import LOGS, events_in, judged, refusals_in

DAY = datetime(2026, 10, 2, tzinfo=UTC)


def _sum(events: Iterable[UsageRecorded]) -> Counter[str]:
    total: Counter[str] = Counter()
    for event in events:
        total.update(event.usage.model_dump(exclude_defaults=True))
    return total


def test_a_bucket_is_as_many_calls_as_it_had() -> None:
    """Four requests are four events, whose shares add up to the bucket."""
    chats = [
        event
        for event in events_in(judged("openai", "openai_usage.json"))
        if event.operation == "chat" and event.service_tier == "standard"
    ]
    assert len(chats) == 4
    assert _sum(chats) == {
        "text_input_tokens": 8000,
        "cache_read_tokens": 2000,
        "text_output_tokens": 3001,
    }
    assert [event.occurred_at - DAY for event in chats] == [
        timedelta(hours=6 * number) for number in range(4)
    ]
    assert chats[0].project_id == "proj_search"
    assert chats[0].tags == {"bucket": "4"}


def test_other_usage_of_openai_is_counted_in_its_units() -> None:
    """Embeddings are tokens, images are images, batches are a service tier."""
    events = events_in(judged("openai", "openai_usage.json"))
    assert Counter(event.operation for event in events) == {
        "chat": 5,
        "embedding": 3,
        "image_generation": 2,
    }
    assert [e.service_tier for e in events].count("batch") == 1
    images = [e for e in events if e.operation == "image_generation"]
    assert [(e.usage.image_count, e.image_size) for e in images] == [
        (1, "1024x1024")
    ] * 2


def test_what_no_event_can_be_made_of_is_refused() -> None:
    """A result without a model, and one that is not billed by calls, say so."""
    assert refusals_in(judged("openai", "openai_usage.json")) == [
        "names no model: ask the API for it with group_by=model",
        "'vector_stores' is not billed by calls",
    ]


def test_what_is_imported_is_what_reconcile_reads(tmp_path: Path) -> None:
    """Calls and tokens of the events are those that `reconcile` reads in the report."""
    report = tmp_path / "usage.json"
    report.write_text(
        json.dumps(json.loads((LOGS / "openai_usage.json").read_text())[:1])
    )
    events = events_in(judged("openai", report))
    lines = [line for line in read_bill(report).lines if line.model == "gpt-4o-mini"]
    assert sum(line.calls or 0 for line in lines) == len(events)
    assert sum(line.tokens or 0 for line in lines) == _sum(events).total()


def test_no_call_of_anthropic_leaves_its_context_window() -> None:
    """500,000 tokens of calls up to 200,000 are three; 450,000 of longer ones one."""
    events = events_in(judged("anthropic", "anthropic_usage.json"))
    short = [e for e in events if e.tags["context_window"] == "0-200k"]
    (long,) = [e for e in events if e.tags["context_window"] == "200k-1M"]
    assert len(short) == 3
    assert all(_sum([event]).total() <= 201_400 for event in short)
    assert _sum(short) == {
        "text_input_tokens": 250_000,
        "cache_read_tokens": 200_000,
        "cache_write_5m_tokens": 50_000,
        "text_output_tokens": 4_000,
        "web_searches": 3,
    }
    assert (long.usage.text_input_tokens, long.service_tier) == (450_000, "batch")
    assert (long.region, short[0].region) == (None, None)


def test_a_bucket_that_still_grows_is_left_out() -> None:
    """What is imported of today would hide the rest of it tomorrow."""
    found = judged("anthropic", "anthropic_usage.json", now=DAY + timedelta(hours=9))
    assert {outcome.verdict for outcome in found} == {"left_out"}
    assert "not over yet" in found[0].reason


def test_a_cost_report_is_refused_with_the_way_to_read_it(tmp_path: Path) -> None:
    """Costs are not usage: `reconcile` reads them."""
    result = {"object": "organization.costs.result", "amount": {"value": 1}}
    bucket = {"start_time": 1, "end_time": 2, "results": [result]}
    costs = tmp_path / "costs.json"
    costs.write_text(json.dumps({"data": [bucket, {"start_time": 1}]}))
    for_costs, without = refusals_in(judged("openai", costs))
    assert "`taximeter reconcile`" in for_costs
    assert without.startswith("has no `results`")
    assert refusals_in(judged("anthropic", costs))[0] == for_costs


@given(
    counts=st.dictionaries(
        st.sampled_from(["text_input_tokens", "text_output_tokens", "audio_seconds"]),
        st.integers(0, 10**9),
        min_size=1,
    ).filter(lambda counts: any(counts.values())),
    calls=st.integers(1, 200),
)
def test_shares_add_up(counts: dict[str, int], calls: int) -> None:
    """However a bucket is shared out, its events add up to it, each id its own."""
    bucket = Bucket(DAY, DAY + timedelta(days=1), ("x",), counts, calls, {})
    made = list(events_of(bucket, DAY + timedelta(days=2)))
    sums: Counter[str] = Counter()
    for fields in made:
        shares = Usage.model_validate(fields["usage"]).model_dump(exclude_defaults=True)
        sums.update({name: int(Decimal(n)) for name, n in shares.items()})
    assert len({fields["event_id"] for fields in made}) == len(made) == calls
    assert sums == {name: count for name, count in counts.items() if count}
    assert all(DAY <= f["occurred_at"] < DAY + timedelta(days=1) for f in made)
