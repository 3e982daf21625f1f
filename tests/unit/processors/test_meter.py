"""One partition's meter by example; tests/property/test_meter.py has the rules."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from taximeter_processors.meter import Progress
from taximeter_processors.windows import window_start
from taximeter_schemas.charges import ChargeAdjusted, UsagePriced
from taximeter_schemas.records import encode_event, usage_partition
from taximeter_schemas.spend import Partial
from taximeter_schemas.usage import Usage, UsageCorrected
from tests.builders import NOON, a_usage, an_id
from tests.metering import UNPRICED, Bench, as_packed

WINDOW = window_start(NOON)
COST_PICO = 1000 * 3_000_001 + 200 * 15_000_000


def an_id_of(partition: int, partitions: int) -> UUID:
    """Return an event id that belongs to a partition."""
    ids = (an_id("placed", n) for n in range(1000))
    return next(i for i in ids if usage_partition(i, partitions) == partition)


def test_a_call_is_charged_and_counted_for_each_subject() -> None:
    """One call: one charge, and a row for everything, user, model and project."""
    bench = Bench()
    bench.run(encode_event(a_usage()))
    (charge,) = bench.charges
    assert str(charge.cost_usd) == "0.006000001000"
    expected = Partial(str(COST_PICO), 1, 0, 1200, 0)
    assert bench.spend() == {
        ("all", "", WINDOW): expected,
        ("user", "alice", WINDOW): expected,
        ("model", "claude-sonnet-4-5", WINDOW): expected,
        ("project", "search", WINDOW): expected,
    }


def test_a_late_event_lands_in_its_own_window() -> None:
    """Spend is counted when the call happened, not when it arrived."""
    bench = Bench()
    yesterday = NOON - timedelta(days=1)
    bench.run(encode_event(a_usage(occurred_at=yesterday)))
    assert {window for _, _, window in bench.spend()} == {window_start(yesterday)}


def test_an_event_counts_once() -> None:
    """Twice in one record, or in two: one charge."""
    bench = Bench()
    call = a_usage()
    bench.run(as_packed(call, call), encode_event(call))
    bench.run(encode_event(call))
    assert len(bench.charges) == 1
    assert bench.meter.counts.duplicates == 3


def test_a_record_of_duplicates_makes_no_charges_record() -> None:
    """Nothing to say is not said; the progress moves all the same."""
    bench = Bench()
    bench.run(encode_event(call := a_usage()), encode_event(call))
    assert [key for key, _ in bench.charge_records] == [b"0:0"]
    assert bench.progress.next_offset == 2


def test_charges_name_where_they_came_from() -> None:
    """All charges of a usage record are in one record, whose key is its origin."""
    bench = Bench(partition=0)
    bench.send(b"[]", offset=4)
    bench.send(as_packed(a_usage(), b'{"broken":1}', a_usage()))
    bench.apply()
    bench.flush()
    assert [key for key, _ in bench.charge_records] == [b"0:5"]
    assert [charge.source_position for charge in bench.charges] == [0, 2]
    assert {charge.source_offset for charge in bench.charges} == {5}


def test_the_good_events_of_a_bad_record_count() -> None:
    """What is bad is kept with its reason and place; the rest is charged."""
    bench = Bench()
    bench.run(as_packed(a_usage(), b'{"broken":1}', a_usage()), b"{oops")
    assert len(bench.charges) == 2
    assert [letter.key for letter in bench.letters] == [b"usage:0:0:1", b"usage:0:1"]
    assert [letter.reason for letter in bench.letters] == ["invalid_event", "not_json"]
    assert bench.letters[1].payload == b"{oops"


@pytest.mark.parametrize("value", [None, b"", b"null", b"[]", b"[[]]", b"\xff\xfe"])
def test_no_record_stops_the_meter(value: bytes | None) -> None:
    """Whatever stands in a record, the next one is priced."""
    bench = Bench()
    bench.run(value, encode_event(a_usage()))
    assert len(bench.charges) == 1
    assert bench.progress.next_offset == 2


def test_a_misplaced_event_is_sent_on_not_priced() -> None:
    """An event of another partition goes there; it is charged where its twin is."""
    bench = Bench(partition=1, partitions=4)
    mine, other = a_usage(event_id=an_id_of(1, 4)), a_usage(event_id=an_id_of(2, 4))
    bench.run(as_packed(mine, other))
    assert bench.forwarded == [other]
    assert [charge.source_position for charge in bench.charges] == [0]


def test_only_the_number_of_partitions_in_force_is_trusted() -> None:
    """A record that was placed for another number is checked event by event."""
    other = a_usage(event_id=an_id_of(2, 4))
    for placed_for, forwarded in ((4, 0), (8, 1), (None, 1)):
        bench = Bench(partition=1, partitions=4)
        bench.send(encode_event(other), placed_for=placed_for)
        bench.apply()
        bench.flush()
        assert len(bench.forwarded) == forwarded


def test_unpriced_adds_a_call_and_no_money() -> None:
    """A call without a price is counted, shown as unpriced, and not free."""
    bench = Bench()
    bench.run(as_packed(a_usage(), a_usage(model=UNPRICED)))
    assert bench.spend()["user", "alice", WINDOW] == Partial(
        str(COST_PICO), 2, 1, 2400, 0
    )
    assert bench.spend()["model", UNPRICED, WINDOW].cost_pico == "0"
    assert bench.meter.counts.unpriced == 1


def test_a_correction_moves_money_and_no_calls() -> None:
    """It is charged as an adjustment, in the window of the call, once."""
    bench = Bench()
    call = a_usage()
    correction = UsageCorrected(
        event_id=an_id("truth"),
        event_type="UsageCorrected",
        occurred_at=call.occurred_at,
        provider=call.provider,
        model=call.model,
        user_id=call.user_id,
        project_id=call.project_id,
        corrects=call.event_id,
        old_usage=call.usage,
        new_usage=Usage(text_input_tokens=1000),
        reason="stream was cut",
    )
    bench.run(as_packed(call, correction), encode_event(correction))
    assert [type(charge) for charge in bench.charges][1:] == [ChargeAdjusted]
    expected = Partial(str(1000 * 3_000_001), 1, 0, 1000, 0)
    assert bench.spend()["all", "", WINDOW] == expected


def test_a_crash_forgets_what_was_not_flushed() -> None:
    """After a crash the records since the last flush are applied again, once."""
    bench = Bench()
    bench.run(encode_event(first := a_usage()))
    bench.send(as_packed(first, a_usage()))
    bench.apply()
    bench.crash()
    assert bench.meter.next_offset == 1
    bench.run()
    assert len(bench.charges) == 2
    assert bench.spend()["all", "", WINDOW].calls == 2


def test_the_memory_survives_a_crash() -> None:
    """A duplicate of an event that an earlier owner priced is known."""
    bench = Bench()
    bench.run(encode_event(call := a_usage()))
    bench.crash()
    bench.run(encode_event(call))
    assert len(bench.charges) == 1
    assert bench.meter.counts.duplicates == 1


def test_the_memory_of_hours_ago_survives_a_crash() -> None:
    """An heir reads back every generation of the horizon, not only the newest."""
    bench = Bench()
    call = encode_event(a_usage())
    bench.run(call)
    bench.send(encode_event(a_usage()), NOON + timedelta(hours=7))
    bench.run()
    bench.crash()
    bench.send(call, NOON + timedelta(hours=8))
    bench.run()
    assert len(bench.charges) == 2


def test_what_a_stopped_flush_said_is_said_again_the_same() -> None:
    """Partial sums are absolute: said before a crash and again after it, no more."""
    bench = Bench()
    bench.send(encode_event(a_usage()))
    bench.apply()
    bench.crash_while_flushing()
    bench.run()
    assert len(bench.partials) == 8
    assert bench.newest_partials() == bench.spend()


def test_nothing_is_flushed_twice() -> None:
    """A flush says what came since the last one that was written down."""
    bench = Bench()
    bench.run(encode_event(a_usage()))
    assert not bench.meter.has_moved
    assert bench.meter.unflushed_events == 0
    assert [key for key, _ in bench.flush().rows] == [b"progress"]


def test_what_is_applied_during_a_flush_is_in_the_next_one() -> None:
    """A flush says what was applied when it began, its progress and sums too."""
    bench = Bench()
    bench.send(encode_event(a_usage()))
    bench.apply()
    first = bench.meter.flush()
    said = list(first.charges), list(first.rows)
    bench.send(encode_event(a_usage()))
    bench.apply()
    assert (first.charges, first.rows) == said
    bench.rows.update(first.rows)
    bench.meter.flushed()
    assert bench.meter.has_moved
    second = bench.flush()
    assert [len(flush.charges) for flush in (first, second)] == [1, 1]
    assert {partial.calls for partial in bench.spend().values()} == {2}
    assert bench.progress.next_offset == 2


def test_the_progress_row_is_last() -> None:
    """Whoever reads rows and progress in order never sees a progress too far."""
    bench = Bench()
    bench.send(encode_event(a_usage()))
    bench.apply()
    assert bench.flush().rows[-1] == (b"progress", bench.progress.encode())


def test_offsets_without_records_are_passed() -> None:
    """A gap, as transactions leave them, moves the progress and applies nothing."""
    bench = Bench()
    bench.meter.pass_to(17)
    assert bench.meter.has_moved
    bench.flush()
    assert bench.progress == Progress(17)
    bench.meter.pass_to(3)
    assert bench.meter.next_offset == 17


def test_progress_round_trips() -> None:
    """What is stored is what was held."""
    progress = Progress(10**12)
    assert Progress.decode(progress.encode()) == progress


def test_bytes_of_our_own_go_into_the_charge_and_mean_the_same() -> None:
    """A record that our emitter packed is charged like any other."""
    calls = [a_usage(tags={"a": "},\n{"}) for _ in range(3)]
    bench = Bench()
    bench.send(as_packed(*calls), placed_for=1)
    bench.apply()
    bench.flush()
    charged = [charge for charge in bench.charges if isinstance(charge, UsagePriced)]
    assert [charge.recorded for charge in charged] == calls


def test_nobody_can_make_a_charge_that_is_not_json() -> None:
    """A record that only looks like our emitter's is cut where its events end."""
    good = [encode_event(a_usage()) for _ in range(2)]
    crafted = b"[%b,%b,\n%b]" % (*good, b'{"x":[0,\n{}]}')
    bench = Bench()
    bench.send(crafted, placed_for=1)
    bench.apply()
    bench.flush()
    assert [charge.source_position for charge in bench.charges] == [0, 1]
    assert [letter.origin_position for letter in bench.letters] == [2]
