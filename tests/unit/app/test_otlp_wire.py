"""Spans are counted on the wire as the library counts them once they are read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from taximeter.otlp.wire import entries_of
from tests.exporting import a_span


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=4))
def test_each_span_and_what_it_stands_in_counts(shape: list[list[int]]) -> None:
    """Whatever is in a span counts with it."""
    request = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                scope_spans=[ScopeSpans(spans=[a_span()] * spans) for spans in scopes]
            )
            for scopes in shape
        ]
    )
    there = sum(1 + len(scopes) + sum(scopes) for scopes in shape)
    assert entries_of(request.SerializeToString(), 1000) == there
    assert entries_of(request.SerializeToString(), 2) == min(there, 3)


def test_a_group_hides_nothing() -> None:
    """Nobody writes groups any more, and the library still reads what is behind one."""
    body = (
        b"\x1b\x1c"
        + ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[a_span()])])]
        ).SerializeToString()
    )
    assert len(ExportTraceServiceRequest.FromString(body).resource_spans) == 1
    assert entries_of(body, 1000) == 2 + 3


@given(st.binary(max_size=100))
def test_any_bytes_have_an_end(body: bytes) -> None:
    """What is no protobuf is counted as far as it goes."""
    assert 0 <= entries_of(body, 5) <= 6
