"""Turns every call that litellm makes into one usage event.

    litellm.callbacks = [LiteLLMCallback(emitter, source="checkout")]

Beside `usage_estimates` the only module of the SDK that imports litellm, which tells
about a call in several hooks, sometimes in another thread, where the caller's context
is gone; so whom a call is for is noted when it begins, and every event's id is derived
from facts of the call, so that two hooks that tell of the same call make the same
event.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid4

from litellm.integrations.custom_logger import CustomLogger

from taximeter_producers.attribution import (
    Attribution,
    attributed,
    current_attribution,
    label,
)
from taximeter_producers.call_ids import call_event_id, request_id_in
from taximeter_producers.calls_inside import call_begins
from taximeter_producers.emitter import Rarely, TakesEvents
from taximeter_producers.litellm_operations import STANDARD_TIERS, operation_of
from taximeter_producers.litellm_usage import (
    chosen_for,
    fields_in,
    part,
    usage_of,
)
from taximeter_producers.meter import Meter
from taximeter_producers.provider_usage import usage_not_understood
from taximeter_producers.untold import Untold
from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.facts import cost_usd
from taximeter_producers.wrapping.batches import begins_results, of_results
from taximeter_producers.wrapping.recorded import Call
from taximeter_producers.wrapping.routes import BATCH, Route
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.errors import (
    BudgetExceeded,
    BudgetUnknown,
    UsageUnreadable,
)
from taximeter_schemas.ids import derived_id
from taximeter_schemas.usage import EmittedEvent, UsageNotUnderstood, UsageRecorded

__all__ = ["LiteLLMCallback", "as_told", "attribution_in_call"]

log = logging.getLogger(__name__)

# What a batch did, litellm only knows when its results are fetched.
_FILES: Final = ("file_content", "afile_content")
# These say themselves what a call cost; for others, litellm computes `usage.cost`.
_STATE_THEIR_COST: Final = frozenset({"openrouter", "perplexity"})
_NOTE: Final = "taximeter_attribution"
# All that is read of litellm's dictionary of a call, and of the parameters in it.
_TOLD: Final = (
    _NOTE,
    "cache_hit",
    "call_type",
    "combined_usage_object",
    "custom_llm_provider",
    "exception",
    "input",  # what speech is billed by
    "litellm_call_id",
    "litellm_trace_id",
    "model",
    "optional_params",
    "response_headers",
    "stream",
    "user",
)
_TOLD_OF_PARAMS: Final = (
    "litellm_metadata",
    "litellm_session_id",
    "litellm_trace_id",
    "metadata",
)
_COST_FIELDS: Final = (
    "cost",
    "cost_details",
    "cost_in_usd_ticks",
    "is_byok",
    "provider_reported_cost_usd",
)


class LiteLLMCallback(CustomLogger):
    """A litellm callback that emits a `UsageRecorded` for each call that was made.

    Covers sync, async and streamed calls, successful or failed. Answers from
    litellm's own cache cost nothing and make no event. A usage that contradicts itself
    makes a `UsageNotUnderstood`, which becomes a dead letter. Whatever else goes wrong
    in here is logged and never reaches the call.

    Whom a call is for is taken from the `attribute(...)` blocks around it, and for
    what those leave open from litellm's own `user=` and `metadata=` (`user_id`,
    `project_id`, `session_id`, and the proxy's `user_api_key_user_id`).

    Args:
        emitter: takes the events.
        source: the program's name in its events.
        clock: for the moment of a call that litellm gives no time for.
    """

    def __init__(
        self,
        emitter: TakesEvents,
        source: str = "litellm",
        *,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        # litellm takes two callbacks of a class for one if their texts and numbers
        # are the same, and then leaves the second one out.
        self.callback_key = uuid4().hex
        self._emitter = emitter
        self._source = source
        self.clock = clock or SystemClock()
        self._rarely = Rarely()
        self._untold = Untold()
        if isinstance(emitter, Meter):
            emitter.wait_for(self._untold)

    def log_pre_api_call(self, model: str, messages: object, kwargs: object) -> None:
        """Note whom the call is for, while still in the caller's context."""
        if isinstance(kwargs, dict):
            call_begins()  # for whatever around this would tell of it as well
            self._untold.begins(_named(kwargs))
            kwargs[_NOTE] = noted = current_attribution()
            noted.take_reservation()  # the event may come after the block's end

    def log_success_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Emit a call that succeeded; of a stream, when it has ended."""
        self._emit(kwargs, response_obj, start_time, end_time)

    def log_failure_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Emit a call that failed, with what it used until then."""
        self._emit(kwargs, response_obj, start_time, end_time, failed=True)

    async def async_log_success_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Emit an async call that succeeded."""
        self._emit(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Emit an async call that failed."""
        self._emit(kwargs, response_obj, start_time, end_time, failed=True)

    def whom(self, call: object) -> dict[str, object]:
        """Return whom litellm's own dictionary of a call says that it is for."""
        return dict(attribution_in_call(call))

    def has_been_told(self, call: object) -> None:
        """Note that a call's end was told of: who flushes waits for it no longer."""
        self._untold.told(_named(call))

    def _emit(
        self,
        call: object,
        response: object,
        start: object,
        end: object,
        *,
        failed: bool = False,
    ) -> None:
        try:
            for event in self._events(call, response, start, end, failed=failed):
                self._emitter.emit(event)
        except Exception:
            if self._rarely.now():
                log.exception("a litellm call could not be recorded")
        finally:
            self.has_been_told(call)

    def _events(
        self,
        call: object,
        response: object,
        start: object,
        end: object,
        *,
        failed: bool,
    ) -> Iterable[EmittedEvent]:
        if part(call, "call_type") in _FILES:
            return () if failed else self._results(call, response)
        event = self._event(call, response, start, end, failed=failed)
        return () if event is None else (event,)

    def _results(self, call: object, response: object) -> Iterable[EmittedEvent]:
        """Return the events of a batch, if that is what a file is the results of."""
        content = part(response, "content")
        if not isinstance(content, bytes) or not begins_results(content):
            return ()
        noted = part(call, _NOTE)
        fetched = Call(
            provider=label(part(call, "custom_llm_provider")) or "openai",
            route=Route("chat", BATCH),
            by=noted if isinstance(noted, Attribution) else current_attribution(),
            occurred_at=self.clock.now(),
            source=self._source,
        )
        return of_results(fetched, content)

    def _event(
        self,
        call: object,
        response: object,
        start: object,
        end: object,
        *,
        failed: bool,
    ) -> UsageRecorded | UsageNotUnderstood | None:
        operation = operation_of(part(call, "call_type"))
        if operation is None or part(call, "cache_hit") is True:
            return None
        if isinstance(part(call, "exception"), BudgetExceeded | BudgetUnknown):
            return None  # it was refused, and reached no provider
        response = _stated(call, response, failed=failed)
        provider = label(part(call, "custom_llm_provider")) or "unknown"
        noted = part(call, _NOTE)
        by = noted if isinstance(noted, Attribution) else current_attribution()
        fields: dict[str, object] = {
            "event_id": _event_id(provider, call, response, start, failed=failed),
            "occurred_at": _moment(start, self.clock),
            "source": self._source,
            "provider": provider,
            "model": _model(operation, provider, call),
            "operation": operation,
            "service_tier": _service_tier(operation, call, response),
            "response_model": label(part(response, "model")),
            "response_id": label(part(response, "id")),
        }
        said = {name: value for name, value in fields.items() if value is not None}
        said |= chosen_for(operation, call, response)
        whom = _linked(call) | self.whom(call) | attributed(by)
        try:
            usage = usage_of(operation, call, response)
        except UsageUnreadable as error:
            return usage_not_understood(error, clock=self.clock, **whom | said)
        outcome = {
            "usage": usage,
            "usage_source": _usage_source(call, response, failed=failed),
            "duration_ms": _duration_ms(start, end),
            "provider_cost_usd": _stated_cost_usd(provider, call, response),
            **_outcome(call, failed=failed),
        }
        return UsageRecorded.model_validate(whom | said | outcome)


def as_told(call: object) -> object:
    """Return what an event needs of what litellm says of a call, as it is now.

    Litellm goes on using its dictionaries; and in them are prompts, which are large.
    """
    if not isinstance(call, dict):
        return call
    told: dict[str, object] = {_NOTE: current_attribution()}
    told |= {name: call[name] for name in _TOLD if name in call}
    if isinstance(params := call.get("litellm_params"), dict):
        said = {name: params[name] for name in _TOLD_OF_PARAMS if name in params}
        told["litellm_params"] = {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in said.items()
        }
    return told


def _stated(call: object, response: object, *, failed: bool) -> object:
    """Return what the answer says; an interrupted stream leaves what it had used."""
    if failed:
        response = {"usage": part(call, "combined_usage_object")}
    said = fields_in(response)
    if not isinstance(said, dict):
        return said
    return said | {"usage": fields_in(said.get("usage"))}


def _named(call: object) -> str:
    return str(part(call, "litellm_call_id"))


def _linked(call: object) -> dict[str, object]:
    """Return what litellm itself links the attempts of a call by."""
    params = part(call, "litellm_params")
    places = (part(call, "litellm_trace_id"), part(params, "litellm_trace_id"))
    named = next(filter(None, map(label, places)), None)
    return {} if named is None else {"trace_id": named}


def _event_id(
    provider: str, call: object, response: object, start: object, *, failed: bool
) -> UUID:
    """Return the id that both of litellm's hooks, and other integrations, arrive at."""
    # What succeeded on a second attempt still has the exception of the first.
    refused = part(call, "exception") if failed else None
    answered = part(refused, "litellm_response_headers")
    sent_along = part(part(call, "optional_params"), "extra_headers")
    named = call_event_id(
        provider,
        part(response, "id"),
        request_id_in(answered or part(call, "response_headers"), sent_along),
    )
    if named is not None:
        return named
    # litellm keeps its own id over retries; each attempt starts at another moment.
    return derived_id("litellm", _named(call), str(start))


def _moment(start: object, clock: Clock) -> datetime:
    """Return when the call began; litellm's times are the machine's local ones."""
    return start.astimezone(UTC) if isinstance(start, datetime) else clock.now()


def _duration_ms(start: object, end: object) -> int | None:
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return None
    return max(round((end - start).total_seconds() * 1000), 0)


def _usage_source(call: object, response: object, *, failed: bool) -> str:
    """Tell whether litellm counted the tokens itself.

    It does where a stream brings no usage, and does not mark it. What it counted
    itself has no details of the prompt, which nearly every provider sends; to take
    the rest for estimated is the safer error, for a correction can still follow.
    """
    usage = part(response, "usage")
    if failed and usage is not None:
        return "estimated"
    streamed = part(call, "stream") is True and usage is not None
    detailed = part(usage, "prompt_tokens_details") is not None
    return "estimated" if streamed and not detailed else "reported"


def _model(operation: str, provider: str, call: object) -> str:
    model = label(part(call, "model")) or "unknown"
    # Price lists call what searches for a provider "provider/search".
    named = operation != "search" or "/" in model
    return model if named else label(f"{provider}/search") or model


def _service_tier(operation: str, call: object, response: object) -> str:
    if operation == "decisions":  # has prices of its own, where one is listed
        return operation
    if part(part(response, "usage"), "speed") == "fast":  # Anthropic's
        return "fast"
    asked = part(part(call, "optional_params"), "service_tier")
    served = part(response, "service_tier") or part(
        part(response, "usage"), "service_tier"
    )
    tier = label(served or asked) or "standard"
    return "standard" if tier in STANDARD_TIERS else tier


def _stated_cost_usd(provider: str, call: object, response: object) -> Decimal | None:
    usage = part(response, "usage")
    said = {name: part(usage, name) for name in _COST_FIELDS}
    # Of a stream, litellm puts a cost that it computed itself into the same place.
    own = provider in _STATE_THEIR_COST and part(call, "stream") is not True
    return cost_usd(Part(said, ""), own=own)


def _outcome(call: object, *, failed: bool) -> dict[str, str]:
    if not failed:
        return {"status": "ok"}
    exception = part(call, "exception")
    return {"status": "error", "error_type": type(exception).__name__}


def attribution_in_call(call: object) -> dict[str, str]:
    """Return whom litellm's own parameters say that the call is for."""
    of_call = part(call, "litellm_params")
    metadata = part(of_call, "metadata") or part(of_call, "litellm_metadata")

    def first(*names: str) -> str | None:
        return next((text for n in names if (text := label(part(metadata, n)))), None)

    asked = part(call, "user") or part(part(call, "optional_params"), "user")
    found = {
        "user_id": first("user_id", "user_api_key_user_id") or label(asked),
        "project_id": first("project_id", "user_api_key_project_id"),
        "session_id": first("session_id") or label(part(of_call, "litellm_session_id")),
    }
    return {name: text for name, text in found.items() if text is not None}
