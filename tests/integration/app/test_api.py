"""The HTTP API on a real Kafka: what it accepts is there, what it refuses is told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taximeter.api.app import create_app
from taximeter.api.room import MAX_BODY_BYTES, Limits
from taximeter.api.services import Services
from taximeter.broker.ports import free_port
from taximeter.broker.topic_io import read_topic
from taximeter.state import DataDir
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.records import (
    Fault,
    encode_event,
    kept_usage,
    packed,
    read_record,
)
from taximeter_schemas.subjects import Scope
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import ChargedEvent
from taximeter_sinks.decode import RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink
from tests.builders import NOON, a_usage, a_usage_not_understood
from tests.unit.sinks.charge_builders import a_charge, charges_record
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker


@asynccontextmanager
async def _client(
    bootstrap: str, topics: Topics, data: Path, limits: Limits | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        bootstrap=bootstrap,
        topics=topics,
        data=DataDir(data),
        clock=ManualClock(NOON),
        limits=limits,
    )
    # An error inside would be raised here rather than be answered with a 500.
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


@pytest.fixture
async def api(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an API in front of the real broker."""
    async with _client(bootstrap, topics, tmp_path) as client:
        yield client


async def _in_kafka(bootstrap: str, topics: Topics) -> list[ChargedEvent]:
    records = await read_topic(bootstrap, topics.usage)
    read = [one for record in records for one in read_record(record.value, NOON)]
    events = [one for one in read if not isinstance(one, Fault)]
    assert len(events) == len(read)
    return sorted(events, key=lambda event: event.event_id)


async def test_accepted_means_that_kafka_has_it(
    api: httpx.AsyncClient, bootstrap: str, topics: Topics
) -> None:
    """202 for one event, for many and for none; each is in the usage topic."""
    one, many = a_usage(), [a_usage(tags={"n": str(n)}) for n in range(50)]
    answers = [
        await api.post("/v1/events", content=encode_event(one)),
        await api.post("/v1/events", content=packed([encode_event(e) for e in many])),
        await api.post("/v1/events", content=b" [] "),
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [answer.json() for answer in answers] == [
        {"accepted": 1},
        {"accepted": 50},
        {"accepted": 0},
    ]
    expected = sorted([one, *many], key=lambda event: event.event_id)
    assert await _in_kafka(bootstrap, topics) == expected


async def test_a_usage_that_was_not_understood_is_taken(
    api: httpx.AsyncClient, bootstrap: str, topics: Topics
) -> None:
    """It is in the usage topic, where a worker makes a dead letter of it."""
    event = a_usage_not_understood()
    spaced = json.dumps(json.loads(encode_event(event)), indent=1).encode()
    answers = [
        await api.post("/v1/events", content=spaced),
        await api.post(
            "/v1/events", content=b"[%b,%b]" % (spaced, encode_event(a_usage()))
        ),
        await api.post("/v1/events", content=spaced.replace(b'"shape"', b'"form"')),
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 422]
    assert [answer.json()["accepted"] for answer in answers] == [1, 2, 0]
    records = await read_topic(bootstrap, topics.usage)
    read = [one for record in records for one in read_record(record.value, NOON)]
    kept = [kept_usage(one) for one in read if isinstance(one, Fault)]
    assert kept == [event, event]
    assert len(read) == 3


async def test_good_events_are_taken_and_bad_ones_told(
    api: httpx.AsyncClient, bootstrap: str, topics: Topics
) -> None:
    """202 says which events are wrong and why; the others are in Kafka."""
    good = a_usage()
    ahead = a_usage(occurred_at=NOON + timedelta(days=3650))
    many_tags = {f"{n}{'k' * 200}": "\n" * 250 for n in range(32)}
    large = a_usage(tags=many_tags, source="\n" * 256)
    bad = json.loads(encode_event(a_usage())) | {"usage": {"text_input_tokens": -1}}
    body = packed(
        [encode_event(good), json.dumps(bad).encode(), encode_event(ahead), b"7"]
    )
    answer = await api.post("/v1/events", content=body)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (1, 3)
    assert [(e["index"], e["reason"]) for e in told["errors"]] == [
        (1, "invalid_event"),
        (2, "from_the_future"),
        (3, "not_an_event"),
    ]
    assert "usage.text_input_tokens" in told["errors"][0]["detail"]
    if len(encode_event(large)) > 64 * 1024:
        answer = await api.post("/v1/events", content=encode_event(large))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["reason"] == "too_large"
    assert await _in_kafka(bootstrap, topics) == [good]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"null", "not_an_event"),
        (b'{"schema_version": 2}', "unknown_schema_version"),
        (b'{"\\ud800": 1}', "invalid_event"),
    ],
)
async def test_what_is_no_event_is_named(
    api: httpx.AsyncClient, body: bytes, reason: str
) -> None:
    """Whatever stands in a body, the answer is 422 with a reason."""
    answer = await api.post("/v1/events", content=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["reason"] == reason


async def test_too_much_at_once_is_refused_unread(api: httpx.AsyncClient) -> None:
    """413 for a body over the limit, whether it says its length or not."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * (MAX_BODY_BYTES // 8)

    told = await api.post("/v1/events", content=b" " * (MAX_BODY_BYTES + 1))
    untold = await api.post("/v1/events", content=chunks())
    assert [told.status_code, untold.status_code] == [413, 413]
    assert told.json() == untold.json()
    assert told.json()["accepted"] == 0
    assert f"at most {MAX_BODY_BYTES} bytes" in told.json()["detail"]


async def test_more_events_than_there_can_ever_be_room_for(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """413 and not 429, with which a client would come back for ever."""
    body = packed([encode_event(a_usage()) for _ in range(3)])
    limits = Limits(pending_events=2)
    async with _client(bootstrap, topics, tmp_path, limits) as client:
        answer = await client.post("/v1/events", content=body)
    assert answer.status_code == 413
    assert "at most 2 events" in answer.json()["detail"]


async def test_a_body_that_does_not_come(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """408 when its time is over: it would hold its place for as long as it likes."""

    async def nothing() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    limits = Limits(body_seconds=0.1)
    async with _client(bootstrap, topics, tmp_path, limits) as client:
        answer = await client.post("/v1/events", content=nothing())
        room = _services(client).room
    assert answer.status_code == 408
    assert (room.requests, room.pending_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(requests=1), "1 requests are being answered, as many as may"),
        (Limits(pending_bytes=1_000), "bytes of events wait for Kafka, as many as may"),
        (Limits(pending_events=1), "1 events wait for Kafka, as many as may"),
    ],
)
async def test_what_waits_for_kafka_is_bounded(
    topics: Topics, tmp_path: Path, limits: Limits, words: str
) -> None:
    """429 for another one while a first one waits, whichever bound is reached."""
    nowhere = f"127.0.0.1:{free_port()}"
    body = encode_event(a_usage(tags={"k": "v" * 250, "l": "w" * 250}))
    async with _client(nowhere, topics, tmp_path, limits) as client:
        first = asyncio.create_task(client.post("/v1/events", content=body))
        room = _services(client).room
        await eventually_async(_is(lambda: room.stalled_seconds > 0))
        answer = await client.post("/v1/events", content=body)
        first.cancel()
        _services(client).emitter.close(0.0)
    assert answer.status_code == 429
    assert words in answer.json()["detail"]
    assert answer.headers["retry-after"] == "1"


def _services(client: httpx.AsyncClient) -> Services:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app.state.services  # type: ignore[attr-defined, no-any-return]


def _is(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return condition()

    return asked


@pytest.mark.parametrize("between", [",", ", ", ",\n", " ,\n "])
async def test_however_an_array_is_written_all_arrive(
    api: httpx.AsyncClient, bootstrap: str, topics: Topics, between: str
) -> None:
    """Whatever stands between the events of an array, and in them."""
    sent = [a_usage(user_id=name) for name in ("ada", "},{", "}, {", "ü", '"')]
    body = f"[{between.join(encode_event(e).decode() for e in sent)}]"
    answer = await api.post("/v1/events", content=body.encode())
    assert answer.json() == {"accepted": len(sent)}
    expected = sorted(sent, key=lambda event: event.event_id)
    assert await _in_kafka(bootstrap, topics) == expected


async def test_ids_are_written_in_one_way(
    api: httpx.AsyncClient, bootstrap: str, topics: Topics
) -> None:
    """An id in another notation stands in Kafka in the one that SQL finds."""
    event = a_usage()
    shouted = encode_event(event).replace(
        str(event.event_id).encode(), str(event.event_id).upper().encode()
    )
    assert (await api.post("/v1/events", content=shouted)).status_code == 202
    (record,) = await read_topic(bootstrap, topics.usage)
    assert record.value is not None
    assert str(event.event_id).encode() in record.value


async def test_errors_are_told_up_to_a_limit(api: httpx.AsyncClient) -> None:
    """A body full of nonsense gets an answer of bounded size."""
    answer = await api.post("/v1/events", content=b"[%b0]" % (b"0," * 5_000))
    assert answer.json()["rejected"] == 5_001
    assert len(answer.json()["errors"]) == 100


async def test_without_kafka_events_are_refused(topics: Topics, tmp_path: Path) -> None:
    """503 after a bounded wait, 429 once the buffer is full, with Retry-After each."""
    nowhere = f"127.0.0.1:{free_port()}"
    body = packed([encode_event(a_usage()) for _ in range(3)])
    limits = Limits(acknowledged_seconds=0.1, pending_events=5)
    async with _client(nowhere, topics, tmp_path, limits) as client:
        away = await client.post("/v1/events", content=body)
        full = await client.post("/v1/events", content=body)
        health = await client.get("/healthz")
        # What waits is let go of: there is nothing to deliver it to.
        _services(client).emitter.close(0.0)
    assert [away.status_code, full.status_code] == [503, 429]
    assert int(away.headers["retry-after"]) >= 1
    assert int(full.headers["retry-after"]) >= 1
    assert health.status_code == 503
    parts = health.json()["parts"]
    assert not parts["kafka"]["ok"]
    assert not parts["ledger"]["ok"]


async def _write_ledger(data: Path, topics: Topics) -> None:
    sink = DuckDBSink(DataDir(data).ledger, topics)
    charges = [
        charges_record([a_charge(offset=0, cost_usd="1.5")], 0, topics.charges.name),
        charges_record(
            [a_charge(1, 1, 0, None, a_usage(user_id="bob", model="new"))],
            0,
            topics.charges.name,
        ),
    ]
    definition = BudgetDefined(
        budget_id="daily",
        scope=Scope(user="*"),
        period="day",
        limit_usd=Decimal(1),
        defined_at=NOON,
    )
    statuses = [_status(topics, days) for days in (0, -1)]
    budget = RawRecord(
        topics.budgets.name, 0, 0, b"daily", definition.model_dump_json().encode()
    )
    sink.add([*charges, budget, *statuses])
    await sink.flush()
    sink.close()


def _status(topics: Topics, days: int) -> RawRecord:
    start = NOON.replace(hour=0) + timedelta(days=days)
    status = BudgetStatus.model_validate(
        {
            "budget_id": "daily",
            "subject_kind": "user",
            "subject_id": "alice",
            "period": "day",
            "period_start": start,
            "period_end": start + timedelta(days=1),
            "limit_usd": "1",
            "spent_usd": "1.5",
            "remaining_usd": "-0.5",
            "reserved_usd": "0.25",
            "state": "exceeded",
            "calls": 1,
            "unpriced_calls": 0,
        }
    )
    key = f"daily|user|alice|{start.isoformat()}".encode()
    value = status.model_dump_json().encode()
    return RawRecord(topics.budget_status.name, 0, -days, key, value)


async def test_spend_is_answered_from_the_ledger(
    api: httpx.AsyncClient, topics: Topics, tmp_path: Path
) -> None:
    """Exact amounts as strings; what is unpriced has no cost, and never 0."""
    assert (await api.get("/v1/spend")).status_code == 503
    await _write_ledger(tmp_path, topics)
    answer = await api.get("/v1/spend", params={"by": "user", "from": "2026-11-22"})
    assert answer.status_code == 200
    told = answer.json()
    assert told["total"]["cost_usd"] == "1.500000000000"
    assert [(r["user"], r["cost_usd"], r["unpriced_calls"]) for r in told["rows"]] == [
        ("alice", "1.500000000000", 0),
        ("bob", None, 1),
    ]
    later = await api.get("/v1/spend", params={"from": "2026-11-23"})
    assert later.json()["total"]["cost_usd"] == "0.000000000000"
    assert (await api.get("/healthz")).json()["status"] == "ok"


async def test_budgets_stand_as_the_ledger_says(
    api: httpx.AsyncClient, topics: Topics, tmp_path: Path
) -> None:
    """Current periods only, unless past ones are asked for."""
    await _write_ledger(tmp_path, topics)
    (now,) = (await api.get("/v1/budgets/status")).json()["budgets"]
    assert (now["budget_id"], now["spent_usd"]) == ("daily", "1.500000000000")
    assert now["remaining_usd"] == now["remaining"] == "-0.500000000000"
    assert (now["unit"], now["reserved"]) == ("usd", "0.250000000000")
    assert now["period_start"] == "2026-11-22T00:00:00Z"
    both = await api.get("/v1/budgets/status", params={"all": "true"})
    assert len(both.json()["budgets"]) == 2


@pytest.mark.parametrize(
    "question",
    [
        "/v1/spend?by=colour",
        "/v1/spend?from=yesterday",
        "/v1/spend?tz=Mars",
        "/v1/spend?tz=%00",
        "/v1/spend?tz=localtime'",
        "/v1/spend?limit=0",
        "/v1/spend?from=0001-01-01T00:00%2B14:00",
        "/v1/budgets/status?limit=x",
        "/v1/budgets/status?all=perhaps",
    ],
)
async def test_a_wrong_question_is_answered_with_words(
    api: httpx.AsyncClient, topics: Topics, tmp_path: Path, question: str
) -> None:
    """422, and a detail that says what is wrong."""
    await _write_ledger(tmp_path, topics)
    answer = await api.get(question)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)


async def test_the_documentation_describes_the_events(api: httpx.AsyncClient) -> None:
    """OpenAPI names every path, and what an event is made of, with examples."""
    document = (await api.get("/openapi.json")).json()
    assert {"/healthz", "/v1/events", "/v1/spend", "/v1/budgets/status"} <= set(
        document["paths"]
    )
    schemas = document["components"]["schemas"]
    assert {"UsageRecorded", "UsageCorrected", "Usage"} <= set(schemas)
    body = document["paths"]["/v1/events"]["post"]["requestBody"]
    example = body["content"]["application/json"]["examples"]["one"]["value"]
    answer = await api.post("/v1/events", json=example)
    assert answer.status_code == 202


async def test_the_documentation_is_drawn_from_this_machine(
    api: httpx.AsyncClient,
) -> None:
    """Its scripts and styles are the package's own: nothing is asked of a CDN."""
    page = (await api.get("/docs")).text
    needed = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(needed) == 3
    for path in needed:
        assert path.startswith("/static/docs/")
        assert (await api.get(path)).status_code == 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
_FIELDS = ("event_id", "occurred_at", "usage", "tags", "schema_version", "event_type")


def _bent(field: str, value: object) -> bytes:
    event = json.loads(encode_event(a_usage())) | {field: value}
    return json.dumps(event).encode()


_BODIES = (
    st.binary(max_size=64)
    | _JSON.map(lambda value: json.dumps(value).encode())
    | st.builds(_bent, st.sampled_from(_FIELDS), _JSON)
)


def test_no_body_is_an_internal_error(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """Whatever bytes a client sends, the answer is 202 or 422."""

    async def answers(bodies: list[bytes]) -> set[int]:
        async with _client(bootstrap, topics, tmp_path) as client:
            return {
                (await client.post("/v1/events", content=body)).status_code
                for body in bodies
            }

    @settings(
        max_examples=20,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
    )
    @given(st.lists(_BODIES, min_size=1, max_size=20))
    def check(bodies: list[bytes]) -> None:
        assert asyncio.run(answers(bodies)) <= {202, 422}

    check()
