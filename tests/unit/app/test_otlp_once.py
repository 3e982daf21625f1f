"""One event for one call, whatever spans lie around it and however they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from taximeter.otlp.decoding import Form
from taximeter.otlp.intake import Export, Intake
from taximeter.otlp.nesting import Nesting, Stated
from taximeter.otlp.spans import Span
from tests.builders import NOON
from tests.exporting import CHAT, a_span, an_export

OUTER, MIDDLE, INNER, SECOND = (f"{n:016x}" for n in range(1, 5))
USAGE = {k: v for k, v in CHAT.items() if "usage" in k}


@pytest.fixture
def intake() -> Iterator[Intake]:
    """Give an intake that knows of nothing yet."""
    intake = Intake()
    yield intake
    intake.close()


def sent(intake: Intake, *spans: ProtoSpan) -> Export:
    """Return what an intake makes of one request with these spans."""
    return intake.reading(an_export(spans), Form.PROTOBUF, NOON)


# What frameworks put around their calls, with the usage of all of them on it.
AROUND: list[dict[str, object]] = [
    {"gen_ai.operation.name": "invoke_agent"},
    {"gen_ai.operation.name": "invoke_workflow"},
    {"gen_ai.operation.name": "execute_tool"},
    {"gen_ai.operation.name": "create_agent"},
    {"gen_ai.operation.name": "invoke_agent", "openinference.span.kind": "LLM"},
    {"openinference.span.kind": "AGENT"},
    {"openinference.span.kind": "CHAIN"},
    {"traceloop.span.kind": "workflow"},
    {"ai.operationId": "ai.generateText"},
    {"langfuse.observation.type": "agent"},
    {"gen_ai.agent.name": "planner"},
    {"agent_name": "planner"},
    {"taximeter.billed": False, "gen_ai.operation.name": "chat"},
    {"taximeter.billed": "false", "openinference.span.kind": "LLM"},
]


@pytest.mark.parametrize("said", AROUND, ids=lambda said: str(dict(said)))
def test_what_lies_around_calls_is_no_call(
    intake: Intake, said: dict[str, object]
) -> None:
    """It states its calls' usage, also before they arrive, and counts nothing."""
    span = a_span({**USAGE, "gen_ai.request.model": "gpt-4o", **said}, span_id=OUTER)
    export = sent(intake, span)
    assert (export.events, export.refused) == ([], [])
    assert export.outcomes == {"around": 1}


@pytest.mark.parametrize(
    ("said", "operation"),
    [
        ({"gen_ai.operation.name": "chat"}, "chat"),
        ({"gen_ai.operation.name": "text_completion"}, "completion"),
        ({"gen_ai.operation.name": "generate_content"}, "chat"),
        ({"gen_ai.operation.name": "embeddings"}, "embedding"),
        ({"openinference.span.kind": "EMBEDDING"}, "embedding"),
        ({"ai.operationId": "ai.streamText.doStream"}, "chat"),
        ({"llm.request.type": "completion"}, "completion"),
        ({"langfuse.observation.type": "generation"}, "chat"),
        ({"gen_ai.operation.name": "distil", "llm.request.type": "chat"}, "chat"),
        ({"taximeter.billed": True, "gen_ai.operation.name": "invoke_agent"}, "chat"),
        ({"taximeter.billed": "true"}, "chat"),
        ({"gen_ai.response.id": "r"}, "chat"),
    ],
    ids=str,
)
def test_what_a_provider_bills_is_a_call(
    intake: Intake, said: dict[str, object], operation: str
) -> None:
    """By each dialect's own word for it."""
    span = a_span({**USAGE, "gen_ai.request.model": "gpt-4o", **said}, kind=1)
    (event,) = sent(intake, span).events
    if operation != "chat":
        assert f'"operation":"{operation}"'.encode() in event.value


def test_usage_of_who_knows_what_is_refused_with_words(intake: Intake) -> None:
    """Counted it may count twice, left out it may be lost: so somebody is told."""
    span = a_span({**USAGE, "gen_ai.request.model": "gpt-4o"}, kind=1, name="step")
    (told,) = sent(intake, span).refused
    assert "“step”: it states usage and not what it did" in told
    assert len(sent(intake, a_span(USAGE, kind=3)).events) == 1


def test_other_spans_are_left_alone(intake: Intake) -> None:
    """Nobody is told of spans that are not about models; they are only counted."""
    export = sent(intake, a_span({"http.request.method": "GET"}, name="GET /"))
    assert (export.events, export.refused) == ([], [])
    assert export.outcomes == {"other": 1}


def nested(**inner: object) -> list[ProtoSpan]:
    """Return a framework's chat around a chain around its client's chat."""
    return [
        a_span(CHAT, span_id=OUTER),
        a_span({"openinference.span.kind": "CHAIN"}, span_id=MIDDLE, parent_id=OUTER),
        a_span(CHAT | inner, span_id=INNER, parent_id=MIDDLE),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_call_within_a_call_is_one(intake: Intake, order: tuple[int, ...]) -> None:
    """In whatever order one request has them, the inner one counts."""
    spans = nested()
    export = sent(intake, *(spans[at] for at in order))
    (event,) = export.events
    assert INNER.encode() in event.value
    assert export.outcomes == {"recorded": 1, "repeated": 1, "around": 1}


def test_inner_ones_that_came_before_are_remembered(intake: Intake) -> None:
    """Children end first: they are often in an earlier request."""
    outer, middle, inner = nested()
    assert len(sent(intake, inner).events) == 1
    assert sent(intake, middle).events == []
    assert sent(intake, outer).outcomes == {"repeated": 1}


def test_a_request_that_comes_again_changes_nothing(intake: Intake) -> None:
    """After a 503 the same request makes the same events."""
    outer, middle, inner = nested()
    first = [sent(intake, span) for span in (inner, middle, outer)]
    again = [sent(intake, span) for span in (inner, middle, outer)]
    assert again == first


@pytest.mark.parametrize(
    ("outer", "inner", "repeated"),
    [
        (Stated(10, 5), [Stated(10, 5)], True),
        (Stated(30, 9), [Stated(10, 5), Stated(20, 4)], True),
        (Stated(0, 0), [Stated(10, 5)], True),
        (Stated(31, 9), [Stated(10, 5), Stated(20, 4)], False),
        (Stated(10, 5, "x"), [Stated(10, 5, "x")], True),
        (Stated(99, 9, "x"), [Stated(10, 5, "w"), Stated(20, 4, "x")], True),
        (Stated(10, 5, "x"), [Stated(10, 5, "y")], False),
        (Stated(10, 5, "x"), [Stated(10, 5)], True),
        (Stated(10, 5), [], False),
    ],
)
def test_an_outer_call_that_uses_more_is_one_of_its_own(
    outer: Stated, inner: list[Stated], repeated: bool
) -> None:
    """By ids where there are any, else by what it states beyond the inner ones."""
    nesting, around = Nesting(), Span("t", "outer")
    for n, one in enumerate(inner):
        nesting.leave(Span("t", f"inner-{n}", parent_id="outer"), one)
    assert nesting.restates(around, outer) is repeated


def test_traces_and_siblings_are_apart(intake: Intake) -> None:
    """Only what lies within a span is held against it, in its own trace."""
    inner = a_span(CHAT, span_id=INNER, parent_id=OUTER)
    sibling = a_span(CHAT, span_id=SECOND, parent_id=OUTER)
    elsewhere = a_span(CHAT, span_id=OUTER, trace_id="f" * 32)
    assert len(sent(intake, inner, sibling, elsewhere).events) == 3


def test_what_is_remembered_is_bounded() -> None:
    """The oldest is forgotten first, and one span never fills the memory."""
    nesting = Nesting(most=10)
    for n in range(100):
        nesting.leave(Span("t", f"{n}", parent_id=f"around-{n}"), Stated(1, 1))
        nesting.leave(Span("t", f"x{n}", parent_id="root"), Stated(1, 1))
    held = sum(len(within) for within in nesting._within.values())
    assert nesting._held == held <= 10


def test_spans_in_circles_are_read_all_the_same(intake: Intake) -> None:
    """Parents of each other, and of themselves, are nonsense and no trouble."""
    round_about = [
        a_span(CHAT, span_id=OUTER, parent_id=INNER),
        a_span(CHAT, span_id=INNER, parent_id=OUTER),
        a_span(CHAT, span_id=SECOND, parent_id=SECOND),
    ]
    assert sum(sent(intake, *round_about).outcomes.values()) == 3
