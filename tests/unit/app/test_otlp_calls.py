"""What the event of a span says: whose call, for whom, how much, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from taximeter.otlp.decoding import Form
from taximeter.otlp.intake import Export, Intake
from taximeter_producers.call_ids import call_event_id
from taximeter_schemas.ids import derived_id
from taximeter_schemas.records import Fault, kept_usage, read_record
from taximeter_schemas.usage import UsageRecorded
from tests.builders import NOON
from tests.exporting import CHAT, NOON_NS, TRACE, a_span, an_export

BARE: dict[str, object] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
}


def taken(
    *spans: Span,
    form: Form = Form.PROTOBUF,
    resource: Mapping[str, object] | None = None,
) -> Export:
    """Return what an API that knows of nothing makes of these spans."""
    with closing(Intake()) as intake:
        return intake.reading(an_export(spans, form, resource), form, NOON)


def recorded(
    *spans: Span,
    form: Form = Form.PROTOBUF,
    resource: Mapping[str, object] | None = None,
) -> UsageRecorded:
    """Return the one event that is made of these spans, as a worker reads it."""
    (event,) = taken(*spans, form=form, resource=resource).events
    (read,) = read_record(event.value, NOON)
    assert isinstance(read, UsageRecorded), read
    return read


@pytest.mark.parametrize("form", Form)
def test_a_chat_becomes_an_event(form: Form) -> None:
    """Usage, names, times and ids are those of the span, however it is written."""
    said = CHAT | {
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "openai.response.service_tier": "flex",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stream": True,
    }
    event = recorded(a_span(said, took_ms=850), form=form)
    assert event.model_dump(exclude_unset=True) == {
        "event_id": derived_id("otel", TRACE, "00f067aa0ba902b7"),
        "occurred_at": NOON,
        "source": "search",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "operation": "chat",
        "usage": {
            "text_input_tokens": 60,
            "cache_read_tokens": 30,
            "cache_write_5m_tokens": 10,
            "text_output_tokens": 15,
            "reasoning_output_tokens": 5,
        },
        "usage_source": "reported",
        "response_model": "gpt-4o-mini-2024-07-18",
        "service_tier": "flex",
        "trace_id": TRACE,
        "span_id": "00f067aa0ba902b7",
        "duration_ms": 850,
    }


def test_older_names_mean_the_same() -> None:
    """`gen_ai.system`, prompt and completion tokens are what they were."""
    old = {
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "gpt-4o-mini",
        "llm.request.type": "chat",
        "gen_ai.usage.prompt_tokens": 100,
        "gen_ai.usage.completion_tokens": 20,
    }
    assert recorded(a_span(old)) == recorded(a_span(CHAT))


def test_openinference_means_the_same() -> None:
    """Its spans have names of their own for a model's tokens."""
    other = {
        "openinference.span.kind": "LLM",
        "llm.system": "openai",
        "llm.model_name": "gpt-4o-mini",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 20,
        "llm.token_count.total": 120,
    }
    assert recorded(a_span(other)) == recorded(a_span(CHAT))


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ({"gen_ai.provider.name": "aws.bedrock"}, "bedrock"),
        ({"gen_ai.provider.name": "gcp.gemini"}, "gemini"),
        ({"gen_ai.provider.name": "gcp.vertex_ai"}, "vertex_ai"),
        ({"gen_ai.provider.name": "azure.ai.openai"}, "azure"),
        ({"gen_ai.system": "az.ai.openai"}, "azure"),
        ({"gen_ai.provider.name": "x_ai"}, "xai"),
        ({"gen_ai.provider.name": "mistral_ai"}, "mistral"),
        ({"gen_ai.system": "openai.responses"}, "openai"),
        ({"gen_ai.system": "google.generative-ai"}, "gemini"),
        ({"gen_ai.system": "acme"}, "acme"),
        ({"gen_ai.system": ".chat"}, "unknown"),
        ({}, "unknown"),
        (
            {"gen_ai.system": "openai", "server.address": "me.openai.azure.com"},
            "azure",
        ),
    ],
)
def test_providers_have_one_name(said: dict[str, object], provider: str) -> None:
    """Whatever OpenTelemetry calls a provider, events call it what clients call it."""
    nobody = {k: v for k, v in CHAT.items() if k != "gen_ai.provider.name"}
    assert recorded(a_span(nobody | said)).provider == provider


def test_a_call_that_its_provider_named_counts_once() -> None:
    """Its event has the id that a wrapped client or the litellm callback gives it."""
    response = "chatcmpl-9zXyz0123456789"
    named = CHAT | {"gen_ai.response.id": response}
    event = recorded(a_span(named))
    assert event.event_id == call_event_id("openai", response)
    assert event.response_id == response
    short = recorded(a_span(CHAT | {"gen_ai.response.id": "chatcmpl-453"}))
    assert short.event_id == derived_id("otel", TRACE, "00f067aa0ba902b7")


def test_attribution_of_span_and_resource() -> None:
    """Who a call was for, by Taximeter's names first; the span's words win."""
    resource = {
        "service.name": "search",
        "deployment.environment.name": "prod",
        "taximeter.project": "portal",
        "taximeter.tags.team": "growth",
        "taximeter.tags.cell": "a",
    }
    said = CHAT | {
        "user.id": "ada",
        "session.id": "s-1",
        "gen_ai.conversation.id": "c-1",
        "gen_ai.agent.name": "planner",
        "http.route": "/ask",
        "taximeter.tags.team": "core",
    }
    event = recorded(a_span(said), resource=resource)
    assert (event.user_id, event.project_id) == ("ada", "portal")
    assert (event.session_id, event.conversation_id) == ("s-1", "c-1")
    assert (event.source, event.endpoint) == ("search", "/ask")
    assert event.tags == {
        "env": "prod",
        "agent": "planner",
        "team": "core",
        "cell": "a",
    }
    own = recorded(a_span(said | {"taximeter.user": "bob"}), resource=resource)
    assert own.user_id == "bob"


def test_a_service_that_nobody_named_is_unknown() -> None:
    """What SDKs write in place of a name is none."""
    resource = {"service.name": "unknown_service:python"}
    assert recorded(a_span(), resource=resource).source == "unknown"


@pytest.mark.parametrize(
    ("span", "error"),
    [
        (a_span(CHAT | {"error.type": "429"}), "429"),
        (a_span(failed=True, exception="RateLimitError"), "RateLimitError"),
        (a_span(failed=True), "error"),
    ],
)
def test_a_failed_call_is_an_event(span: Span, error: str) -> None:
    """With its error's type, its duration, and whatever usage was stated."""
    event = recorded(span)
    assert (event.status, event.error_type) == ("error", error)
    assert event.duration_ms == 850
    assert event.usage.text_input_tokens == 100


def test_a_failed_call_without_usage_used_nothing() -> None:
    """A refused call is billed nothing, and is an event all the same."""
    event = recorded(a_span(BARE, failed=True))
    assert event.status == "error"
    assert not any(event.usage.model_dump().values())


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"gen_ai.usage.input_tokens": -1},
        {"gen_ai.usage.input_tokens": "many"},
        {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.audio.input_tokens": 9},
    ],
)
def test_a_usage_that_nobody_understands_is_kept(usage: dict[str, object]) -> None:
    """A call without usage, or with a contradiction, becomes a dead letter."""
    export = taken(a_span(BARE | usage))
    (event,) = export.events
    (fault,) = read_record(event.value, NOON)
    assert isinstance(fault, Fault)
    kept = kept_usage(fault)
    assert kept is not None
    assert (kept.model, kept.span_id) == ("gpt-4o-mini", "00f067aa0ba902b7")
    assert export.outcomes == {"not_understood": 1}


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (a_span(trace_id="0" * 32), "no trace id"),
        (a_span(span_id=""), "no span id"),
        (a_span(began_ns=0, took_ms=0), "occurred_at"),
        (a_span(began_ns=2**63), "occurred_at"),
        (a_span(began_ns=NOON_NS + 2 * 86_400 * 10**9), "more than a day from now"),
    ],
)
def test_a_call_that_cannot_be_an_event_is_refused_with_words(
    span: Span, words: str
) -> None:
    """The exporter is told which span it is and what it lacks; others are taken."""
    export = taken(span, a_span(span_id="0000000000000001"))
    (told,) = export.refused
    assert "chat gpt-4o-mini" in told
    assert words in told
    assert len(export.events) == 1
    assert export.outcomes == {"refused": 1, "recorded": 1}


def test_a_token_writes_spans_of_its_sources() -> None:
    """Spans of other services are refused, in the words of the token."""
    lacks = {"search": None, "shop": "it is not yours"}.get
    with closing(Intake()) as intake:
        for service, refused in (("search", 0), ("shop", 1)):
            body = an_export([a_span()], resource={"service.name": service})
            export = intake.reading(body, Form.PROTOBUF, NOON, lacks)
            assert (len(export.events), len(export.refused)) == (1 - refused, refused)
    assert "it is not yours" in export.refused[0]


def test_an_event_is_as_long_ago_as_its_span() -> None:
    """It happened when the span began, whenever it was exported."""
    earlier = a_span(began_ns=NOON_NS - 3_600 * 10**9)
    assert recorded(earlier).occurred_at == NOON - timedelta(hours=1)


def test_nothing_of_a_prompt_gets_into_an_event() -> None:
    """Prompts, answers and headers stand in attributes that are not read."""
    secret = "sk-planted-in-a-span"
    said: dict[str, object] = {
        "gen_ai.input.messages": secret,
        "gen_ai.output.messages": secret,
        "gen_ai.prompt.0.content": secret,
        "gen_ai.completion.0.content": secret,
        "gen_ai.system_instructions": secret,
        "gen_ai.tool.call.arguments": secret,
        "llm.headers": secret,
        "input.value": secret,
        "http.request.header.authorization": secret,
        "gen_ai.usage.note": secret * 9,
    }
    good, bad = a_span(CHAT | said), a_span({**said, "gen_ai.operation.name": "chat"})
    for span in (good, bad):
        (event,) = taken(span).events
        assert secret.encode() not in event.value
