"""An API whose Kafka goes away: bounded, clear about it, and true to its 202s."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import psutil

from taximeter.broker.admin import ensure_topics
from taximeter.broker.embedded import prepare
from taximeter.broker.ladder import running
from taximeter.broker.topic_io import read_topic
from taximeter.processes import stopped
from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.records import Fault, encode_event, packed, read_record
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests.builders import a_usage
from tests.running_system import TAXIMETER, environment
from tests.waiting import eventually

NOW = SystemClock().now()
TOPICS = Topics(prefix="back-pressure.")
EVENTS = 10
ROOM_FOR = 30  # requests of that many events
WAIT_SECONDS = 2


@dataclass(frozen=True)
class Posted:
    """The events of a request, and what became of it."""

    events: Sequence[UsageRecorded]
    answer: httpx.Response


@contextmanager
def an_api(data: DataDir, kafka: str) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """Run `taximeter api` with little room; gives a client and its process."""
    limits = {
        "TAXIMETER_API_MAX_PENDING_EVENTS": str(ROOM_FOR * EVENTS),
        "TAXIMETER_API_ACKNOWLEDGED_SECONDS": str(WAIT_SECONDS),
    }
    where = ("--data", str(data.path), "--bootstrap", kafka, "--port", "0")
    with (data.path / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [*TAXIMETER, "api", *where, "--prefix", TOPICS.prefix],
            stdout=log,
            stderr=log,
            env=environment() | limits,
        )
    with stopped(process):
        state = eventually(lambda: data.state("api"), timeout=30)
        assert state is not None
        many = httpx.Limits(max_connections=100)
        with httpx.Client(base_url=state.urls["api"], limits=many, timeout=20) as api:
            yield api, psutil.Process(process.pid)


def post(api: httpx.Client, events: Sequence[UsageRecorded]) -> Posted:
    """Post events in one request."""
    body = packed([encode_event(event) for event in events])
    return Posted(events, api.post("/v1/events", content=body))


def post_many(api: httpx.Client, requests: int) -> list[Posted]:
    """Post new events in this many requests, all at the same time."""
    bodies = [
        [a_usage(occurred_at=NOW) for _ in range(EVENTS)] for _ in range(requests)
    ]
    with ThreadPoolExecutor(requests) as pool:
        return list(pool.map(lambda events: post(api, events), bodies))


def with_code(posted: Sequence[Posted], code: int) -> list[Posted]:
    """Return those that got this answer."""
    return [each for each in posted if each.answer.status_code == code]


def ids(posted: Sequence[Posted]) -> list[UUID]:
    """Return the ids of all their events."""
    return [event.event_id for each in posted for event in each.events]


def in_kafka(bootstrap: str) -> Counter[UUID]:
    """Return how often each event is in the usage topic."""
    records = asyncio.run(read_topic(bootstrap, TOPICS.usage))
    readings = [one for r in records for one in read_record(r.value, NOW)]
    return Counter(one.event_id for one in readings if not isinstance(one, Fault))


def assert_refused_well(posted: Posted) -> None:
    """The answer says in words what is the matter, and when to come back."""
    answer = posted.answer
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    told = answer.json()
    assert f"again in {answer.headers['retry-after']} s" in told["detail"]
    assert told.get("accepted") == (0 if answer.status_code == 429 else None)


def accepted_at_last(api: httpx.Client, refused: Sequence[Posted]) -> bool:
    """Send the same again, as the answer said."""
    return all(post(api, each.events).answer.status_code == 202 for each in refused)


def test_an_api_whose_kafka_goes_away(tmp_path: Path) -> None:
    """It takes what it has room for, refuses the rest, and keeps its word.

    202: in Kafka, once. 503 after a limit: in Kafka once it is back. 429: nowhere,
    until it is sent again. However many ask meanwhile, memory stays as it is.
    """
    data = DataDir(tmp_path / "data")
    data.path.mkdir()
    kafka = prepare(tmp_path / "kafka", print)
    with ExitStack() as until_the_end:
        with running(kafka) as bootstrap:
            asyncio.run(ensure_topics(bootstrap, TOPICS))
            api, process = until_the_end.enter_context(an_api(data, bootstrap))
            early = post_many(api, 20)
        assert len(with_code(early, 202)) == 20

        away = post_many(api, 2 * ROOM_FOR)
        late, refused = with_code(away, 503), with_code(away, 429)
        assert (len(late), len(refused)) == (ROOM_FOR, ROOM_FOR)
        for each in away:
            assert_refused_well(each)
        resident = process.memory_info().rss
        for _ in range(10):
            assert len(with_code(post_many(api, 50), 429)) == 50
        assert process.memory_info().rss - resident < 32 * 1024 * 1024

        with running(kafka) as bootstrap:
            expected = Counter(ids([*early, *late]))
            eventually(lambda: in_kafka(bootstrap) == expected, timeout=30)
            eventually(lambda: accepted_at_last(api, refused[:1]), timeout=30)
            assert accepted_at_last(api, refused[1:])
            assert in_kafka(bootstrap) == expected + Counter(ids(refused))
