"""Exports of Langfuse and of Helicone become events."""

from __future__ import annotations

from decimal import Decimal

import pytest

from taximeter_schemas.usage import UsageRecorded
from tests.importing import events_in, judged, of_row, refusals_in

OBSERVATION = {
    "id": "o-1",
    "type": "GENERATION",
    "startTime": "2026-10-05T09:40:00Z",
    "providedModelName": "gpt-4o-mini",
}


def _usage(**details: int) -> dict[str, object]:
    outcome = of_row("langfuse", **OBSERVATION, usageDetails=details)
    assert outcome.event is not None, outcome.reason
    return outcome.event.usage.model_dump(exclude_defaults=True)


@pytest.mark.parametrize("name", ["observations.csv", "observations.json"])
def test_every_export_of_langfuse_says_the_same(name: str) -> None:
    """A generation is one event, whichever way it was exported."""
    (blob,) = events_in(judged("langfuse", "langfuse_events.jsonl"))
    first, *_ = events_in(judged("langfuse", f"langfuse_{name}"))
    assert first == blob
    assert (first.user_id, first.session_id, first.endpoint) == ("ada", "s-1", "answer")
    assert first.tags == {"environment": "production", "beta": "true"}
    assert (first.provider, first.provider_cost_usd) == ("openai", Decimal("0.0000225"))
    assert first.duration_ms == 2500


def test_details_of_langfuse_stand_beside_its_totals() -> None:
    """Its integrations take the cached and the reasoning out of input and output."""
    assert _usage(input=60, input_cached_tokens=40, output=15, total=115) == {
        "text_input_tokens": 60,
        "cache_read_tokens": 40,
        "text_output_tokens": 15,
    }


def test_details_that_the_total_does_not_count_lie_within() -> None:
    """Where the total is input and output alone, the cached lie within the input."""
    assert _usage(input=100, cache_read_input_tokens=40, output=20, total=120) == {
        "text_input_tokens": 60,
        "cache_read_tokens": 40,
        "text_output_tokens": 20,
    }


def test_kinds_of_usage_have_buckets() -> None:
    """Modalities, cache writes and predictions find their bucket by their names."""
    found = _usage(
        input=1,
        input_audio_tokens=2,
        input_cache_creation_1h=3,
        input_cache_creation=4,
        output=5,
        output_audio=6,
        output_accepted_prediction_tokens=7,
    )
    assert found == {
        "text_input_tokens": 1,
        "audio_input_tokens": 2,
        "cache_write_1h_tokens": 3,
        "cache_write_5m_tokens": 4,
        "text_output_tokens": 12,
        "audio_output_tokens": 6,
    }


def test_an_unknown_kind_of_usage_is_refused() -> None:
    """What nobody knows the price of is not left out in silence."""
    assert refusals_in(judged("langfuse", "langfuse_observations.json")) == [
        "'widgets' is a kind of usage that is not known"
    ]


def test_spans_are_no_calls() -> None:
    """What is above a generation may repeat its usage, and counts nothing."""
    outcome = of_row("langfuse", **OBSERVATION | {"type": "AGENT"})
    assert (outcome.verdict, outcome.reason) == (
        "left_out",
        "AGENT is no call of a model",
    )


def _of_helicone(name: str) -> list[UsageRecorded]:
    return events_in(judged("helicone", f"helicone_requests.{name}"))


def test_every_export_of_helicone_says_the_same() -> None:
    """A request has one id in JSON, JSONL and CSV, and the first two say the same."""
    assert _of_helicone("json") == _of_helicone("jsonl")
    (sparse,) = _of_helicone("csv")
    first = _of_helicone("json")[0]
    assert sparse.event_id == first.event_id
    assert (first.user_id, first.session_id, first.tags) == (
        "ada",
        "s-9",
        {"team": "growth"},
    )
    assert (first.provider, first.duration_ms) == ("openai", 1200)
    assert first.provider_cost_usd == Decimal("0.0000255")


def test_helicones_columns_stand_beside_each_other() -> None:
    """Its prompt tokens are without the cached, its completion without reasoning."""
    usage = _of_helicone("json")[0].usage.model_dump(exclude_defaults=True)
    assert usage == {
        "text_input_tokens": 60,
        "cache_read_tokens": 40,
        "text_output_tokens": 20,
        "reasoning_output_tokens": 5,
    }


def test_the_providers_own_answer_wins() -> None:
    """With a body, usage is what the provider said, by the provider's rules."""
    answered = _of_helicone("json")[1]
    assert answered.usage.cache_read_tokens == 100
    assert answered.response_id == "msg_01AbCdEfGhIjKlMnOpQrStUv"


def test_failures_count_and_helicones_cache_does_not() -> None:
    """A refused request is an error; what Helicone answered itself is left out."""
    found = judged("helicone", "helicone_requests.json")
    assert [o.reason for o in found if o.verdict == "left_out"] == [
        "answered from Helicone's cache"
    ]
    assert events_in(found)[-1].error_type == "http_429"
