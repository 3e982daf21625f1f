"""The bench's own sums: rows, targets, percentiles, and traffic that repeats itself."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from taximeter.bench.quantiles import quantile
from taximeter.bench.rows import TARGETS, Pair, Row, row_of_pairs
from taximeter.bench.show import as_facts, as_table, bar
from taximeter.bench.sizes import FULL, QUICK
from taximeter.bench.traffic import RECORD_EVENTS, Traffic
from taximeter.cli.bench import command
from taximeter_schemas.records import encode_event, read_record, usage_partition
from taximeter_schemas.usage import UsageRecorded

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
TRAFFIC = Traffic(START)


def _events(traffic: Traffic, count: int, partitions: int) -> list[UsageRecorded]:
    records = traffic.packed(0, count, partitions)
    readings = [r for record in records for r in read_record(record.value, START)]
    return [r for r in readings if isinstance(r, UsageRecorded)]


def test_every_event_can_be_read() -> None:
    """Packed traffic is valid usage, each event once, none lost in packing."""
    events = _events(TRAFFIC, 1_050, 4)
    assert len({event.event_id for event in events}) == 1_050


def test_records_hold_one_partition_and_at_most_a_hundred() -> None:
    """An event stands in the partition that its id belongs to."""
    for record in TRAFFIC.packed(-500, 1_000, 4):
        events = read_record(record.value, START)
        assert record.events == len(events) <= RECORD_EVENTS
        for event in events:
            assert isinstance(event, UsageRecorded)
            assert usage_partition(event.event_id, 4) == record.partition


def test_events_are_about_600_bytes() -> None:
    """The size that the targets speak of."""
    sizes = [len(TRAFFIC.encoded(number)) for number in range(200)]
    assert 550 <= sum(sizes) / len(sizes) <= 700


def test_users_and_projects_are_spread_evenly() -> None:
    """2,000 users and 50 projects, each as busy as the others."""
    events = [TRAFFIC.event(number) for number in range(4_000)]
    assert set(Counter(event.user_id for event in events).values()) == {2}
    assert set(Counter(event.project_id for event in events).values()) == {80}


def test_another_process_makes_the_same_bytes() -> None:
    """Traffic made again from its facts is the same, byte for byte."""
    again = Traffic.of(TRAFFIC.facts())
    assert list(again.packed(0, 300, 4)) == list(TRAFFIC.packed(0, 300, 4))


def test_an_emitted_event_is_the_packed_one() -> None:
    """What the emitter is given is what a packed record holds."""
    assert encode_event(TRAFFIC.event(7)) == encode_event(
        UsageRecorded.model_validate_json(TRAFFIC.encoded(7))
    )


def test_salted_traffic_has_ids_of_its_own() -> None:
    """Two streams on one installation never look like duplicates."""
    other = Traffic(START, salt="other")
    ids = [{e.event_id for e in _events(t, 200, 1)} for t in (TRAFFIC, other)]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("sink", 50.0, 100.0, ""), True),
        (Row("sink", 49.0, 100.0, ""), False),
        (Row("cpu_growth", 11.0, 10.0, ""), True),
        (Row("cpu_growth", 12.0, 10.0, ""), False),
        (Row("emit_p99_us", 200.0, None, ""), True),
        (Row("emit_p99_us", 201.0, None, ""), False),
    ],
)
def test_a_target_is_a_bound_on_ratio_or_value(row: Row, met: bool) -> None:
    """Ratios of speed are at least, all others at most; the bound itself is enough."""
    assert row.met is met


def test_the_median_repeat_is_reported_whole() -> None:
    """Value, reference and ratio are those of one repeat, so that they agree."""
    row = row_of_pairs("sink", [Pair(9, 10), Pair(1, 10), Pair(4, 8)], "")
    assert (row.value, row.reference, row.ratio) == (4, 8, 0.5)


def test_facts_of_a_row_without_reference() -> None:
    """A row that is measured against nothing has neither reference nor ratio."""
    facts = as_facts(Row("emit_p50_us", 7.5, None, "how"))
    assert facts == {
        "name": "emit_p50_us",
        "value": 7.5,
        "unit": "us",
        "reference": None,
        "ratio": None,
        "target": 20,
        "met": True,
        "detail": "how",
    }


def test_the_bar_is_as_long_as_the_figure_is_good() -> None:
    """Nothing, the target itself, and far beyond it, which is cut off."""
    shown = [bar(Row("sink", value, 100.0, "")) for value in (0.0, 50.0, 9e9)]
    assert [each.count("#") for each in shown] == [0, 10, 20]


def test_a_bound_of_nothing_has_a_bar_too() -> None:
    """What may not happen at all is met at nothing, and missed at one."""
    rows = [Row("outage_hurt_calls", value, None, "") for value in (0.0, 1.0)]
    assert [row.met for row in rows] == [True, False]
    assert [bar(row).count("#") for row in rows] == [0, 20]


def test_parts_of_a_row_are_facts() -> None:
    """What was not measured is null; rows without parts have no such field."""
    row = Row("added_p50_us", 3.0, None, "", {"openai": 3.0, "cohere": None})
    assert as_facts(row)["parts"] == {"openai": 3.0, "cohere": None}
    assert "parts" not in as_facts(Row("sink", 1.0, 1.0, ""))


def test_a_table_row_says_which_way_the_target_goes() -> None:
    """At least and at most are told apart, and so are ratios and values."""
    targets = {name: as_table(Row(name, 1.0, 1.0, ""))["target"] for name in TARGETS}
    assert targets["sink"] == "≥ 0.5 times"
    assert targets["emit_p50_us"] == "≤ 20"


def test_a_percentile_is_a_measured_value() -> None:
    """The 99th of a hundred is the second largest; one value is all of them."""
    assert quantile(range(1, 101), 99) == 99
    assert quantile([5.0], 50) == 5.0


def test_limited_sizes_take_no_more_than_asked_for() -> None:
    """`--events` holds for every count, and shortens what takes time."""
    for sizes in (FULL, QUICK):
        assert all(value <= 500 for value in vars(sizes.limited(500)).values())
        assert sizes.limited(500).emit_seconds == 2.0


def test_an_unknown_row_is_refused() -> None:
    """A name that no row has is said before anything is started."""
    done = CliRunner().invoke(command, ["--only", "sink,speed"])
    assert done.exit_code == 2
    assert "no row is named speed" in done.output
