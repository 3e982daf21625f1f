"""What a dead letter says when it is read once more."""

from __future__ import annotations

from datetime import timedelta

from taximeter.letters.fixes import one_fix
from taximeter.letters.second_reading import (
    SecondReading,
    read_again,
    read_corrected,
)
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.records import encode_event, packed
from taximeter_schemas.usage import UsageEvent
from tests.builders import NOON, a_usage
from tests.lettering import a_letter

BAD = b'{"event_id": 7}'


def _corrected(letter: DeadLetter, *events: UsageEvent) -> SecondReading:
    fix = one_fix("it", packed([encode_event(event) for event in events]))["it"]
    return read_corrected(letter, fix, NOON)


def test_a_time_that_has_come_is_good() -> None:
    """What was ahead of its time can be read when its time has come, not before."""
    event = a_usage(occurred_at=NOON + timedelta(days=3))
    (refusal,) = read_again(encode_event(event), NOON).refusals
    assert refusal.reason == "from_the_future"
    assert read_again(encode_event(event), NOON + timedelta(days=2)) == ([event], [])


def test_the_good_ones_of_a_packed_record_go() -> None:
    """Each event that can be read is there, and a reason for each that cannot."""
    good = [a_usage(), a_usage()]
    value = packed([encode_event(good[0]), BAD, encode_event(good[1])])
    events, refusals = read_again(value, NOON)
    assert list(events) == good
    assert [refusal.reason for refusal in refusals] == ["invalid_event"]


def test_nothing_is_no_event() -> None:
    """An empty record, or a correction of nothing, leaves a letter open."""
    assert read_again(b"[]", NOON).refusals[0].reason == "not_an_event"
    assert _corrected(a_letter()).refusals[0].reason == "not_an_event"


def test_an_event_that_no_emitter_takes_is_refused() -> None:
    """One that is too large for a record stays dead, with that reason."""
    tags = {f"{at}" + "\x01" * 200: "\x01" * 250 for at in range(32)}
    large = encode_event(a_usage(tags=tags))
    assert len(large) > 64 * 1024
    assert read_again(large, NOON).refusals[0].reason == "too_large"


def test_a_correction_stands_in_the_place_of_the_bytes() -> None:
    """Of one kept event only the correction goes, however good the bytes are now."""
    kept, fixed = a_usage(), a_usage(user_id="bob")
    assert _corrected(a_letter(encode_event(kept)), fixed) == ([fixed], [])


def test_a_correction_goes_as_a_whole_or_not_at_all() -> None:
    """One wrong event among the corrected ones keeps all of them back."""
    fix = one_fix("it", packed([encode_event(a_usage()), BAD]))["it"]
    events, refusals = read_corrected(a_letter(), fix, NOON)
    assert not events
    assert [refusal.reason for refusal in refusals] == ["invalid_event"]


def test_a_broken_record_may_be_given_as_many_events() -> None:
    """Bytes in which nothing could be read can have been any number of events."""
    fixed = [a_usage() for _ in range(3)]
    assert _corrected(a_letter(b'[{"event_id"'), *fixed) == (fixed, [])


def test_the_good_ones_beside_a_corrected_one_go_too() -> None:
    """A correction of one event loses none of those that stood beside it."""
    good, fixed = a_usage(), a_usage()
    letter = a_letter(packed([encode_event(good), BAD]))
    assert _corrected(letter, fixed) == ([fixed, good], [])


def test_a_correction_wins_over_the_kept_event_of_its_id() -> None:
    """Given the whole record again, each of its events goes once."""
    good, fixed = a_usage(), a_usage()
    renamed = good.model_copy(update={"user_id": "bob"})
    letter = a_letter(packed([encode_event(good), BAD]))
    assert _corrected(letter, renamed, fixed) == ([renamed, fixed], [])


def test_a_letter_stays_open_until_all_of_it_is_corrected() -> None:
    """One correction for two broken events goes, and the letter says what is left."""
    good, fixed = a_usage(), a_usage()
    letter = a_letter(packed([BAD, encode_event(good), BAD]))
    events, refusals = _corrected(letter, fixed)
    assert list(events) == [fixed, good]
    assert refusals[0].detail.startswith("1 more in it to be corrected, such as: ")
