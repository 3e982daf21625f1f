"""One call that a framework tells of: what its integration knows, made into an event.

A framework's hooks see what a call used, not how it went over the wire. So a metered
client that makes the call knows better: where one did, nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Final

from taximeter_producers.attribution import Attribution, current_attribution, label
from taximeter_producers.calls_inside import CallsInside, counting
from taximeter_producers.meter import Meter, current_meter
from taximeter_producers.provider_usage import reading_from_response
from taximeter_producers.results import provider_error, provider_name_of
from taximeter_producers.usage_readings import UsageReading
from taximeter_producers.wrapping import attempts, recorded
from taximeter_producers.wrapping.later import later
from taximeter_producers.wrapping.recorded import Call
from taximeter_producers.wrapping.routes import Route, operation_of
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import UsageError, UsageUnreadable
from taximeter_schemas.usage import EmittedEvent, Usage

__all__ = ["Partly", "ToldCall", "vendor_named"]

_WORDS: Final = "a framework's call could not be recorded"

# What frameworks call the providers that litellm, and so we, call otherwise.
_VENDORS: Final = {
    "amazon_bedrock": "bedrock",
    "azure_openai": "azure",
    "gcp.gemini": "gemini",
    "gcp.vertex_ai": "vertex_ai",
    "bedrock_converse": "bedrock",
    "genai": "gemini",
    "google": "gemini",
    "google_cloud": "vertex_ai",
    "google_genai": "gemini",
    "google_gla": "gemini",
    "google_vertex": "vertex_ai",
    "google_vertexai": "vertex_ai",
    "mistralai": "mistral",
    "openai_chat": "openai",
    "openai_responses": "openai",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
}


def vendor_named(name: object) -> str:
    """Return whose API it is, by litellm's name.

    >>> vendor_named("google-vertex"), vendor_named("openai"), vendor_named(None)
    ('vertex_ai', 'openai', 'unknown')
    """
    said = str(name or "unknown").lower()
    return _VENDORS.get(said.replace("-", "_"), said)


@dataclass(frozen=True)
class Partly:
    """What is known of an answer whose usage nobody stated; nothing of it is sent.

    Attributes:
        asked: the prompt.
        answered: the text, as far as it came.
    """

    asked: str = ""
    answered: str = ""
    response_id: str | None = None

    def reading(self, model: str) -> UsageReading:
        """Return what it used, by estimate."""
        from taximeter_producers.usage_estimates import (  # noqa: PLC0415
            estimated_tokens,
        )

        given, made = estimated_tokens(model, self.asked, self.answered)
        usage = Usage(text_input_tokens=given, text_output_tokens=made)
        return UsageReading(
            usage=usage,
            shape="estimated",
            usage_source="estimated",
            response_id=self.response_id,
        )


class ToldCall:
    """One call, from when a framework says that it begins; it is told of once.

    Nothing in here raises.

    Args:
        provider: whose API answers, as the framework names it.
        model: what is asked for.
        asked: the prompt, by which another attempt is known; nothing of it is kept.
        names: whom the framework says that the call is for, by the names of
            `Attribution`; what `attribute` blocks say wins.
        meter: takes the event; by default that of the process.
    """

    def __init__(
        self,
        provider: object,
        model: object,
        asked: object = None,
        names: Mapping[str, object] | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.model = label(model) or "unknown"
        self.provider = vendor_named(provider)
        self._meter = meter
        self._asked = asked
        self._trace_id = attempts.linked_to(lambda: asked)
        self._by = _underneath(names or {})
        self._occurred_at = SystemClock().now()
        self._began = perf_counter()
        self._inside = CallsInside()
        self._turns = [True]  # taken by whoever settles; a pop is atomic

    def begin(self) -> None:
        """Notice metered clients from here on, where there is no block to do it in."""
        self._inside.begin()

    def block(self) -> AbstractContextManager[None]:
        """Notice metered clients in a block."""
        return counting(self._inside)

    def answered(
        self, body: Mapping[str, object], shape: str, operation: str = "chat"
    ) -> None:
        """Tell of an answer whose usage is stated, as `docs/usage.md` names the shape.

        Its `id` and `model` are read from it as well.
        """
        self._settle(lambda call: _read(call, body, shape), operation)

    def answered_by(self, answer: object) -> bool:
        """Tell of a provider's own answer; False if it is none, or states no usage."""
        try:
            reading = reading_from_response(answer)
        except UsageError:
            return False
        operation = operation_of(reading.shape.partition(".")[2])
        self._settle(lambda call: recorded.of_reading(call, reading, {}), operation)
        return True

    def unsaid(self) -> None:
        """Tell of nothing: it was no call after all, or another event has it."""
        self._inside.end()
        self._turns.clear()

    def partly(self, known: Partly, error: BaseException | None = None) -> None:
        """Tell of an answer by estimate, afterwards: counting takes its time."""
        model = self.model
        self._settle(
            lambda call: recorded.of_reading(call, known.reading(model), {}),
            error=provider_error(error),
            afterwards=True,
        )

    def failed(self, error: BaseException) -> None:
        """Tell of a call without an answer, by the name that its provider's error has.

        Where another error stands for the provider's, that one is its cause.
        """
        self._trace_id = attempts.failed(self._asked, self._trace_id)
        self._settle(recorded.of_failure, error=provider_error(error) or error)

    def _settle(
        self,
        make: Callable[[Call], Iterable[EmittedEvent]],
        operation: str = "chat",
        error: BaseException | None = None,
        *,
        afterwards: bool = False,
    ) -> None:
        meter = self._meter or current_meter()
        again = meter is None or self._inside.count > 0 or not self._turns
        if not again:
            self._inside.told()  # of calls in calls the innermost is one, no other
        self.unsaid()
        if meter is None or again:
            return
        call = self._call(meter.source, operation, error)

        def emit() -> None:
            try:
                for event in make(call):
                    meter.emit(event)
            except Exception:
                meter.failed(_WORDS)

        meter.wait_for(later)
        later.put(emit) if afterwards else emit()

    def _call(self, source: str, operation: str, error: BaseException | None) -> Call:
        return Call(
            provider=self.provider,
            route=Route(operation, "chat_completions"),
            by=self._by,
            occurred_at=self._occurred_at,
            source=source,
            asked={"model": self.model},
            duration_ms=max(round((perf_counter() - self._began) * 1000), 0),
            error_type=provider_name_of(error) if error else None,
            trace_id=self._trace_id,
        )


def _read(call: Call, body: Mapping[str, object], shape: str) -> Iterable[EmittedEvent]:
    try:
        return recorded.of_reading(call, reading_from_response(body, shape), {})
    except UsageUnreadable as error:
        return [recorded.of_unread(call, error, body)]


def _underneath(names: Mapping[str, object]) -> Attribution:
    around = current_attribution()
    said = {name: label(value) for name, value in names.items()}
    left_open: dict[str, Any] = {
        name: text for name, text in said.items() if getattr(around, name) is None
    }
    return replace(around, **left_open)
