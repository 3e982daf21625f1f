"""Whatever is exported, spans are counted, refused with words, or the body is."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taximeter.otlp.decoding import Form, Undecodable
from taximeter.otlp.intake import OUTCOMES, Intake
from taximeter.otlp.kinds import judged
from taximeter.otlp.spans import Span
from taximeter_schemas.records import Fault, kept_usage, read_record
from tests.builders import NOON
from tests.exporting import NOON_NS, a_span, an_export

NAMES = st.sampled_from(
    [
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.response.id",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.total_tokens",
        "gen_ai.usage.audio.input_tokens",
        "llm.token_count.prompt",
        "openinference.span.kind",
        "taximeter.billed",
        "taximeter.tags.x",
        "taximeter.service_tier",
        "server.address",
        "error.type",
        "user.id",
    ]
)
WORDS = st.sampled_from(["chat", "embeddings", "LLM", "true", "", "\x00", "é" * 400])
VALUES = (
    WORDS
    | st.text(max_size=20)
    | st.booleans()
    | st.floats()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(0, 50)
)
IDS = st.sampled_from(["", "0" * 16, *(f"{n:016x}" for n in range(1, 5))])
TIMES = st.sampled_from([0, 1, NOON_NS, 2**63, 2**64 - 10**12]) | st.integers(0, 2**63)

SPANS = st.builds(
    a_span,
    st.dictionaries(NAMES, VALUES, max_size=8),
    span_id=IDS,
    parent_id=IDS,
    began_ns=TIMES,
    took_ms=st.integers(0, 1000),
    failed=st.booleans(),
)


@given(st.lists(SPANS, max_size=6), st.sampled_from(Form))
def test_every_span_has_an_outcome(spans: list[Any], form: Form) -> None:
    """And what is made an event is one that a worker counts, or keeps on purpose."""
    with closing(Intake()) as intake:
        export = intake.reading(an_export(spans, form), form, NOON)
        assert intake.reading(an_export(spans, form), form, NOON).events is not None
    assert sum(export.outcomes.values()) == len(spans)
    assert set(export.outcomes) <= set(OUTCOMES)
    assert len(export.refused) == export.outcomes["refused"]
    for event in export.events:
        (read,) = read_record(event.value, NOON)
        assert not isinstance(read, Fault) or kept_usage(read) is not None


@given(st.lists(SPANS, max_size=6))
def test_both_encodings_mean_the_same(spans: list[Any]) -> None:
    """Protobuf and OTLP's JSON of the same spans make the same events."""
    made = []
    for form in Form:
        with closing(Intake()) as intake:
            made.append(intake.reading(an_export(spans, form), form, NOON))
    assert made[0] == made[1]


@given(st.binary(max_size=200), st.sampled_from(Form))
def test_any_bytes_are_read_or_refused(body: bytes, form: Form) -> None:
    """Nothing but Undecodable comes of a body that is no export."""
    with closing(Intake()) as intake, suppress(Undecodable):
        assert intake.reading(body, form, NOON) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceSpans", "scopeSpans", "spans", "attributes"])
            | st.sampled_from(["key", "value", "intValue", "traceId", "status"]),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    """Numbers where objects belong, nulls, NaN: read, or refused as a whole."""
    with closing(Intake()) as intake, suppress(Undecodable):
        body = json.dumps(value).encode()
        assert intake.reading(body, Form.JSON, NOON) is not None


@given(st.dictionaries(NAMES, VALUES))
def test_what_a_span_is_depends_on_itself_alone(said: dict[str, object]) -> None:
    """Where it lies in its trace, and when it arrives, changes nothing."""
    one = Span("a", "b", attributes=said)
    other = Span("c", "d", parent_id="e", began_ns=7, attributes=said)
    assert judged(one) == judged(other)
