"""`/metrics` of a real API: every answer counted, and told without Kafka or ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from taximeter.api.app import create_app
from taximeter.api.room import Limits
from taximeter.broker.ports import free_port
from taximeter.broker.topic_io import read_topic
from taximeter.metrics.catalogue import CATALOGUE
from taximeter.state import DataDir, PartState
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.records import encode_event, read_record
from taximeter_schemas.topics import Topics
from tests.builders import NOON, a_usage
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

Labels = tuple[tuple[str, str], ...]


@asynccontextmanager
async def an_api(
    bootstrap: str, topics: Topics, data: DataDir, limits: Limits | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an API; what goes wrong inside is answered, as by a server."""
    app = create_app(
        bootstrap=bootstrap,
        topics=topics,
        data=data,
        clock=ManualClock(NOON),
        limits=limits,
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client
        app.state.services.emitter.close(0.0)


async def told(client: httpx.AsyncClient) -> dict[tuple[str, Labels], float]:
    """Return every sample, as Prometheus' own parser reads it."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in families}) == len(families)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def answered(
    samples: dict[tuple[str, Labels], float],
) -> dict[tuple[str, ...], float]:
    """Return how many requests were answered, by method, path and status."""
    return {
        tuple(value for _, value in labels): count
        for (name, labels), count in samples.items()
        if name == "taximeter_http_requests_total"
    }


async def test_what_an_api_did_is_counted(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """Answers by method, route and status; events accepted, delivered and refused."""
    data = DataDir(tmp_path)
    data.write_state(PartState.of_this_process("api", ManualClock(NOON)))
    async with an_api(bootstrap, topics, data, Limits(pending_events=2)) as client:
        event = encode_event(a_usage())
        for body in (event, event, b"7", b"[%b]" % b",".join([event] * 3)):
            await client.post("/v1/events", content=body)
        await client.get("/v1/spend")
        await client.get("/nowhere/17")
        await client.get("/nowhere/18")
        await client.request("FROB", "/v1/events")
        samples = await told(client)
    assert answered(samples) == {
        ("POST", "/v1/events", "202"): 2,
        ("POST", "/v1/events", "422"): 1,
        ("POST", "/v1/events", "413"): 1,
        ("GET", "/v1/spend", "503"): 1,
        ("GET", "other", "404"): 2,
        ("other", "/v1/events", "405"): 1,
    }
    assert samples["taximeter_emitter_accepted_events_total", ()] == 2
    assert samples["taximeter_emitter_delivered_events_total", ()] == 2
    assert samples["taximeter_emitter_pending_events", ()] == 0
    assert samples["taximeter_http_recording_requests", ()] == 0
    assert samples["taximeter_http_pending_bytes", ()] == 0
    assert samples["taximeter_up", (("part", "api"),)] == 1
    assert {name for name, _ in samples} <= set(CATALOGUE)


async def test_metrics_need_neither_kafka_nor_ledger(
    topics: Topics, tmp_path: Path
) -> None:
    """While everything else is away, they tell just that."""
    nowhere = f"127.0.0.1:{free_port()}"
    limits = Limits(pending_events=1, acknowledged_seconds=0.1)
    body = encode_event(a_usage())
    async with an_api(nowhere, topics, DataDir(tmp_path), limits) as client:
        answers = [
            (await client.post("/v1/events", content=body)).status_code
            for _ in range(2)
        ]
        samples = await told(client)
    assert answers == [503, 429]
    assert samples["taximeter_emitter_pending_events", ()] == 1
    assert samples["taximeter_http_pending_bytes", ()] == len(body)
    assert samples["taximeter_emitter_stalled_seconds", ()] > 0.1
    full = (("reason", "buffer_full"),)
    assert samples["taximeter_emitter_refused_events_total", full] == 1


async def test_what_kafka_did_not_take_waits_on_disk_for_the_next_api(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """Accepted and answered with 503, events survive the API, and are to be seen."""
    nowhere = f"127.0.0.1:{free_port()}"
    limits = Limits(acknowledged_seconds=0.1)
    data, event = DataDir(tmp_path), a_usage()
    body = encode_event(event)
    async with an_api(nowhere, topics, data, limits) as client:
        assert (await client.post("/v1/events", content=body)).status_code == 503

    async def on_disk(client: httpx.AsyncClient, events: int) -> bool:
        samples = await told(client)
        assert samples["taximeter_spool_events", ()] == events
        assert (samples["taximeter_spool_bytes", ()] > len(body)) == (events > 0)
        return True

    async with an_api(nowhere, topics, data) as client:
        await eventually_async(lambda: on_disk(client, 1))
    async with an_api(bootstrap, topics, data) as client:
        await eventually_async(lambda: _delivered(client, 1), 30)
        await eventually_async(lambda: on_disk(client, 0))
    (record,) = await read_topic(bootstrap, topics.usage)
    assert read_record(record.value, NOON) == [event]


async def _delivered(client: httpx.AsyncClient, events: int) -> bool:
    samples = await told(client)
    return samples["taximeter_emitter_delivered_events_total", ()] == events


async def test_openmetrics_for_who_asks_for_it(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """Prometheus asks for the newer format, and its strict parser takes it."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    async with an_api(bootstrap, topics, DataDir(tmp_path)) as client:
        answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = openmetrics_families(answer.text)  # type: ignore[no-untyped-call]
    names = {family.name for family in families}
    assert "taximeter_emitter_accepted_events" in names
