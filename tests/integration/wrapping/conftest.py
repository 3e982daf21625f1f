"""A provider on this machine, a meter that remembers, and the official clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import anthropic
import openai
import pytest

import taximeter
from taximeter_producers.wrapping.later import later
from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import EmittedEvent
from tests import provider_answers as answers
from tests.replaying import Replay, replaying

KEY = "sk-planted-0123456789"
SECRETS = [KEY, "planted", "capital of France", *answers.ANSWER]
"""What tests put into keys, prompts, files, names of requests, and answers."""


class Remembering(taximeter.MemoryEmitter):
    """Keeps what was sent, also what a test has done with."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: list[EmittedEvent] = []

    def emit(self, event: EmittedEvent) -> bool:
        """Take an event."""
        self.ever.append(event)
        return super().emit(event)


class Events:
    """What a meter was given, once nothing is under way any more."""

    def __init__(self) -> None:
        self.emitter = Remembering()
        self.meter = taximeter.start(self.emitter, source="tests")

    def all(self) -> list[taximeter.UsageRecorded]:
        """Return the events so far; fails on any that says that nobody understood."""
        assert self.meter.flush(240)  # a tokenizer may have to be loaded
        found = [e for e in self.emitter.sent if isinstance(e, taximeter.UsageRecorded)]
        assert len(found) == len(self.emitter.sent), self.emitter.sent
        return found

    def only(self) -> taximeter.UsageRecorded:
        """Return the one event there is, and forget it."""
        found = self.all()
        assert len(found) == 1, found
        self.emitter.sent.clear()
        return found[0]


@pytest.fixture(scope="session")
def provider() -> Iterator[Replay]:
    """Serve what a test says that a provider answers."""
    with replaying() as replay:
        yield replay


@pytest.fixture
def events() -> Iterator[Events]:
    """Start the meter of the process, for one test; no test may send a secret."""
    taximeter.stop()
    events = Events()
    yield events
    taximeter.uninstrument()
    taximeter.stop()
    assert later.drain(240)
    sent = b"".join(map(encode_event, events.emitter.ever)).decode()
    assert [secret for secret in SECRETS if secret in sent] == []


@pytest.fixture
def plain(provider: Replay) -> Iterator[openai.OpenAI]:
    """Give OpenAI's client, not metered."""
    url = f"{provider.url}/v1"
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def client(plain: openai.OpenAI, events: Events) -> openai.OpenAI:
    """Give OpenAI's client, metered."""
    return taximeter.wrap(plain)


@pytest.fixture
async def aclient(
    provider: Replay, events: Events
) -> AsyncIterator[openai.AsyncOpenAI]:
    """Give OpenAI's asynchronous client, metered."""
    url = f"{provider.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        yield taximeter.wrap(client)


@pytest.fixture
def claude(provider: Replay, events: Events) -> Iterator[anthropic.Anthropic]:
    """Give Anthropic's client, metered."""
    made = anthropic.Anthropic(base_url=provider.url, api_key=KEY, max_retries=0)
    with made as client:
        yield taximeter.wrap(client)


@pytest.fixture
async def aclaude(
    provider: Replay, events: Events
) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Give Anthropic's asynchronous client, metered."""
    made = anthropic.AsyncAnthropic(base_url=provider.url, api_key=KEY, max_retries=0)
    async with made as client:
        yield taximeter.wrap(client)
