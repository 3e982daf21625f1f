"""An import sends what nobody knows yet, and counts everything else."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from taximeter.imports.entries import Entry
from taximeter.imports.importing import Import, Tally
from taximeter.imports.outcomes import Outcome, Wanted
from taximeter.imports.seen import Seen
from taximeter_producers.emitter import MemoryEmitter
from taximeter_schemas.usage import UsageRecorded
from tests.builders import a_usage, an_id
from tests.importing import events_in, judged


class _Ledger:
    """Knows the charges it was given."""

    def __init__(self, *known: UUID) -> None:
        self.known = set(known)

    def charged(self, event_ids: list[UUID]) -> set[UUID]:
        return self.known & set(event_ids)


def _judge(entry: Entry) -> Iterator[Outcome]:
    said = entry.cells.get("reason")
    if said:
        yield Outcome(entry, "refused", reason=str(said))
    else:
        yield Outcome(entry, "event", a_usage(event_id=an_id(entry.cells["n"])))


def _run(
    rows: list[dict[str, object]], ledger: _Ledger | None, emitter: MemoryEmitter
) -> tuple[Tally, list[Outcome]]:
    refused: list[Outcome] = []
    run = Import(ledger, emitter, lambda: None, refused.append)
    entries = [Entry(f"line {number}", row) for number, row in enumerate(rows, 1)]
    with Seen() as seen:
        list(run.run(entries, _judge, seen))
    return run.tally, refused


def _ids(emitter: MemoryEmitter) -> list[UUID]:
    return [e.event_id for e in emitter.sent if isinstance(e, UsageRecorded)]


def test_what_the_ledger_has_is_not_sent_again() -> None:
    """However long ago it was imported: workers would know it for a day only."""
    emitter = MemoryEmitter()
    tally, _ = _run([{"n": 1}, {"n": 2}], _Ledger(an_id(1)), emitter)
    assert _ids(emitter) == [an_id(2)]
    assert (tally.rows, tally.new, tally.known, tally.sent) == (2, 1, 1, 1)


def test_what_stands_in_two_files_is_sent_once() -> None:
    """Overlapping exports make one event of a call, without a ledger as well."""
    emitter = MemoryEmitter()
    rows: list[dict[str, object]] = [{"n": n % 6_000} for n in range(12_000)]
    tally, _ = _run(rows, None, emitter)
    assert len(_ids(emitter)) == 6_000
    assert (tally.new, tally.known, tally.sent) == (6_000, 6_000, 6_000)


def test_nothing_is_lost_in_silence() -> None:
    """Every row is new, known, left out or refused, each refusal with its row."""
    rows: list[dict[str, object]] = [{"n": 1}, {"reason": "odd"}, {"reason": "odd"}]
    tally, refused = _run(rows, None, MemoryEmitter())
    assert tally.refused == {"odd": 2}
    assert [outcome.entry.place for outcome in refused] == ["line 2", "line 3"]
    full = MemoryEmitter()
    full.close()
    tally, _ = _run([{"n": 1}], None, full)
    assert tally.refused.total() == 1
    assert tally.sent == 0


def test_reasons_are_counted_in_bounded_memory() -> None:
    """A file in which every row is wrong in its own way has a hundred reasons."""
    rows: list[dict[str, object]] = [{"reason": f"odd {n}"} for n in range(500)]
    tally, refused = _run(rows, None, MemoryEmitter())
    assert len(tally.refused) == 101
    assert tally.refused.total() == len(refused) == 500


def test_attribution_can_be_said_for_all() -> None:
    """What the command line says wins over the log; tags are added."""
    wanted = Wanted("old", {"project_id": "p", "source": "s"}, {"run": "7"})
    first, *_ = events_in(judged("litellm", "litellm_spend_logs.csv", wanted=wanted))
    assert (first.project_id, first.source) == ("p", "s")
    assert (first.tags["run"], first.tags["team"]) == ("7", "growth")


def test_a_stretch_of_time_is_half_open() -> None:
    """From --since on, up to --until and without it; the rest is left out."""
    all_of_it = events_in(judged("litellm", "litellm_spend_logs.csv"))
    first, second, third = (event.occurred_at for event in all_of_it)
    wanted = Wanted("x", since=second, until=third)
    found = judged("litellm", "litellm_spend_logs.csv", wanted=wanted)
    assert [event.occurred_at for event in events_in(found)] == [second]
    reasons = [o.reason for o in found if "--" in o.reason]
    assert reasons == ["before --since", "not before --until"]
    assert first < second
