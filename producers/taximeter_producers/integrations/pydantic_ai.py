"""Counts the requests of Pydantic AI's agents: a model around the model.

    agent = Agent(MeteredModel("openai:gpt-4o"))

It needs `pydantic-ai-slim`. Each request of a run is an event, streamed or not, and
within a `FallbackModel` of metered models each attempt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models import (
    KnownModelName,
    Model,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from taximeter_producers.integrations.told_calls import Partly, ToldCall
from taximeter_producers.meter import Meter
from taximeter_producers.usage_shapes.bodies import as_json

__all__ = ["MeteredModel"]

_SHAPE: Final = "pydantic_ai.usage"


class MeteredModel(WrapperModel):
    """A model whose requests are counted; all else is the model's own.

    A request that a wrapped or instrumented client makes is left to that. A stream
    whose reader stops early is estimated.

    Args:
        wrapped: the model, or its name, as `Agent` takes it.
        meter: takes the events; by default that of the process.
    """

    def __init__(
        self, wrapped: Model | KnownModelName, *, meter: Meter | None = None
    ) -> None:
        super().__init__(wrapped)
        self._meter = meter

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Make a request, and tell of it."""
        call = self._call(messages)
        try:
            with call.block():
                response = await super().request(
                    messages, model_settings, model_request_parameters
                )
        except BaseException as error:
            call.failed(error)
            raise
        _answered(call, response, messages)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Make a request whose answer is streamed, and tell of it when it is over."""
        call, inside = self._call(messages), AsyncExitStack()
        made = super().request_stream(
            messages, model_settings, model_request_parameters, run_context
        )
        try:
            with call.block():
                stream = await inside.enter_async_context(made)
        except BaseException as error:
            call.failed(error)
            raise
        async with inside:
            try:
                yield stream
            except BaseException as error:
                _answered(call, stream.get(), messages, error)
                raise
            _answered(call, stream.get(), messages)

    def _call(self, messages: list[ModelMessage]) -> ToldCall:
        asked = _prompt(messages)
        return ToldCall(self.system, self.model_name, asked, meter=self._meter)


def _answered(
    call: ToldCall,
    response: ModelResponse,
    messages: list[ModelMessage],
    error: BaseException | None = None,
) -> None:
    if response.state != "complete" or not response.usage.has_values():
        texts = (p.content for p in response.parts if isinstance(p, TextPart))
        known = Partly(_prompt(messages), "".join(texts), response.provider_response_id)
        call.partly(known, error)
        return
    body = {
        "id": response.provider_response_id,
        "model": response.model_name,
        "usage": as_json(response.usage),
    }
    call.answered(body, _SHAPE)


def _prompt(messages: list[ModelMessage]) -> str:
    parts = (part for message in messages for part in message.parts)
    texts = (getattr(part, "content", None) for part in parts)
    return "\n".join(text for text in texts if isinstance(text, str))
