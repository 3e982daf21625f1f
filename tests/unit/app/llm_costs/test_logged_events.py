"""A logged call becomes the event that an emitter would have sent for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from taximeter.llm_costs.for_whom import ForWhom
from taximeter.llm_costs.logged_events import event_of, logged_event_id
from taximeter.llm_costs.logs_db import LoggedCall, UnreadableRow
from taximeter_schemas.usage import Usage, UsageNotUnderstood, UsageRecorded
from tests.builders import NOON


def a_logged_call(**fields: object) -> LoggedCall:
    """Return a call as the tool logged it."""
    usual = LoggedCall("turns", 1, "01jx", "gpt-4o", NOON)
    tokens: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 200}
    return replace(usual, **(tokens | fields))


def recorded(**fields: object) -> UsageRecorded:
    """Return the event of such a call."""
    event = event_of(a_logged_call(**fields))
    assert isinstance(event, UsageRecorded)
    return event


def used(**fields: object) -> dict[str, int]:
    """Return what such a call used, without what it did not."""
    return recorded(**fields).usage.model_dump(exclude_defaults=True)


def test_an_event_says_what_the_log_says() -> None:
    """Moment, model, provider, conversation, length and tokens are those of the log."""
    event = recorded(
        conversation_id="c1", duration_ms=850, resolved_model="gpt-4o-0806"
    )
    assert (event.occurred_at, event.source) == (NOON, "llm")
    assert (event.provider, event.model) == ("openai", "gpt-4o")
    assert (event.conversation_id, event.duration_ms) == ("c1", 850)
    assert event.response_model == "gpt-4o-0806"
    assert event.usage == Usage(text_input_tokens=1000, text_output_tokens=200)
    assert event.usage_source == "reported"


@pytest.mark.parametrize(
    ("model", "details", "usage"),
    [
        (
            "gpt-5.5",
            {
                "prompt_tokens_details": {"cached_tokens": 400},
                "completion_tokens_details": {"reasoning_tokens": 150},
            },
            {
                "text_input_tokens": 600,
                "cache_read_tokens": 400,
                "text_output_tokens": 50,
                "reasoning_output_tokens": 150,
            },
        ),
        (
            "o4-mini",
            {"output_tokens_details": {"reasoning_tokens": 150}},
            {
                "text_input_tokens": 1000,
                "text_output_tokens": 50,
                "reasoning_output_tokens": 150,
            },
        ),
        (
            "anthropic/claude-sonnet-4-5",
            {"cache_read_input_tokens": 400, "cache_creation_input_tokens": 30},
            {
                "text_input_tokens": 1000,
                "cache_read_tokens": 400,
                "cache_write_5m_tokens": 30,
                "text_output_tokens": 200,
            },
        ),
        (
            "gemini-2.5-flash",
            {"candidatesTokenCount": 50, "thoughtsTokenCount": 150},
            {
                "text_input_tokens": 1000,
                "text_output_tokens": 50,
                "reasoning_output_tokens": 150,
            },
        ),
        (
            "gemini/gemini-2.5-pro",
            {"candidatesTokenCount": 200, "toolUsePromptTokenCount": 300},
            {"text_input_tokens": 1000, "text_output_tokens": 200},
        ),
    ],
)
def test_details_are_read_by_their_providers_rules(
    model: str, details: Mapping[str, object], usage: dict[str, int]
) -> None:
    """A token stands in one bucket, whoever counts it inside of what total."""
    assert used(model=model, token_details=details) == usage


def test_tokens_that_nobody_states_are_estimated() -> None:
    """By the length of the texts where there are none, and the event says so."""
    unstated = {"input_tokens": None, "output_tokens": None}
    event = recorded(**unstated, asked_bytes=401, answered_bytes=80)
    assert event.usage == Usage(text_input_tokens=101, text_output_tokens=20)
    assert event.usage_source == "estimated"
    half = recorded(output_tokens=None, answered_bytes=80)
    assert half.usage == Usage(text_input_tokens=1000, text_output_tokens=20)
    assert half.usage_source == "estimated"


def test_usage_that_contradicts_itself_is_no_guess() -> None:
    """More tokens from a cache than there were at all: a person has to look."""
    details = {"prompt_tokens_details": {"cached_tokens": 4000}}
    event = event_of(a_logged_call(token_details=details))
    assert isinstance(event, UsageNotUnderstood)
    assert event.event_id == logged_event_id(a_logged_call())
    assert "4000 read from a cache" in event.detail


def test_a_row_that_no_event_can_say_is_told_of() -> None:
    """A row outside of an event's bounds is handed on with its reason."""
    bad = event_of(a_logged_call(model="m" * 300))
    assert isinstance(bad, UnreadableRow)
    assert "model" in bad.reason


def test_whom_a_call_was_for_is_said() -> None:
    """Project and tags, which are known from elsewhere, are the event's."""
    event = event_of(a_logged_call(), ForWhom("search", {"env": "test"}))
    assert isinstance(event, UsageRecorded)
    assert (event.project_id, event.tags) == ("search", {"env": "test"})


def test_the_same_call_has_the_same_id_wherever_it_is_read() -> None:
    """A copy of the log, another table or another row: the call counts once."""
    here, there = a_logged_call(), a_logged_call(table="responses", rowid=9)
    assert logged_event_id(here) == logged_event_id(there)
    assert logged_event_id(here) != logged_event_id(a_logged_call(id="01jy"))


def test_plain_numbers_are_no_ids_of_calls() -> None:
    """Of the first tables, where each log counts from one, the moment tells apart."""
    later = NOON + timedelta(seconds=1)
    one, other = (
        a_logged_call(table="logs", id="7", occurred_at=t) for t in (NOON, later)
    )
    assert logged_event_id(one) != logged_event_id(other)
    assert logged_event_id(one) == logged_event_id(one)
