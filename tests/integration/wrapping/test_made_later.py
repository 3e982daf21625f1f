"""An event is made when its call has gone on, unless something waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from uuid import uuid4

import openai
import pytest

import taximeter
from taximeter_producers.attribution import Reserved, reserved
from taximeter_schemas.usage import EmittedEvent
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY
from tests.replaying import Replay

CHAT = answers.real("openai.chat_completions")[0]["body"]
ASKED: Any = [{"role": "user", "content": "What is the capital of France?"}]
HERE, LATER = "MainThread", "taximeter-later"


class InMemory(taximeter.MemoryEmitter):
    """Says of itself what Kafka's emitter does, and remembers who emitted."""

    def __init__(self, durability: str) -> None:
        super().__init__()
        self.durability = durability
        self.by: list[str] = []

    def emit(self, event: EmittedEvent) -> bool:
        """Remember it, and whose thread it came from."""
        self.by.append(threading.current_thread().name)
        return super().emit(event)


@pytest.fixture(autouse=True)
def _no_meter_before_or_after() -> Iterator[None]:
    taximeter.stop()
    yield
    taximeter.stop()


def made_by(
    provider: Replay, durability: str = "memory", text: str = "short", **settings: Any
) -> list[str]:
    """Return the threads that the events of an answer and a stream come from."""
    emitter = InMemory(durability)
    meter = taximeter.start(emitter, **settings)
    chat = answers.chat(CHAT, text=text)
    provider.answers(answers.json_reply(chat), answers.chat_stream(CHAT, text=text))
    url = f"{provider.url}/v1"
    with taximeter.wrap(openai.OpenAI(base_url=url, api_key=KEY)) as client:
        client.chat.completions.create(model="gpt-4o", messages=ASKED)
        list(
            client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True)
        )
    assert meter.flush(30)
    assert len({event.event_id for event in emitter.sent}) == 2
    return emitter.by


def test_the_meters_own_thread_makes_events(provider: Replay) -> None:
    """The call does not wait for that."""
    assert made_by(provider) == [LATER, LATER]


def test_what_is_on_disk_first_is_made_first(provider: Replay) -> None:
    """A call goes on when its event is safe, if that is what was chosen."""
    assert made_by(provider, "spool") == [HERE, HERE]


def test_what_is_redacted_is_made_by_the_caller(provider: Replay) -> None:
    """The hook is promised the thread of the call."""
    assert made_by(provider, redact=lambda event: event) == [HERE, HERE]


def test_a_large_answer_is_not_kept_for_later(provider: Replay) -> None:
    """What waits is bounded in bytes too."""
    assert made_by(provider, text="x" * 70_000) == [HERE, HERE]


@pytest.mark.parametrize(("durability", "by"), [("memory", LATER), ("spool", HERE)])
def test_a_result_counts_as_it_was_returned(durability: str, by: str) -> None:
    """Whatever its caller makes of it, before its event is made or after."""
    emitter = InMemory(durability)
    meter = taximeter.start(emitter)
    body: dict[str, Any] = deepcopy(answers.chat(CHAT))
    returned = taximeter.metered(provider="openai")(lambda: body)()
    assert returned is body
    body["usage"].clear()
    body.clear()
    assert meter.flush(30)
    (event,) = emitter.sent
    assert isinstance(event, taximeter.UsageRecorded)
    assert event.usage.text_input_tokens > 0
    assert emitter.by == [by]


def test_what_settles_a_reservation_is_made_at_once(provider: Replay) -> None:
    """Who reserved looks when the block ends whether an event will settle it."""
    of = Reserved(uuid4())
    with reserved(of):
        assert made_by(provider) == [HERE, HERE]
    assert of.taken
