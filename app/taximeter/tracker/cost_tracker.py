"""The tracker as a litellm callback: `litellm.callbacks = [tracker]`.

What litellm does with exceptions decides how this is built. It catches all that a
callback raises, but in one hook: that before an async call. So a limit stops calls in
`litellm_calls`, before they reach litellm, and that hook stops async ones that were
imported by name. And it tells of sync calls from another thread, some time later; so a
call is counted when it returns, and what litellm tells later is known by its id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeVar
from uuid import uuid4

import litellm
from litellm.integrations.custom_logger import CustomLogger

from taximeter.tracker import litellm_calls
from taximeter.tracker.begun import WAIT_SECONDS, Begun
from taximeter.tracker.call_tracker import CallTracker
from taximeter_producers.attribution import current_attribution
from taximeter_producers.litellm_callback import LiteLLMCallback, attribution_in_call
from taximeter_producers.litellm_usage import part
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.errors import BudgetExceeded

__all__ = ["CostTracker"]

P = ParamSpec("P")
T = TypeVar("T")

_POLL_SECONDS: Final = 0.001


class CostTracker(CallTracker, CustomLogger):
    """Knows what this program has spent on LLM calls, and says when it is enough.

    Takes what `CallTracker` takes. A litellm callback for sync, async and streamed
    calls: after each, `total_cost` has it. See docs/tracker.md.
    """

    def _set_up(self) -> None:
        CustomLogger.__init__(self)
        self._begun = Begun()
        # litellm takes two callbacks of a class for one if their texts and numbers
        # are the same, and then leaves the second one out.
        self.callback_key = uuid4().hex
        self._was_registered = False
        self._made_at = _naive(SystemClock())
        self._callback = LiteLLMCallback(self, self._source, clock=self._clock)
        litellm_calls.watch(litellm)

    def guard(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return one of litellm's functions with this tracker's limits before it.

        For a function that was imported by name before there was a tracker, and for a
        router's: `completion = tracker.guard(completion)`.
        """
        return litellm_calls.guarded(function, lambda _: [self])

    def before_call(self, call: Mapping[str, object]) -> str | None:
        """Raise if a call may not be made, and the tracker was told to raise.

        Raises:
            BudgetExceeded: says which limit, and what was spent.
        """
        if not self._raises:
            return None
        asked = attribution_in_call(litellm_calls.as_logged(call))
        around = current_attribution()
        self.check(
            user=around.user_id or asked.get("user_id"),
            session=around.session_id or asked.get("session_id"),
            model=litellm_calls.model_of(call),
            provider=litellm_calls.provider_of(call),
        )
        return None

    def returned(self, call_id: object, response: object) -> None:
        """Count a call that has just returned, in the thread that made it."""
        call = self._begun.take(call_id)
        if call is not None:
            self._count(call, response)
        else:
            self._begun.expect(call_id)

    def ended(self, call_id: object) -> None:
        """Wait until litellm has told of a stream that is over."""
        self._begun.wait(call_id)

    async def ended_async(self, call_id: object) -> None:
        """Let litellm tell of a stream that is over."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self._begun.knows(call_id) and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)

    def log_pre_api_call(self, model: str, messages: object, kwargs: object) -> None:
        """Note a call that begins."""
        if self._is_registered():
            self._callback.log_pre_api_call(model, messages, kwargs)
            self._begun.add(kwargs)

    async def async_pre_call_deployment_hook(
        self,
        kwargs: dict[str, Any],
        call_type: object,
    ) -> None:
        """Stop an async call: what this hook raises does reach the caller."""
        self.before_call(kwargs)

    async def async_post_call_success_deployment_hook(
        self, request_data: dict[str, Any], response: object, call_type: object
    ) -> None:
        """Count an async call before it returns."""
        call = part(request_data.get("litellm_logging_obj"), "model_call_details")
        if call is not None:
            self._begun.take(part(call, "litellm_call_id"))
            self._count(call, response)

    def log_success_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Count a call of which litellm tells; of a stream, when it has ended."""
        call_id = part(kwargs, "litellm_call_id")
        wanted = self._is_wanted(call_id, start_time)
        if wanted and self._begun.counts(call_id):
            self._callback.log_success_event(kwargs, response_obj, start_time, end_time)
        self._begun.take(call_id)

    async def async_log_success_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Do the same for an async call."""
        self.log_success_event(kwargs, response_obj, start_time, end_time)

    def log_failure_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Count what a failed call had used; one that was refused was none."""
        call_id = part(kwargs, "litellm_call_id")
        wanted = self._is_wanted(call_id, start_time)
        if wanted and not isinstance(part(kwargs, "exception"), BudgetExceeded):
            self._callback.log_failure_event(kwargs, response_obj, start_time, end_time)
        self._begun.take(call_id)

    async def async_log_failure_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Do the same for an async call."""
        self.log_failure_event(kwargs, response_obj, start_time, end_time)

    def _settle(self) -> None:
        self._begun.wait_for_returned()

    def _count(self, call: object, response: object) -> None:
        """Count a call now; litellm would tell of it later."""
        if self._begun.counts(part(call, "litellm_call_id")):
            start, end = part(call, "start_time"), _naive(self._clock)
            self._callback.log_success_event(call, response, start, end)

    def _is_wanted(self, call_id: object, start: object) -> bool:
        """Tell whether a call is this tracker's to count.

        litellm goes on telling a tracker that another has replaced in its callbacks,
        and tells a new one of calls that were made before there was any.
        """
        if self._begun.knows(call_id):
            return True
        earlier = isinstance(start, datetime) and start < self._made_at
        return self._is_registered() and not earlier

    def _is_registered(self) -> bool:
        among = any(callback is self for callback in litellm.callbacks)
        self._was_registered |= among
        return among or not self._was_registered

    def _named(self, model: str | None, provider: str | None) -> tuple[str, str | None]:
        """Return provider and model as litellm, and so an event, names them."""
        if model is None:
            return provider or "", None
        try:
            name, seller, *_ = litellm.get_llm_provider(
                model, custom_llm_provider=provider
            )
        except Exception:  # it raises what it likes for a name that it does not know
            return super()._named(model, provider)
        return seller, name


def _naive(clock: Clock) -> datetime:
    """Return the present moment as litellm states times: local, without a zone."""
    return clock.now().astimezone().replace(tzinfo=None)
