"""Events inherit whom they are for from the blocks around the code that makes them."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

from taximeter_producers.around_program import AroundProgram
from taximeter_producers.attribution import (
    attribute,
    attributed,
    attributing,
    attribution_of,
    current_attribution,
    usage_recorded,
)
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.usage import Usage, UsageRecorded


def test_blocks_nest_and_the_inner_one_wins() -> None:
    """What the inner block leaves open, the outer one says; afterwards it is gone."""
    with attribute(user="ada", project="search"):
        with attribute(user="bob", session="s-1"):
            inner = current_attribution()
        outer = current_attribution()
    assert (inner.user_id, inner.project_id, inner.session_id) == (
        "bob",
        "search",
        "s-1",
    )
    assert (outer.user_id, outer.session_id) == ("ada", None)
    assert current_attribution().user_id is None


def test_tags_are_merged() -> None:
    """Tags of all blocks and of the event itself add up; the nearest wins."""
    with (
        attribute(tags={"env": "dev", "team": "a"}),
        attribute(tags={"env": "prod"}),
    ):
        assert attributed(tags={"team": "b"})["tags"] == {"env": "prod", "team": "b"}


def test_an_event_is_built_with_the_context() -> None:
    """`usage_recorded` fills in who, when and an id, and the call says the rest."""
    clock = ManualClock()
    with attribute(user=7, endpoint="/answer"):
        event = usage_recorded(
            clock=clock, provider="p", model="m", usage={"text_input_tokens": 1}
        )
    assert (event.user_id, event.endpoint) == ("7", "/answer")
    assert event.occurred_at == clock.now()
    assert event.project_id == "unattributed"


def test_the_same_prompt_has_the_same_hash() -> None:
    """Events say which prompts were the same, and nothing of what they were."""
    messages = [{"role": "user", "content": "Is it?"}]

    def asked(prompt: object) -> UsageRecorded:
        with attribute(prompt=prompt):
            return usage_recorded(provider="p", model="m", usage=Usage())

    first, again, other = asked(messages), asked(messages), asked("Is it so?")
    assert first.prompt_hash == again.prompt_hash != other.prompt_hash
    assert "Is it" not in first.model_dump_json() + other.model_dump_json()
    assert asked({1: messages, "a": object}).prompt_hash is not None
    assert usage_recorded(provider="p", model="m", usage=Usage()).prompt_hash is None


def test_labels_that_do_not_fit_never_fail_the_block() -> None:
    """Too long is cut, empty is nothing, of too many tags the latest are kept."""
    with attribute(
        user="x" * 300, project="", tags={str(n): n for n in range(40)}
    ) as by:
        assert by.user_id == "x" * 256
        assert by.project_id is None
        assert list(by.tags) == [str(n) for n in range(8, 40)]


async def test_tasks_keep_their_own_attribution() -> None:
    """Two tasks at once do not see each other's names."""

    async def call(user: str) -> str | None:
        with attribute(user=user):
            await asyncio.sleep(0)
            return current_attribution().user_id

    users = await asyncio.gather(call("ada"), call("bob"))
    assert list(users) == ["ada", "bob"]


def test_a_copied_context_takes_attribution_into_a_thread() -> None:
    """A thread that runs in a copy of the context inherits."""
    with attribute(user="ada"):
        context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as pool:
        by = pool.submit(context.run, current_attribution).result()
    assert by.user_id == "ada"


def test_what_is_said_of_a_whole_program_stands_around_its_blocks() -> None:
    """Its environment says who, what for and why budgets are ignored; nothing fails."""
    environment = {
        "TAXIMETER_USER": "ada" * 100,
        "TAXIMETER_PROJECT": "",
        "TAXIMETER_TAGS": "job=nightly,env=a%2Cb,nonsense",
        "TAXIMETER_IGNORE_BUDGET": "incident 42",
    }
    around = attribution_of(AroundProgram.read(environment))
    assert around.user_id == ("ada" * 100)[:256]
    assert around.project_id is None
    with attributing(around), attribute(user="bob", tags={"env": "prod"}):
        assert attributed() == {
            "user_id": "bob",
            "tags": {"job": "nightly", "env": "prod", "budget_ignored": "incident 42"},
        }
