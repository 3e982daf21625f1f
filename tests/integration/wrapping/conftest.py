"""A provider on this machine, a meter that remembers, and the official clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import anthropic
import openai
import pytest

import taximeter
from taximeter_producers.wrapping.later import later
from tests.replaying import Replay, replaying

KEY = "sk-planted-0123456789"


class Events:
    """What a meter was given, once nothing is under way any more."""

    def __init__(self) -> None:
        self.emitter = taximeter.MemoryEmitter()
        self.meter = taximeter.start(self.emitter, source="tests")

    def all(self) -> list[taximeter.UsageRecorded]:
        """Return the events so far; fails on any that says that nobody understood."""
        assert self.meter.flush(60)
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
    """Start the meter of the process, for one test."""
    taximeter.stop()
    yield Events()
    taximeter.uninstrument()
    taximeter.stop()
    assert later.drain(60)


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
