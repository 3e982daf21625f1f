"""OpenTelemetry's own SDK exports to the API, and Kafka has one event for one call."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

import taximeter
from taximeter.api.app import create_app
from taximeter.api.room import MAX_BODY_BYTES, Limits
from taximeter.broker.ports import free_port
from taximeter.broker.topic_io import read_topic
from taximeter.otlp.decoding import Form
from taximeter.state import DataDir
from taximeter_producers.wrapping.later import later
from taximeter_schemas.records import read_record
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests import provider_answers as answers
from tests.builders import NOON
from tests.exporting import CHAT, a_span, an_export
from tests.http_serving import served
from tests.replaying import replaying

pytestmark = pytest.mark.broker

TRACES = "/v1/traces"
PROTOBUF = {"content-type": Form.PROTOBUF.value}
JSON = {"content-type": Form.JSON.value}
BILLED = {k: v for k, v in CHAT.items() if isinstance(v, str | int)}


@asynccontextmanager
async def serving(
    bootstrap: str, topics: Topics, data: Path, limits: Limits | None = None
) -> AsyncIterator[str]:
    """Serve an API over real HTTP; gives its address."""
    app = create_app(
        bootstrap=bootstrap, topics=topics, data=DataDir(data), limits=limits
    )
    async with served(app) as url:
        yield url


@pytest.fixture
async def api(bootstrap: str, topics: Topics, tmp_path: Path) -> AsyncIterator[str]:
    """Give the address of an API in front of the real broker."""
    async with serving(bootstrap, topics, tmp_path) as url:
        yield url


async def in_kafka(bootstrap: str, topics: Topics) -> list[UsageRecorded]:
    """Return the events in Kafka, the first to happen first."""
    records = await read_topic(bootstrap, topics.usage)
    later = NOON.replace(year=2190)
    read = [one for record in records for one in read_record(record.value, later)]
    events = [one for one in read if isinstance(one, UsageRecorded)]
    assert len(events) == len(read), read
    return sorted(events, key=lambda event: event.occurred_at)


def an_agents_run(provider: TracerProvider) -> None:
    """Trace an agent that makes two calls and a failed one, as frameworks do."""
    tracer = provider.get_tracer("tests")
    whole: dict[str, str | int] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.usage.input_tokens": 200,
        "gen_ai.usage.output_tokens": 40,
        "gen_ai.request.model": "gpt-4o-mini",
    }
    with (
        tracer.start_as_current_span("GET /ask", kind=SpanKind.SERVER),
        tracer.start_as_current_span("invoke_agent planner", attributes=whole),
    ):
        for user in ("ada", "bob"):
            said: dict[str, str | int] = BILLED | {"user.id": user}
            with tracer.start_as_current_span(
                "chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=said
            ):
                pass
        with tracer.start_as_current_span(
            "chat gpt-4o-mini",
            kind=SpanKind.CLIENT,
            attributes={"gen_ai.operation.name": "chat", "error.type": "timeout"},
        ) as failed:
            failed.set_status(StatusCode.ERROR)
        with tracer.start_as_current_span(
            "execute_tool", attributes={"gen_ai.operation.name": "execute_tool"}
        ):
            pass


def one_by_one(url: str) -> SpanProcessor:
    """Return what sends each span in a request of its own, children first."""
    return SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces", timeout=60))


def packed(url: str) -> SpanProcessor:
    """Return what sends all spans in one compressed request."""
    exporter = OTLPSpanExporter(
        f"{url}/v1/traces", compression=Compression.Gzip, timeout=60
    )
    return BatchSpanProcessor(exporter)


@pytest.mark.parametrize("processor", [one_by_one, packed])
async def test_a_real_sdk_exports_and_each_call_counts_once(
    api: str, bootstrap: str, topics: Topics, processor: Callable[[str], SpanProcessor]
) -> None:
    """Two calls and a failed one; the agent around them states the same usage."""
    provider = TracerProvider(resource=Resource.create({"service.name": "search"}))
    provider.add_span_processor(processor(api))
    await asyncio.to_thread(an_agents_run, provider)
    await asyncio.to_thread(provider.shutdown)
    events = await in_kafka(bootstrap, topics)
    assert [(one.user_id, one.status, one.error_type) for one in events] == [
        ("ada", "ok", None),
        ("bob", "ok", None),
        ("unattributed", "error", "timeout"),
    ]
    assert {one.source for one in events} == {"search"}
    assert sum(one.usage.text_input_tokens for one in events) == 200
    async with httpx.AsyncClient(base_url=api) as client:
        metrics = (await client.get("/metrics")).text
    for outcome, spans in (("recorded", 3), ("around", 2), ("other", 1)):
        assert f'otlp_spans_total{{outcome="{outcome}"}} {spans}.0' in metrics


@pytest.fixture
def metered() -> Iterator[taximeter.MemoryEmitter]:
    """Start the meter of the process, for one test."""
    taximeter.stop()
    emitter = taximeter.MemoryEmitter()
    taximeter.start(emitter)
    yield emitter
    taximeter.stop()
    assert later.drain(60)


async def test_a_call_that_a_client_and_opentelemetry_meter_is_one(
    api: str, bootstrap: str, topics: Topics, metered: taximeter.MemoryEmitter
) -> None:
    """OpenTelemetry's instrumentation of OpenAI's client, and ours: one event id."""
    body = answers.real("openai.chat_completions")[0]["body"]
    provider = TracerProvider()
    provider.add_span_processor(one_by_one(api))

    def call() -> None:
        instrumentor: Any = OpenAIInstrumentor
        instrumentor().instrument(tracer_provider=provider)
        with replaying() as replay:
            replay.answers(answers.json_reply(answers.chat(body)))
            url = f"{replay.url}/v1"
            with openai.OpenAI(api_key="sk-planted-0123", base_url=url) as client:
                said = [{"role": "user", "content": "planted"}]
                completions = taximeter.wrap(client).chat.completions
                completions.create(model="gpt-4o", messages=said)  # type: ignore[arg-type]
        instrumentor().uninstrument()
        provider.shutdown()

    await asyncio.to_thread(call)
    assert later.drain(60)
    (exported,) = await in_kafka(bootstrap, topics)
    (wrapped,) = metered.sent
    assert isinstance(wrapped, UsageRecorded)
    assert exported.event_id == wrapped.event_id
    assert exported.usage == wrapped.usage
    assert (exported.provider, exported.model) == (wrapped.provider, wrapped.model)
    sent = exported.model_dump_json() + wrapped.model_dump_json()
    assert [s for s in ("planted", *answers.ANSWER) if s in sent] == []


async def test_answers_are_otlps(api: str) -> None:
    """In the encoding of the question: what was refused, and why a whole body was."""
    clockless = a_span(span_id="00000000000000aa", began_ns=0, took_ms=0)
    both = [clockless, a_span()]
    async with httpx.AsyncClient(base_url=api) as client:
        for form, headers in ((Form.PROTOBUF, PROTOBUF), (Form.JSON, JSON)):
            taken = await client.post(
                TRACES, content=an_export(both, form), headers=headers
            )
            assert taken.status_code == 200
            assert taken.headers["content-type"].startswith(form.value)
            bad = await client.post(TRACES, content=b'{"a', headers=headers)
            assert bad.status_code == 400
            if form is Form.PROTOBUF:
                partial = ExportTraceServiceResponse.FromString(taken.content)
                assert partial.partial_success.rejected_spans == 1
                assert "occurred_at" in partial.partial_success.error_message
                assert Status.FromString(bad.content).code == 3
            else:
                told = taken.json()["partialSuccess"]
                assert told["rejectedSpans"] == "1"
                assert bad.json()["code"] == 3
        empty = await client.post(TRACES, content=b"", headers=PROTOBUF)
        good = await client.post(
            TRACES, content=an_export([a_span()]), headers=PROTOBUF
        )
        assert (empty.content, good.content) == (b"", b"")
        assert (await client.post(TRACES, content=b"")).status_code == 415


def hostile() -> Iterator[tuple[bytes, dict[str, str], int]]:
    """Yield what an attacker sends, and how each is answered."""
    gzipped = {"content-encoding": "gzip"}
    bomb = gzip.compress(b"\0" * (MAX_BODY_BYTES + 1))
    spans = an_export([a_span()])
    deep = b'{"resourceSpans":' + b"[" * 50_000
    # A list within a list within a list …, as the value of a resource's attribute.
    nested = b""
    for tag in [b"\x0a", b"\x2a"] * 2_000 + [b"\x12", b"\x0a", b"\x0a", b"\x0a"]:
        nested = tag + _varint(len(nested)) + nested
    for body in (b"\xff" * 99, b"\x0a\xff\xff\xff\xff\x0f", nested, b"\x0a\x02{}"):
        yield body, PROTOBUF, 400
    for body in (b"\xff\xfe", deep, b"null", b"[]", b"7" * 5_000, b'{"a":"\\ud8"}'):
        yield body, JSON, 400
    yield json.dumps({"resourceSpans": [{"scopeSpans": 7}]}).encode(), JSON, 400
    yield b"{}", JSON, 200
    yield bomb, PROTOBUF | gzipped, 413
    empty = b"\x12\x00" * 3_000_000
    for tag in (b"\x12", b"\x0a"):
        empty = tag + _varint(len(empty)) + empty
    yield empty, PROTOBUF, 413
    many = b'{"resourceSpans":[{"scopeSpans":[{"spans":[%b{}]}]}]}' % (b"{}," * 100_000)
    yield many, JSON, 413
    yield b" " * (MAX_BODY_BYTES + 1), JSON, 413
    yield spans, PROTOBUF | gzipped, 400
    yield gzip.compress(spans)[:-4], PROTOBUF | gzipped, 400
    yield gzip.compress(spans), PROTOBUF | gzipped, 200
    yield spans, PROTOBUF | {"content-encoding": "br"}, 415
    yield spans, {"content-type": "text/plain"}, 415


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


async def test_nothing_that_is_sent_is_an_error_of_ours(api: str) -> None:
    """Nonsense, bombs and depth get an answer that says what is wrong."""
    async with httpx.AsyncClient(base_url=api) as client:
        for body, headers, status in hostile():
            answer = await client.post(TRACES, content=body, headers=headers)
            assert answer.status_code == status, (body[:40], answer.text)


async def test_back_pressure_says_when_to_come_back(
    topics: Topics, tmp_path: Path
) -> None:
    """503 while Kafka is away, 429 when there is no room; both with Retry-After."""
    nowhere = f"127.0.0.1:{free_port()}"
    limits = Limits(acknowledged_seconds=0.1, pending_events=2)
    spans = [a_span(span_id=f"{n:016x}") for n in (1, 2)]
    body = an_export(spans)
    async with (
        serving(nowhere, topics, tmp_path, limits) as url,
        httpx.AsyncClient(base_url=url, headers=PROTOBUF) as client,
    ):
        away = await client.post(TRACES, content=body)
        full = await client.post(TRACES, content=body)
    assert [away.status_code, full.status_code] == [503, 429]
    for answer, code in ((away, 14), (full, 8)):
        assert int(answer.headers["retry-after"]) >= 1
        assert Status.FromString(answer.content).code == code
