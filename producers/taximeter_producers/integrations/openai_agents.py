"""Counts the model calls of OpenAI's Agents SDK: a provider around its providers.

    Runner.run(agent, "…", run_config=RunConfig(model_provider=MeteredProvider()))

It needs `openai-agents`. Each call of a run is an event, streamed or not. An agent
that was given a model, not a name, takes `MeteredModel(model)` in its place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from agents.items import ModelResponse, TResponseStreamEvent
from agents.models.interface import Model, ModelProvider
from agents.models.multi_provider import MultiProvider
from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest

from taximeter_producers.integrations.told_calls import Partly, ToldCall
from taximeter_producers.meter import Meter
from taximeter_producers.usage_shapes.bodies import as_json

__all__ = ["MeteredModel", "MeteredProvider"]

_SHAPE: Final = "openai.responses"
_MADE_UP: Final = "__fake_id__"  # the SDK's own, where a chat completion has none
_DONE: Final = ("response.completed", "response.incomplete", "response.failed")


class MeteredProvider(ModelProvider):
    """Finds models as the SDK does, and has their calls counted.

    Args:
        provider: finds them; by default the SDK's own, which knows all prefixes.
        meter: takes the events; by default that of the process.
    """

    def __init__(
        self, provider: ModelProvider | None = None, *, meter: Meter | None = None
    ) -> None:
        self._provider = provider or MultiProvider()
        self._meter = meter

    def get_model(self, model_name: str | None) -> Model:
        """Return the model of a name, metered."""
        found = self._provider.get_model(model_name)
        return MeteredModel(found, vendor=_vendor(model_name), meter=self._meter)

    async def aclose(self) -> None:
        """Release what the provider holds."""
        await self._provider.aclose()


class MeteredModel(Model):
    """A model whose calls are counted; all else is the model's own.

    A call that a wrapped or instrumented client makes is left to that. A stream whose
    reader stops early is estimated.

    Args:
        model: makes the calls.
        vendor: whose API answers.
        meter: takes the events; by default that of the process.
    """

    def __init__(
        self, model: Model, *, vendor: str = "openai", meter: Meter | None = None
    ) -> None:
        self._model = model
        self._vendor = vendor
        self._meter = meter

    async def close(self) -> None:
        """Release what the model holds."""
        await self._model.close()

    def get_retry_advice(
        self, request: ModelRetryAdviceRequest
    ) -> ModelRetryAdvice | None:
        """Return the model's own advice."""
        return self._model.get_retry_advice(request)

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Make a call, and tell of it."""
        asked = _asked(*args, **kwargs)
        call = self._call(asked)
        try:
            with call.block():
                response = await self._model.get_response(*args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        _answered(call, response.response_id, response.usage, asked)
        return response

    async def stream_response(
        self, *args: Any, **kwargs: Any
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Make a call whose answer is streamed, and tell of it when it is over."""
        asked = _asked(*args, **kwargs)
        call, said = self._call(asked), _Said(asked)
        stream = aiter(self._model.stream_response(*args, **kwargs))
        try:
            while True:
                with call.block():  # and not what happens between two events
                    event = await anext(stream)
                said.hear(event)
                yield event
        except StopAsyncIteration:
            said.ended(call)
        except BaseException as error:
            said.ended(call, error)
            raise

    def _call(self, asked: str) -> ToldCall:
        model = getattr(self._model, "model", None)
        return ToldCall(self._vendor, model, asked, meter=self._meter)


class _Said:
    """What has come of a stream."""

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self._texts: list[str] = []
        self._done: Any = None

    def hear(self, event: Any) -> None:
        """Take an event."""
        if event.type == "response.output_text.delta":
            self._texts.append(event.delta)
        elif event.type in _DONE:
            self._done = event.response

    def ended(self, call: ToldCall, error: BaseException | None = None) -> None:
        """Tell of what there was."""
        said = "".join(self._texts)
        if self._done is not None:
            _answered(call, self._done.id, self._done.usage, self._asked, said)
        elif error is None or said or isinstance(error, GeneratorExit):
            call.partly(Partly(self._asked, said), error)
        else:
            call.failed(error)


def _answered(
    call: ToldCall, response_id: str | None, usage: Any, asked: str, said: str = ""
) -> None:
    known = None if response_id == _MADE_UP else response_id
    if getattr(usage, "total_tokens", 0):
        call.answered({"id": known, "usage": as_json(usage)}, _SHAPE)
    else:
        call.partly(Partly(asked, said, known))


def _asked(*args: Any, **kwargs: Any) -> str:
    """Return the instructions and the input, of which nothing is kept."""
    first = (*args, kwargs.get("system_instructions"), kwargs.get("input"))
    return "\n".join(str(one) for one in first[:2] if one)


def _vendor(model_name: str | None) -> str:
    """Return whose a model is, by the SDK's prefixes of names.

    >>> _vendor("gpt-5"), _vendor("litellm/anthropic/claude-opus-4-6")
    ('openai', 'anthropic')
    """
    prefix, _, rest = (model_name or "").partition("/")
    return rest.partition("/")[0] if prefix in ("litellm", "any-llm") else "openai"
