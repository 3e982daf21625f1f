"""Counts the calls of LlamaIndex's LLMs, by its instrumentation.

    from taximeter_producers.integrations import llama_index
    llama_index.instrument()

It needs `llama-index-core`. Chats and completions, sync and async, streamed or not;
LlamaIndex tells of no usage of embeddings.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index_instrumentation import get_dispatcher

from taximeter_producers.integrations.told_calls import Partly, ToldCall
from taximeter_producers.meter import Meter

__all__ = ["instrument", "uninstrument"]

_STARTS: Final = (LLMChatStartEvent, LLMCompletionStartEvent)
_ENDS: Final = (LLMChatEndEvent, LLMCompletionEndEvent)
_PROGRESS: Final = (LLMChatInProgressEvent, LLMCompletionInProgressEvent)


class _Open:
    """One call that has begun, and what has come of its answer."""

    def __init__(self, call: ToldCall, asked: str) -> None:
        self.call = call
        self.asked = asked
        self.said = ""

    def ended(self, response: Any) -> None:
        """Tell of an answer: of what the provider said, where LlamaIndex has it."""
        raw = getattr(response, "raw", None)
        if raw is not None and self.call.answered_by(raw):
            return
        self.call.partly(Partly(self.asked, _text(response) or self.said))

    def raised(self, error: BaseException) -> None:
        """Tell of a call that failed, or of a stream that was left."""
        if self.said or isinstance(error, GeneratorExit):
            self.call.partly(Partly(self.asked, self.said), error)
        else:
            self.call.failed(error)


class _Calls:
    """The calls that are open, by the span of each."""

    def __init__(self, meter: Meter | None) -> None:
        self._meter = meter
        self._open: dict[str, _Open] = {}

    def event(self, event: BaseEvent) -> None:
        """Take an event of LlamaIndex's."""
        span = event.span_id or ""
        if isinstance(event, _STARTS):
            self._begin(span, event)
        elif isinstance(event, _PROGRESS) and span in self._open:
            self._open[span].said = _text(event.response)
        elif isinstance(event, _ENDS) and span in self._open:
            self._open.pop(span).ended(event.response)
        elif isinstance(event, ExceptionEvent):
            self.dropped(span, event.exception)

    def dropped(self, span: str, error: BaseException | None) -> None:
        """Take notice that a call will have no end."""
        found = self._open.pop(span, None)
        if found is not None:
            found.raised(error or RuntimeError())

    def _begin(self, span: str, event: Any) -> None:
        said = event.model_dict
        vendor = str(said.get("class_name") or "").lower().removesuffix("_llm")
        model = said.get("model_name") or said.get("model")
        asked = _prompt(event)
        call = ToldCall(vendor, model, asked, meter=self._meter)
        self._open[span] = _Open(call, asked)
        call.begin()


class _Events(BaseEventHandler):
    """Hears of calls that begin, go on and end."""

    calls: Any

    @classmethod
    def class_name(cls) -> str:
        """Name it, as LlamaIndex asks."""
        return "TaximeterEvents"

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """Take an event."""
        del kwargs
        self.calls.event(event)


class _Spans(BaseSpanHandler[BaseSpan]):
    """Hears of calls that raise."""

    calls: Any = None

    @classmethod
    def class_name(cls) -> str:
        """Name it, as LlamaIndex asks."""
        return "TaximeterSpans"

    def new_span(self, *args: Any, **kwargs: Any) -> None:
        """Keep none: calls are kept by their events."""

    def prepare_to_exit_span(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: an event tells of it."""

    def prepare_to_drop_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        err: BaseException | None = None,
        **kwargs: Any,
    ) -> None:
        """Take notice of an exception."""
        del bound_args, instance, kwargs
        self.calls.dropped(id_, err)


def instrument(*, meter: Meter | None = None) -> None:
    """Count all calls that LlamaIndex makes from now on; twice is once.

    A call that a wrapped or instrumented client makes is left to that.

    Args:
        meter: takes the events; by default that of the process.
    """
    uninstrument()
    calls, root = _Calls(meter), get_dispatcher()
    root.add_event_handler(_Events(calls=calls))
    spans = _Spans()
    spans.calls = calls
    root.add_span_handler(spans)


def uninstrument() -> None:
    """Count no more."""
    root = get_dispatcher()
    root.event_handlers = [
        one for one in root.event_handlers if not isinstance(one, _Events)
    ]
    root.span_handlers = [
        one for one in root.span_handlers if not isinstance(one, _Spans)
    ]


def _text(response: Any) -> str:
    message = getattr(response, "message", None)
    said = getattr(message, "content", None) or getattr(response, "text", None)
    return said if isinstance(said, str) else ""


def _prompt(event: Any) -> str:
    if isinstance(event, LLMCompletionStartEvent):
        return event.prompt
    return "\n".join(str(message.content or "") for message in event.messages)
