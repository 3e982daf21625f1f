"""A retry's steps, and what a crash between any two of them costs: nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taximeter.letters.fixes import one_fix
from taximeter.letters.retry import Choice
from taximeter_schemas.records import encode_event, packed
from tests.builders import NOON, a_usage
from tests.lettering import Crash, CrashAt, Desk, a_letter, named

EARLY = a_usage(occurred_at=NOON + timedelta(days=3))


def _ahead() -> Desk:
    """Return a desk with a letter whose time has come, and one that is broken."""
    desk = Desk([a_letter(encode_event(EARLY), 1, reason="from_the_future")])
    desk.topic.append(a_letter(offset=2))
    desk.clock.move(timedelta(days=2))
    return desk


def test_what_can_be_read_now_is_sent_and_noted() -> None:
    """The note names the events that the letter became; the other letter stays."""
    desk = _ahead()
    retried, dead = desk.retry()
    assert (retried.key, retried.outcome, retried.events) == (
        *("taximeter.usage:0:1", "retried"),
        1,
    )
    assert (dead.key, dead.outcome, dead.reason) == (
        *("taximeter.usage:0:2", "still_dead"),
        "not_json",
    )
    assert (retried.failed, dead.failed) == (False, True)
    assert desk.sent == [EARLY]
    (note,) = desk.notes
    assert note.dead_letter_id == retried.key
    assert note.event_ids == (EARLY.event_id,)
    assert (note.corrected, note.retried_at) == (False, NOON + timedelta(days=2))


def test_a_letter_is_retried_once() -> None:
    """Named again it says when that was, among all it is passed over; nothing goes."""
    desk = _ahead()
    letter = desk.topic[0]
    desk.retry()
    (named_again,) = desk.retry(Choice(frozenset([letter.key.decode()])))
    assert (named_again.outcome, named_again.detail) == (
        "retried_before",
        "at 2026-11-24T12:00:00+00:00",
    )
    assert not named_again.failed
    assert [one.outcome for one in desk.retry()] == ["still_dead"]
    assert desk.sent == [EARLY]


def test_again_sends_the_same_event_again() -> None:
    """Asked for, a retried letter goes once more, under the ids that it went under."""
    desk = _ahead()
    desk.retry()
    assert desk.retry(Choice(again=True))[0].outcome == "retried"
    assert desk.sent_ids == [EARLY.event_id] * 2


@pytest.mark.parametrize("crash_at", ["send", "amid", "note"])
def test_a_crash_between_the_steps_loses_nothing(crash_at: CrashAt) -> None:
    """The letters stay open, and the next retry sends the same ids and notes them."""
    events = [a_usage(user_id=str(at)) for at in range(4)]
    desk = Desk([a_letter(encode_event(one), at) for at, one in enumerate(events)])
    desk.crash_at = crash_at
    with pytest.raises(Crash):
        desk.retry()
    assert not desk.notes
    desk.crash_at = None
    assert [one.outcome for one in desk.retry()] == ["retried"] * 4
    assert set(desk.sent_ids) == {event.event_id for event in events}
    assert len(desk.notes) == 4


def test_what_is_charged_is_not_sent() -> None:
    """An event that the ledger has is noted, not sent: the horizon may be over."""
    sent, other = a_usage(), a_usage()
    desk = Desk([a_letter(packed([encode_event(sent), encode_event(other)]))])
    desk.charged = {sent.event_id}
    (outcome,) = desk.retry()
    assert (outcome.outcome, outcome.events, outcome.charged_before) == (
        "retried",
        2,
        1,
    )
    assert desk.sent == [other]
    assert set(desk.notes[0].event_ids) == {sent.event_id, other.event_id}


def test_the_same_event_in_two_letters_goes_once() -> None:
    """Both letters are noted."""
    event = a_usage()
    desk = Desk([a_letter(encode_event(event), at) for at in range(2)])
    assert [one.outcome for one in desk.retry()] == ["retried"] * 2
    assert desk.sent == [event]
    assert len(desk.notes) == 2


def test_a_letter_that_was_delivered_twice_is_one() -> None:
    """The same key in the topic twice is retried, and told, once."""
    letter = a_letter(encode_event(a_usage()))
    desk = Desk([letter, letter])
    assert len(desk.retry()) == 1
    assert (len(desk.sent), len(desk.notes)) == (1, 1)


def test_a_record_that_is_good_in_part_stays_open() -> None:
    """Its good events go; it says what is left, and is not noted as done."""
    good = a_usage()
    desk = Desk([a_letter(packed([encode_event(good), b"7"]))])
    (outcome,) = desk.retry()
    assert (outcome.outcome, outcome.events) == ("still_dead", 1)
    assert outcome.reason == "not_an_event"
    assert desk.sent == [good]
    assert not desk.notes


def test_a_correction_is_sent_in_place_of_the_bytes() -> None:
    """The note says that it was one; letters without a correction are not touched."""
    letter, other = a_letter(offset=1), a_letter(encode_event(a_usage()), offset=2)
    fixed = a_usage()
    desk = Desk([letter, other])
    key = letter.key.decode()
    choice = Choice(named(letter), fixes=one_fix(key, encode_event(fixed)))
    assert [one.outcome for one in desk.retry(choice)] == ["retried"]
    assert desk.sent == [fixed]
    assert desk.notes[0].corrected


def test_a_dry_run_only_tells() -> None:
    """It says what would go, and neither sends nor notes."""
    desk = _ahead()
    outcomes = desk.retry(Choice(dry_run=True))
    assert [one.outcome for one in outcomes] == ["readable", "still_dead"]
    assert (desk.sent, desk.notes) == ([], [])


def test_letters_are_chosen_by_their_reason() -> None:
    """Those kept for another reason are not even read."""
    desk = _ahead()
    outcomes = desk.retry(Choice(reason="from_the_future"))
    assert [one.key for one in outcomes] == ["taximeter.usage:0:1"]


def test_an_unknown_name_is_told() -> None:
    """A letter that is not there is a failure of its own, beside those that are."""
    desk = _ahead()
    unknown = "taximeter.usage:9:9"
    outcomes = desk.retry(Choice(frozenset({"taximeter.usage:0:1", unknown})))
    assert [(one.outcome, one.failed) for one in outcomes] == [
        ("retried", False),
        ("not_found", True),
    ]


def test_naming_none_is_not_naming_all() -> None:
    """An empty file of corrections retries nothing."""
    desk = _ahead()
    assert desk.retry(Choice(frozenset())) == []
    assert desk.sent == []


def test_many_letters_are_retried_in_parts() -> None:
    """A crash late among very many costs only the part that it was at."""
    events = [a_usage(user_id=str(at)) for at in range(1_200)]
    desk = Desk([a_letter(encode_event(one), at) for at, one in enumerate(events)])
    assert len(desk.retry()) == 1_200
    assert desk.sent == events
    assert len({note.key for note in desk.notes}) == 1_200
