"""Counts the calls of LangChain's models, by the callbacks that it offers.

    llm.invoke("…", config={"callbacks": [TaximeterCallback()]})

It needs `langchain-core`. Chat models and completion models of any provider, sync and
async, streamed or not; LangChain tells of no usage of embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, get_buffer_string
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from taximeter_producers.integrations.told_calls import Partly, ToldCall
from taximeter_producers.meter import Meter

__all__ = ["TaximeterCallback"]

_SHAPE: Final = "langchain.usage_metadata"
# Who a run is for, where no `attribute` block says it: names in its metadata.
_NAMES: Final = {
    "user_id": ("user_id",),
    "project_id": ("project_id",),
    "session_id": ("session_id", "thread_id"),
    "conversation_id": ("conversation_id",),
}


class TaximeterCallback(BaseCallbackHandler):
    """Makes an event of each call of a model, and of each that failed.

    Answers from LangChain's own cache cost nothing and make no event, and neither
    does a call that a wrapped or instrumented client makes, for that tells of it
    itself. A stream whose reader stops early is estimated. `user_id`, `project_id`,
    `session_id` (or `thread_id`) and `conversation_id` of a run's `metadata` say whom
    it is for, as far as no `attribute` block does.

    Args:
        meter: takes the events; by default that of the process.
    """

    run_inline = True  # in the caller's own context, also of asynchronous runs

    def __init__(self, meter: Meter | None = None) -> None:
        super().__init__()
        self._meter = meter
        self._calls: dict[UUID, tuple[ToldCall, str]] = {}

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """Note that a chat model is called."""
        del serialized
        asked = "\n".join(map(get_buffer_string, messages))
        self._begin(run_id, asked, kwargs)

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """Note that a completion model is called."""
        del serialized
        self._begin(run_id, "\n".join(prompts), kwargs)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Tell of a call that was answered; of a stream, when it has ended."""
        del kwargs
        call, asked = self._calls.pop(run_id, (None, ""))
        if call is None:
            return
        made = _generations(response)
        output = response.llm_output or {}
        if _is_cached(made) or output.get("token_usage") == {}:
            call.unsaid()  # of several prompts of a completion the first has it all
        elif (body := _body(made, output)) is not None:
            call.answered(body, _SHAPE)
        else:
            call.partly(_partly(asked, made))

    def on_llm_error(
        self, error: BaseException, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Tell of a call that failed, or was left before its end."""
        call, asked = self._calls.pop(run_id, (None, ""))
        if call is None:
            return
        so_far = kwargs.get("response")
        made = _generations(so_far) if isinstance(so_far, LLMResult) else []
        if isinstance(error, GeneratorExit) or any(one.text for one in made):
            call.partly(_partly(asked, made), error)
        else:
            call.failed(error)

    def _begin(self, run_id: UUID, asked: str, said: Mapping[str, Any]) -> None:
        metadata = said.get("metadata") or {}
        params = said.get("invocation_params") or {}
        model = metadata.get("ls_model_name") or params.get("model")
        call = ToldCall(
            metadata.get("ls_provider"), model, asked, _names(metadata), self._meter
        )
        self._calls[run_id] = call, asked
        call.begin()


def _names(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: next((metadata[one] for one in places if metadata.get(one)), None)
        for name, places in _NAMES.items()
    }


def _generations(response: LLMResult) -> list[Generation]:
    return [
        one
        for listed in response.generations
        for one in listed
        if isinstance(one, Generation)
    ]


def _messages(made: Sequence[Generation]) -> list[AIMessage]:
    found = (one.message for one in made if isinstance(one, ChatGeneration))
    return [message for message in found if isinstance(message, AIMessage)]


def _is_cached(made: Sequence[Generation]) -> bool:
    """Tell whether LangChain answered itself: it says then that it cost nothing."""
    usages = (message.usage_metadata for message in _messages(made))
    return any(usage and dict(usage).get("total_cost") == 0 for usage in usages)


def _body(
    made: Sequence[Generation], output: Mapping[str, Any]
) -> dict[str, object] | None:
    """Return what an answer states; of several choices all have the same usage."""
    for message in _messages(made):
        said = message.response_metadata
        if message.usage_metadata:
            return {
                "id": said.get("id") or output.get("id") or message.id,
                "model": said.get("model_name") or output.get("model_name"),
                "service_tier": said.get("service_tier"),
                "usage_metadata": message.usage_metadata,
            }
    counted = output.get("token_usage") or {}
    if not counted.get("prompt_tokens"):
        return None
    usage = {
        "input_tokens": counted["prompt_tokens"],
        "output_tokens": counted.get("completion_tokens") or 0,
    }
    return {"model": output.get("model_name"), "usage_metadata": usage}


def _partly(asked: str, made: Sequence[Generation]) -> Partly:
    return Partly(asked, "".join(one.text for one in made))
