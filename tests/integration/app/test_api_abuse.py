"""What strangers send to a real API on a real Kafka: never a fault of the API."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from taximeter.api.room import Limits
from taximeter.broker.topic_io import read_topic
from taximeter_schemas.records import encode_event, packed
from tests.builders import a_usage
from tests.integration.app.serving_api import ServedApi, served_api

pytestmark = pytest.mark.broker

LIMITS = Limits(body_seconds=1.0)
_SLOW = [
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(
    bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    """Give one API to all tests of this file."""
    data, prefix = tmp_path_factory.mktemp("api"), f"test-{uuid4().hex[:12]}."
    with served_api(bootstrap, data, LIMITS, prefix) as served:
        yield served


@pytest.fixture
def client(api: ServedApi) -> Iterator[httpx.Client]:
    """Give a client that shows the token."""
    with httpx.Client(base_url=api.url, headers=api.headers, timeout=30) as client:
        yield client


def _in_kafka(api: ServedApi) -> list[dict[str, object]]:
    records = asyncio.run(read_topic(api.bootstrap, api.topics.usage))
    values = [json.loads(record.value or b"[]") for record in records]
    return [one for v in values for one in (v if isinstance(v, list) else [v])]


def test_whatever_the_document_allows_is_answered_as_it_says(api: ServedApi) -> None:
    """Each operation, with what fits its schema and what does not: never a 500."""
    document = schemathesis.openapi.from_url(
        f"{api.url}/openapi.json", headers=api.headers
    )
    asked = set[str]()
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in GenerationMode:

            @settings(
                max_examples=4,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=_SLOW,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(headers=api.headers, checks=CHECKS, timeout=30)

            with suppress(Unsatisfiable):  # nothing can be wrong where nothing is said
                ask()
        asked.add(operation.label)
    assert {"POST /v1/events", "POST /v1/raw/{provider}", "GET /v1/spend"} <= asked


def test_a_body_that_never_ends_is_given_up(api: ServedApi) -> None:
    """408, and the connection with it, for each route that takes a body."""
    head = (
        "{} HTTP/1.1\r\nHost: api\r\nAuthorization: {}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n[{{"
    )
    places = ["POST /v1/events", "POST /v1/raw/openai", "PUT /v1/budgets/a"]
    slow = [socket.create_connection(("127.0.0.1", api.port), 20) for _ in places]
    for connection, place in zip(slow, places, strict=True):
        text = head.format(place, api.headers["Authorization"])
        connection.sendall(text.encode())
    for connection in slow:
        answer = b""
        while part := connection.recv(4096):  # b"" once the server has closed
            answer += part
        connection.close()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"the body has not arrived within 1 s" in answer


def test_a_head_that_never_ends_is_given_up(api: ServedApi) -> None:
    """Nothing, half a head, and half of a second one: the connection is closed."""
    whole = b"GET /openapi.json HTTP/1.1\r\nHost: api\r\n\r\n"
    heads = [b"", whole[:30], whole + whole[:30]]
    slow = [socket.create_connection(("127.0.0.1", api.port), 20) for _ in heads]
    for connection, head in zip(slow, heads, strict=True):
        connection.sendall(head)
    for connection in slow:
        while connection.recv(65_536):
            pass
        connection.close()


def test_a_bomb_and_a_flood_are_refused(client: httpx.Client) -> None:
    """A small body of 64 MiB, and a large one, each with 413; others are served on."""
    zipped = gzip.compress(b" " * (64 << 20), 6)
    headers = {"Content-Encoding": "gzip"}
    bomb = client.post("/v1/events", content=zipped, headers=headers)
    flood = client.post("/v1/events", content=b" " * (9 << 20))
    assert [bomb.status_code, flood.status_code] == [413, 413]
    assert client.post("/v1/events", content=b"[]").status_code == 202


def test_no_token_and_no_type_of_ours(client: httpx.Client, api: ServedApi) -> None:
    """401 for a wrong token, 415 for what nobody reads here."""
    body = encode_event(a_usage())
    wrong = {"Authorization": api.headers["Authorization"][:-1]}
    assert client.post("/v1/events", content=body, headers=wrong).status_code == 401
    for kind in ("text/xml", "multipart/form-data", "image/png", "ü/ö"):
        headers = {b"Content-Type": kind.encode()}
        answer = client.post("/v1/events", content=body, headers=headers)
        assert answer.status_code == 415
        assert "application/x-ndjson" in answer.json()["detail"]


def test_ten_thousand_events_with_a_bad_one(
    client: httpx.Client, api: ServedApi
) -> None:
    """All others are in Kafka when 202 says so, zipped and unzipped."""
    sent = [a_usage(user_id="crowd") for _ in range(10_000)]
    encoded = [encode_event(event) for event in sent]
    encoded[1234] = b'{"event_id": 7}'
    zipped = gzip.compress(packed(encoded), 1)
    headers = {"Content-Encoding": "gzip"}
    answer = client.post("/v1/events", content=zipped, headers=headers)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (9_999, 1)
    assert told["errors"][0]["index"] == 1234
    there = {e.get("event_id") for e in _in_kafka(api) if e.get("user_id") == "crowd"}
    del sent[1234]
    assert there == {str(event.event_id) for event in sent}


def test_every_way_in_leads_to_the_same_topic(
    client: httpx.Client, api: ServedApi
) -> None:
    """NDJSON, CloudEvents and raw answers; the same call twice is one event id."""
    lines = b"\n".join(encode_event(a_usage(user_id="way")) for _ in range(2))
    cloud = {
        "specversion": "1.0",
        "id": "1",
        "source": "/way",
        "type": "taximeter.UsageRecorded",
        "time": "2026-11-22T11:00:00Z",
        "data": {"provider": "p", "model": "m", "usage": {}, "user_id": "way"},
    }
    chat = {
        "id": "chatcmpl-0123456789abcdef",
        "object": "chat.completion",
        "model": "gpt-4o",
        "choices": [{"message": {"content": "a secret"}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    enveloped = {
        "response": chat,
        "attribution": {"user_id": "way", "tags": {"a": "b"}},
    }
    odd = chat | {"id": "chatcmpl-fedcba9876543210", "usage": {"prompt_tokens": -1}}
    stream = f"data: {json.dumps(chat | {'object': 'chat.completion.chunk'})}\n\n"
    typed = {"Content-Type": "application/x-ndjson"}
    answers = [
        client.post("/v1/events", content=lines, headers=typed),
        client.post(
            "/v1/events",
            content=json.dumps([cloud, cloud]),
            headers={"Content-Type": "application/cloudevents-batch+json"},
        ),
        client.post("/v1/raw/OpenAI?user_id=way&tag=a=b", json=chat),
        client.post("/v1/raw/openai", json=enveloped),
        client.post(
            "/v1/raw/openai?user_id=way",
            content=stream,
            headers={"Content-Type": "text/event-stream"},
        ),
        client.post("/v1/raw/openai?user_id=way", json=odd),
    ]
    assert [answer.status_code for answer in answers] == [202] * 5 + [422]
    assert [answer.json()["accepted"] for answer in answers] == [2, 2, 1, 1, 1, 0]
    (one,) = {tuple(answer.json()["event_ids"]) for answer in answers[2:5]}
    there = [event for event in _in_kafka(api) if event.get("user_id") == "way"]
    assert len(there) == 8
    assert len({event["event_id"] for event in there}) == 5
    tags = [e.get("tags") for e in there if e["event_id"] == one[0]]
    assert sorted(map(str, tags)) == ["None", "{'a': 'b'}", "{'a': 'b'}"]
    (kept,) = (e for e in there if e.get("event_type") == "UsageNotUnderstood")
    assert kept["usage_part"] == '{"prompt_tokens": -1}'
    told = answers[5].json()["errors"][0]
    assert told["reason"] == "usage_not_understood"
    assert str(kept["event_id"]) in told["detail"]
    assert "secret" not in json.dumps(there)
