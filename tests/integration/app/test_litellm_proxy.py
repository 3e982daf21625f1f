"""The callback in a real litellm proxy: who, what, how often, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from taximeter.broker.admin import drop_topics, ensure_topics
from taximeter.broker.topic_io import read_topic
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests.litellm_proxies import Proxy, proxy
from tests.waiting import eventually

# Beside the example: whose the keys are, and models that fail without being asked.
BESIDE = """
general_settings: {custom_auth: auth.known}
model_list:
  - model_name: broken
    litellm_params:
      {model: openai/gpt-4o, api_key: x, mock_response: litellm.RateLimitError}
  - model_name: spare
    litellm_params: {model: openai/gpt-4o-mini, api_key: x, mock_response: Hello}
router_settings: {fallbacks: [{broken: [spare]}]}
"""


class Site:
    """A proxy, and the events that it has sent."""

    def __init__(self, running: Proxy, bootstrap: str, topics: Topics) -> None:
        self.proxy = running
        self._bootstrap = bootstrap
        self._topics = topics

    def text(self) -> str:
        """Return all that is in the topic."""
        records = asyncio.run(read_topic(self._bootstrap, self._topics.usage))
        return "[" + ",".join((r.value or b"[]").decode() for r in records) + "]"

    def events(self) -> list[UsageRecorded]:
        """Return every event, in the order in which their calls began."""
        packed: list[Any] = json.loads(self.text())
        found = [UsageRecorded.model_validate(e) for events in packed for e in events]
        return sorted(found, key=lambda event: event.occurred_at)

    def new(self, call: Callable[[], Any], count: int) -> list[UsageRecorded]:
        """Return the events that a call makes, when there are so many of them."""
        before = {event.event_id for event in self.events()}
        call()

        def arrived() -> list[UsageRecorded]:
            fresh = [e for e in self.events() if e.event_id not in before]
            assert len(fresh) >= count
            return fresh

        return eventually(arrived, 60)


@pytest.fixture(scope="module")
def site(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the example of docs/litellm-proxy.md, with keys and a broken model."""
    topics = Topics(prefix=f"test-{uuid4().hex[:12]}.", partitions=1)
    asyncio.run(ensure_topics(bootstrap, topics))
    settings = {"TAXIMETER_BOOTSTRAP": bootstrap, "TAXIMETER_PREFIX": topics.prefix}
    folder = tmp_path_factory.mktemp("proxy")
    with proxy(folder, BESIDE, **settings) as running:
        yield Site(running, bootstrap, topics)
    asyncio.run(drop_topics(bootstrap, topics.prefix))


def test_a_call_is_for_whom_the_key_says(site: Site) -> None:
    """User, team, key and tags come from the key, the rest from the request."""
    asked = {"tags": ["env:prod", "beta"], "project_id": "search", "user_id": "mallory"}

    def call() -> None:
        site.proxy.chat(
            "fast", user="customer-12", metadata=asked, mock_response="hello"
        ).raise_for_status()

    (event,) = site.new(call, 1)
    assert (event.user_id, event.project_id) == ("ada", "search")
    assert event.tags == {
        "team": "growth",
        "key_alias": "search-prod",
        "end_user": "customer-12",
        "model_group": "fast",
        "env": "prod",
        "beta": "true",
    }
    assert event.api_key_hash == "hash-of-growth"
    assert (event.provider, event.model) == ("openai", "gpt-4o-mini")
    assert (event.source, event.operation) == ("litellm-proxy", "chat")
    assert event.usage.text_input_tokens > 0


def test_what_a_key_leaves_open_the_request_says(site: Site) -> None:
    """A key without a user is used for the customer that the request names."""
    (event,) = site.new(
        lambda: site.proxy.chat("claude", "sk-plain", user="bob", mock_response="x"), 1
    )
    assert (event.user_id, event.provider) == ("bob", "anthropic")


def test_a_stream_is_one_event(site: Site) -> None:
    """A streamed answer counts once, when it has ended."""

    def call() -> None:
        answered = site.proxy.chat("fast", stream=True, mock_response="one two three")
        assert answered.text.rstrip().endswith("data: [DONE]")

    (event,) = site.new(call, 1)
    assert (event.status, event.usage.text_output_tokens > 0) == ("ok", True)


def test_every_attempt_is_an_event(site: Site) -> None:
    """Attempt, retry and fallback are three events, linked by the request's id."""
    answered: list[str] = []

    def call() -> None:
        done = site.proxy.chat("broken")
        done.raise_for_status()
        answered.append(done.headers["x-litellm-call-id"])

    events = site.new(call, 3)
    assert [(e.model, e.status, e.error_type) for e in events] == [
        ("gpt-4o", "error", "RateLimitError"),
        ("gpt-4o", "error", "RateLimitError"),
        ("gpt-4o-mini", "ok", None),
    ]
    assert {event.trace_id for event in events} == set(answered)
    assert [e.usage.text_output_tokens > 0 for e in events] == [False, False, True]


def test_a_request_cannot_opt_out(site: Site) -> None:
    """`no-log` is for what is said, not for what it costs."""
    call = {"mock_response": "x", "no-log": True}
    assert site.new(lambda: site.proxy.chat("fast", "sk-growth", **call), 1)


def test_what_reaches_no_provider_is_no_event(site: Site) -> None:
    """A wrong key and an unknown model are refused, and make no event."""
    before = len(site.events())
    assert site.proxy.chat("fast", "sk-nobody").status_code in (400, 401, 500)
    assert site.proxy.chat("nonsense").status_code == 400
    assert len(site.new(lambda: site.proxy.chat("fast", mock_response="x"), 1)) == 1
    assert len(site.events()) == before + 1


def test_nothing_else_leaves_the_proxy(site: Site) -> None:
    """No prompt, no answer and no key is in what was sent; a stop sends all of it."""
    site.new(lambda: site.proxy.chat("fast", mock_response="a planted answer"), 1)
    for _ in range(20):
        site.proxy.chat("fast", mock_response="a planted answer")
    before = len(site.events())
    site.proxy.stop()
    text = site.text()
    assert len(site.events()) >= before
    assert "planted" not in text
    assert "sk-" not in text
