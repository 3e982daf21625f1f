"""Partial sums are absolute and say how far they go."""

from __future__ import annotations

from taximeter_processors.charging import Amounts
from taximeter_processors.sums import Added, PartialSums, decode_row, row_key, stated
from taximeter_processors.windows import window_start
from taximeter_schemas.charges import UnpricedReason
from taximeter_schemas.partitioning import partition_of
from taximeter_schemas.spend import Partial, SpendAdvanced, subject_key
from taximeter_schemas.subjects import Subject, SubjectKind
from tests.builders import NOON, a_usage

ALICES = a_usage(user_id="alice")
HUGE = 10**26


def amounts(cost_pico: int | None, calls: int = 1, tokens: int = 10) -> Amounts:
    """Return what one event adds."""
    reason: UnpricedReason | None = None if cost_pico is not None else "unknown_model"
    output = None if cost_pico is None else 0
    unpriced = calls if cost_pico is None else 0
    return Amounts(
        cost_pico, output, cost_pico, tokens, calls, reason, "v", None, unpriced
    )


def stored_after(
    stored: dict[bytes, bytes], *added: tuple[Amounts, int]
) -> dict[bytes, bytes]:
    """Return the rows once these amounts of Alice's are flushed on top."""
    sums = PartialSums(stored, 4)
    for amount, offset in added:
        sums.add(ALICES, amount, offset)
    return stored | {key: value for key, value, _ in sums.changed()}


def alices(stored: dict[bytes, bytes]) -> Partial:
    """Return Alice's row."""
    key = row_key("user", "alice", window_start(NOON))
    return decode_row(key, stored[key]).partial


def test_sums_go_on_from_what_is_stored() -> None:
    """A row says everything since the beginning, not since the last flush."""
    stored = stored_after({}, (amounts(5), 0), (amounts(7), 1))
    stored = stored_after(stored, (amounts(1), 9))
    assert alices(stored) == Partial("13", 3, 0, 30, 9)


def test_what_is_stored_is_what_is_said() -> None:
    """Table and owner are told the same row, and the owner is who it hashes to."""
    sums = PartialSums({}, 4)
    sums.add(ALICES, amounts(HUGE), 3)
    for row in sums.changed():
        said = SpendAdvanced.model_validate_json(
            b'{"source_partition":0,"rows":[%b]}' % stated(row)
        ).rows[0]
        assert said == decode_row(row.key, row.value)
        assert said.partial.cost_pico == str(HUGE)
        subject = Subject(said.kind, said.id)
        assert row.owner == partition_of(subject_key(subject), 4)


def test_unpriced_calls_are_counted_and_not_free() -> None:
    """A call without a price adds a call and an unpriced call, and no money."""
    stored = stored_after({}, (amounts(5), 0), (amounts(None), 1))
    assert alices(stored) == Partial("5", 2, 1, 20, 1)


def test_what_adds_nothing_is_in_every_row_all_the_same() -> None:
    """A correction that changes no token: all of its rows say how far they go."""
    stored = stored_after({}, (amounts(0, calls=0, tokens=0), 4))
    rows = [decode_row(key, value) for key, value in stored.items()]
    assert {row.kind for row in rows} == {"all", "user", "model", "project"}
    assert {row.partial for row in rows} == {Partial("0", 0, 0, 0, 4)}


def test_a_window_that_only_other_kinds_count_in_has_only_their_rows() -> None:
    """What is recounted for a kind leaves the row over everything alone."""
    sums, more = PartialSums({}, 4), Added()
    more.calls = 1
    sums.add_all("endpoint", {("/answer", 900): more})
    assert [decode_row(row.key, row.value).kind for row in sums.changed()] == [
        "endpoint"
    ]


def test_only_what_changed_is_written() -> None:
    """Only rows that were added to since the last flush are stated."""
    sums = PartialSums({}, 4)
    sums.add(ALICES, amounts(5), 0)
    list(sums.changed())
    sums.flushed()
    assert not len(sums)
    sums.add(a_usage(user_id="bob"), amounts(5), 1)
    assert not [row for row in sums.changed() if b"alice" in row.key]


def test_subjects_and_windows_have_rows_of_their_own() -> None:
    """Names that only look alike never share a row."""
    names = ("a", 'a",900', "ä", "", "a\\")
    kinds: tuple[SubjectKind, ...] = ("all", "user", "model", "project")
    keys = {
        row_key(kind, name, window)
        for kind in kinds
        for name in names
        for window in (0, 900)
    }
    assert len(keys) == len(names) * len(kinds) * 2
