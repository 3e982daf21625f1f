"""When what waits for a route goes, and what goes together; quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from taximeter.notify.grouping import Batch, Turn, next_turn
from taximeter.notify.quiet_hours import QuietHours
from tests.alerting import a_route, a_waiting, an_alert
from tests.builders import NOON, an_id

SECOND = timedelta(seconds=1)
NIGHT = {"from": "22:00", "until": "07:00", "zone": "Europe/Berlin"}


def _ids(batch: Batch | None) -> list[object]:
    assert batch is not None
    return [member.alert_id for member in batch.members]


def test_nothing_waits() -> None:
    """A route with nothing to do is not woken by the clock."""
    assert next_turn(a_route(), [], NOON) == Turn(None, None)


def test_a_burst_becomes_one_message() -> None:
    """What comes within the group's time of the first one goes together."""
    route = a_route(group={"seconds": 5})
    waiting = [a_waiting(an_alert(), routed_at=NOON + n * SECOND) for n in range(4)]

    early = next_turn(route, waiting, NOON + 4 * SECOND)
    due = next_turn(route, waiting, NOON + 5 * SECOND)

    assert early == Turn(look_again_at=NOON + 5 * SECOND)
    assert _ids(due.batch) == [one.alert_id for one in waiting]


def test_a_large_burst_goes_at_once_and_in_parts() -> None:
    """A message holds so many alerts at most; then there is nothing to wait for."""
    route = a_route(group={"seconds": 60, "at_most": 2})
    waiting = [a_waiting(an_alert()) for _ in range(3)]

    turn = next_turn(route, waiting, NOON)

    assert _ids(turn.batch) == [one.alert_id for one in waiting[:2]]


def test_a_message_that_was_begun_is_repeated_as_it_was() -> None:
    """The same alerts, the same id, after the pause; newcomers do not get in."""
    route = a_route(retries={"first_seconds": 2, "most_seconds": 5})
    begun: dict[str, Any] = {
        "message_id": an_id("m"),
        "attempts": 2,
        "attempted_at": NOON,
    }
    waiting = [a_waiting(an_alert()), a_waiting(an_alert(), **begun)]

    assert next_turn(route, waiting, NOON) == Turn(look_again_at=NOON + 4 * SECOND)
    batch = next_turn(route, waiting, NOON + 4 * SECOND).batch

    assert _ids(batch) == [waiting[1].alert_id]
    assert batch is not None
    assert (batch.message_id, batch.attempts) == (an_id("m"), 2)


@pytest.mark.parametrize(("attempts", "pause"), [(1, 2), (2, 4), (3, 5), (900, 5)])
def test_pauses_double_up_to_a_limit(attempts: int, pause: int) -> None:
    """The pause is a function of how often was attempted, whoever attempted it."""
    route = a_route(retries={"first_seconds": 2, "most_seconds": 5, "attempts": 1000})
    begun: dict[str, Any] = {
        "message_id": an_id("m"),
        "attempts": attempts,
        "attempted_at": NOON,
    }

    turn = next_turn(route, [a_waiting(an_alert(), **begun)], NOON)

    assert turn == Turn(look_again_at=NOON + pause * SECOND)


def test_in_quiet_hours_only_the_gravest_passes() -> None:
    """The others wait until the end, and then go together."""
    route = a_route(quiet=NIGHT, group={"seconds": 0})
    late = datetime(2026, 1, 1, 23, tzinfo=UTC)
    morning = datetime(2026, 1, 2, 6, tzinfo=UTC)
    calm = [a_waiting(an_alert(), routed_at=late) for _ in range(2)]
    grave = a_waiting(an_alert(threshold_percent=100), routed_at=late)

    assert _ids(next_turn(route, [*calm, grave], late).batch) == [grave.alert_id]
    assert next_turn(route, calm, late) == Turn(look_again_at=morning)
    assert next_turn(route, calm, morning - SECOND).batch is None
    assert len(_ids(next_turn(route, calm, morning).batch)) == 2


def test_without_an_exception_everything_waits() -> None:
    """`let_through: null` holds back what is critical, too."""
    route = a_route(quiet=NIGHT | {"let_through": None}, group={"seconds": 0})
    late = datetime(2026, 1, 1, 23, tzinfo=UTC)
    grave = a_waiting(an_alert(threshold_percent=100), routed_at=late)

    assert next_turn(route, [grave], late).batch is None


@pytest.mark.parametrize(
    ("moment", "over_at"),
    [
        ("2026-03-28T20:59:59", None),
        ("2026-03-28T21:00:00", "2026-03-29T05:00:00"),  # summer time begins that night
        ("2026-03-29T05:00:00", None),
        ("2026-10-24T20:00:00", "2026-10-25T06:00:00"),  # and ends in this one
        ("2026-10-25T05:59:59", "2026-10-25T06:00:00"),
    ],
)
def test_quiet_hours_are_those_of_the_zone(moment: str, over_at: str | None) -> None:
    """22:00 to 07:00 on Berlin's clocks, also when they are changed meanwhile."""
    quiet = QuietHours.model_validate(NIGHT)
    end = quiet.over_at(datetime.fromisoformat(moment).replace(tzinfo=UTC))

    found = end.replace(tzinfo=None).isoformat() if end else None
    assert found == over_at


def test_days_are_those_on_which_quiet_begins() -> None:
    """Friday's night goes on into Saturday; Saturday has none of its own."""
    quiet = QuietHours.model_validate(NIGHT | {"zone": "UTC", "days": ["fri"]})
    friday = datetime(2026, 1, 2, 23, tzinfo=UTC)

    assert quiet.over_at(friday) == datetime(2026, 1, 3, 7, tzinfo=UTC)
    assert quiet.over_at(friday + timedelta(hours=6)) is not None
    assert quiet.over_at(friday + timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"zone": "Mars/Olympus"}, "'Mars/Olympus' is not an IANA time zone"),
        ({"from": 1320}, 'a time is written in quotes, as "22:00"'),
        ({"from": "07:00"}, "from and until are the same"),
    ],
)
def test_quiet_hours_that_cannot_be(wrong: dict[str, object], words: str) -> None:
    """A zone that does not exist, a number for a time, no time at all are errors."""
    with pytest.raises(ValidationError, match=words):
        QuietHours.model_validate(NIGHT | wrong)
