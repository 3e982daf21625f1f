"""The examples in other languages, run against an API that asks for a token."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from taximeter.api.app import create_app
from taximeter.api_tokens import TokenFile
from taximeter.broker.topic_io import read_topic
from taximeter.state import DataDir
from taximeter_producers.call_ids import call_event_id
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.records import read_record
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import Usage, UsageRecorded
from tests import provider_answers as answers
from tests.http_serving import served
from tests.other_languages import EXAMPLES, a_go_program, curl, node
from tests.replaying import replaying
from tests.running_system import environment

pytestmark = pytest.mark.broker

CLIENTS = EXAMPLES / "clients"


def typescript(to: Path) -> list[str]:
    """Return the words that run the example in TypeScript."""
    return [str(node()), str(CLIENTS / "typescript" / "emit.mts")]


def go(to: Path) -> list[str]:
    """Return the words that run the example in Go."""
    return [str(a_go_program(CLIENTS / "go", to))]


def shell(to: Path) -> list[str]:
    """Return the words that run the example with curl."""
    os.environ["PATH"] += os.pathsep + str(Path(curl()).parent)
    return ["sh", str(CLIENTS / "curl" / "emit.sh")]


class Busy:
    """Refuses the first requests that record, as an API without room or Kafka does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.refusals = [503, 429]
        self.seconds = "1"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, and later answer, one request."""
        if scope["type"] != "http" or not self.refusals:
            await self._app(scope, receive, send)
            return
        later = {"Retry-After": self.seconds}
        answer = JSONResponse({"accepted": 0}, self.refusals.pop(0), later)
        await answer(scope, receive, send)


@pytest.fixture
async def api(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> AsyncIterator[dict[str, str]]:
    """Give what a client needs to know of an API that is busy at first."""
    data = DataDir(tmp_path / "data")
    made = TokenFile(data.api_tokens).create("example", SystemClock().now(), ["write"])
    app = Busy(create_app(bootstrap=bootstrap, topics=topics, data=data))
    async with served(app) as url:
        yield {"TAXIMETER_URL": url, "TAXIMETER_API_TOKEN": made.text}
    assert app.refusals == []


@pytest.mark.parametrize("language", [typescript, go, shell])
async def test_an_example_sends_its_events(
    language: Callable[[Path], list[str]],
    api: dict[str, str],
    bootstrap: str,
    topics: Topics,
    tmp_path: Path,
) -> None:
    """One and a batch, once the API has room, under the ids that Python gives them."""
    words = await asyncio.to_thread(language, tmp_path)
    process = await asyncio.create_subprocess_exec(
        *words,
        env=environment() | api,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert [line[-1] for line in out.decode().replace("}", "").split("\n")[:2]] == [
        "1",
        "2",
    ], out
    now = SystemClock().now()
    records = await read_topic(bootstrap, topics.usage)
    read = [one for record in records for one in read_record(record.value, now)]
    events = {one.response_id: one for one in read if isinstance(one, UsageRecorded)}
    assert len(read) == len(events) == 3
    for number, user in ((1, "alice"), (2, "bob"), (3, "bob")):
        event = events[f"chatcmpl-example-000{number}"]
        assert event.event_id == call_event_id("openai", event.response_id)
        assert (event.user_id, event.project_id) == (user, "search")
        assert event.usage == Usage(
            text_input_tokens=400,
            cache_read_tokens=800,
            text_output_tokens=230,
            reasoning_output_tokens=120,
        )


async def test_opentelemetry_alone_is_a_client(
    api: dict[str, str], bootstrap: str, topics: Topics
) -> None:
    """By its own environment variables, with a token, once the API has room."""
    body = answers.real("openai.chat_completions")[0]["body"]
    token = api["TAXIMETER_API_TOKEN"]
    with replaying() as provider:
        provider.answers(answers.json_reply(answers.chat(body)))
        said = {
            "OTEL_SERVICE_NAME": "search",
            "OTEL_RESOURCE_ATTRIBUTES": "taximeter.project=portal",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{api['TAXIMETER_URL']}/v1/traces",
            "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{token}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60",  # seconds, for a machine that is busy
            "OPENAI_API_KEY": "sk-none",
            "OPENAI_BASE_URL": f"{provider.url}/v1",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(CLIENTS / "opentelemetry" / "trace_calls.py"),
            env=environment() | said,
        )
        async with asyncio.timeout(120):
            assert await process.wait() == 0
    records = await read_topic(bootstrap, topics.usage)
    now = SystemClock().now()
    (event,) = [one for record in records for one in read_record(record.value, now)]
    assert isinstance(event, UsageRecorded)
    assert (event.source, event.project_id) == ("search", "portal")
    assert event.usage.text_input_tokens == body["usage"]["prompt_tokens"]


@pytest.mark.parametrize("language", [typescript, shell])
async def test_an_example_without_a_token_says_so(
    language: Callable[[Path], list[str]], api: dict[str, str], tmp_path: Path
) -> None:
    """It ends with an error that has the API's words, and does not try for ever."""
    words = await asyncio.to_thread(language, tmp_path)
    said = environment() | {"TAXIMETER_URL": api["TAXIMETER_URL"]}
    process = await asyncio.create_subprocess_exec(
        *words,
        env=said,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(120):
        out, _ = await process.communicate()
    assert process.returncode != 0
    assert b"token" in out
