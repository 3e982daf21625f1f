"""Ids are ordered by time, or stand for facts, for ever the same way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import example, given
from hypothesis import strategies as st

from taximeter_schemas.ids import (
    derived_id,
    repriced_event_id,
    response_event_id,
    time_ordered_id,
)
from tests.builders import NOON

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

moments = st.timedeltas(timedelta(days=365 * 30), timedelta(days=365 * 230)).map(
    lambda since: EPOCH + since
)


@given(moments)
def test_time_ordered_id_is_a_uuid7_of_its_moment(moment: datetime) -> None:
    """A UUIDv7 says in its first 48 bits when it was made, to the millisecond."""
    made = time_ordered_id(moment)

    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == (moment - EPOCH) // timedelta(milliseconds=1)


@given(moments)
@example(datetime(2004, 3, 7, 5, 11, 13, tzinfo=UTC))
def test_later_ids_sort_after_earlier_ones(moment: datetime) -> None:
    """Ids of different milliseconds sort by time, as text too."""
    later = moment + timedelta(milliseconds=1)

    assert str(time_ordered_id(moment)) < str(time_ordered_id(later))


def test_ids_of_one_moment_differ() -> None:
    """A thousand ids made in the same millisecond are a thousand ids."""
    assert len({time_ordered_id(NOON) for _ in range(1000)}) == 1000


def test_derived_ids_never_change() -> None:
    """Ids derived from facts are what they were in every version so far.

    Should this fail, every retry and every replay would count as a new call: mend the
    code, never these values.
    """
    assert derived_id("a", "b") == UUID("5cbe86c6-11ac-5fb8-8f81-0f9698a0f068")
    assert response_event_id("openai", "resp-1") == UUID(
        "a2dae2ea-38a9-5156-964d-2a891694f10e"
    )


def test_derived_ids_tell_facts_apart() -> None:
    """Where one fact ends and the next begins matters."""
    assert len({derived_id("ab"), derived_id("a", "b"), derived_id("", "ab")}) == 3


def test_same_response_through_two_integrations_is_one_event() -> None:
    """The same provider, response and attempt have one id; a retry has another."""
    one = response_event_id("openai", "resp-1")

    assert response_event_id("openai", "resp-1", attempt=0) == one
    assert response_event_id("openai", "resp-1", attempt=1) != one
    assert response_event_id("azure", "resp-1") != one


def test_derived_ids_are_uuid5() -> None:
    """An id that stands for facts says that it is derived by a hash of a name."""
    derived = derived_id("a")

    assert (derived.version, derived.variant) == (5, RFC_4122)


@given(st.uuids(), st.integers(1, 10**6))
def test_the_quick_way_to_an_id_is_the_same(event_id: UUID, statements: int) -> None:
    """The id of a re-pricing is the one derived from its facts."""
    wanted = derived_id("repriced", str(event_id), str(statements))
    assert repriced_event_id(str(event_id), statements) == str(wanted)
