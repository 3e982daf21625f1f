"""Rows of litellm's spend logs become events."""

from __future__ import annotations

from decimal import Decimal

import pytest

from taximeter_schemas.ids import response_event_id
from tests.importing import events_in, judged, of_row, refusals_in

ROW = {
    "request_id": "chatcmpl-0123456789abcdef",
    "call_type": "acompletion",
    "startTime": "2026-10-05T09:30:00Z",
    "model": "gpt-4o-mini",
    "custom_llm_provider": "openai",
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "spend": 0.1,
}


def test_a_row_says_all_that_an_event_can() -> None:
    """Whom it was for, what it used, took and cost, and when, come from the log."""
    first, *_ = events_in(judged("litellm", "litellm_spend_logs.csv"))
    assert first.event_id == response_event_id("openai", "chatcmpl-BxQ1f7aa0001cd9e")
    assert first.occurred_at.isoformat() == "2026-10-05T09:30:00.123000+00:00"
    assert (first.provider, first.model, first.operation) == (
        "openai",
        "gpt-4o-mini",
        "chat",
    )
    assert (first.user_id, first.project_id, first.session_id) == (
        "ada",
        "search",
        "3b2f5a0e",
    )
    assert first.tags == {
        "team": "growth",
        "key_alias": "search-prod",
        "end_user": "customer-12",
        "model_group": "fast",
        "env": "prod",
    }
    assert first.api_key_hash is not None
    assert (first.duration_ms, first.provider_cost_usd) == (1250, Decimal("0.0000135"))
    assert first.usage.text_input_tokens == 10
    assert first.source == "litellm"


def test_csv_and_json_say_the_same() -> None:
    """An export as CSV and one as JSON make the same events, cached tokens apart."""
    from_csv = events_in(judged("litellm", "litellm_spend_logs.csv"))
    from_json = events_in(judged("litellm", "litellm_spend_logs.json"))
    assert from_csv == from_json
    usage = from_csv[1].usage
    assert (usage.text_input_tokens, usage.cache_read_tokens) == (1000, 800)
    assert usage.cache_write_5m_tokens == 200


def test_what_failed_is_an_event_without_usage() -> None:
    """A failed request is an error of its class, and used nothing."""
    failed = events_in(judged("litellm", "litellm_spend_logs.json"))[2]
    assert (failed.status, failed.error_type) == ("error", "RateLimitError")
    assert failed.usage.text_input_tokens == 0


def test_what_is_no_call_is_left_out() -> None:
    """Answers from litellm's cache, and requests that bill nothing, make no event."""
    found = judged("litellm", "litellm_spend_logs.json")
    left_out = [o.reason for o in found if o.verdict == "left_out"]
    assert left_out == ["answered from litellm's cache", "afile_retrieve bills no call"]


def test_a_spend_without_usage_is_refused() -> None:
    """Images cost money and state no tokens: that is not taken for free."""
    (reason,) = refusals_in(judged("litellm", "litellm_spend_logs.json"))
    assert reason.startswith("it states a spend and no tokens")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"startTime": None}, "startTime or start_time is missing"),
        ({"startTime": "soon"}, "startTime 'soon' is no moment"),
        ({"startTime": "2099-01-01T00:00:00Z"}, "lies more than a day in the future"),
        ({"model": ""}, "model is missing"),
        ({"prompt_tokens": "many"}, "prompt_tokens 'many' is no count"),
        ({"prompt_tokens": -1}, "prompt_tokens '-1' is no count"),
        ({"spend": "free"}, "spend 'free' is no amount"),
        ({"request_id": None}, "request_id is missing"),
        ({"startTime": "1969-01-01T00:00:00Z"}, "occurred_at: "),
        ({"spend": "1e30"}, "provider_cost_usd: "),
    ],
)
def test_a_row_that_cannot_be_is_refused(cells: dict[str, object], words: str) -> None:
    """A cell that cannot mean what its column says refuses the row, and says so."""
    outcome = of_row("litellm", **ROW | cells)
    assert outcome.verdict == "refused"
    assert outcome.reason.startswith(words)
