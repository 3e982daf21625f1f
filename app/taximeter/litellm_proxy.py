"""Meters every call of litellm's proxy: name it in the proxy's `config.yaml`.

    litellm_settings:
      callbacks: taximeter.litellm_proxy.callback

The proxy imports this module when it starts. Where Kafka is, `TAXIMETER_BOOTSTRAP`
says; the other settings of `taximeter.start()` hold as well (docs/litellm-proxy.md).

litellm tells of a request's end once, however many attempts it took, and of each failed
attempt in a hook of its own. So failures are recorded there, and what is left for the
end are answers, and streams that broke off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from litellm.constants import LITELLM_LOGGING_NO_UPSTREAM_LLM_CALL

from taximeter_producers.attribution import label
from taximeter_producers.emitter import TakesEvents
from taximeter_producers.litellm_attribution import proxy_attribution
from taximeter_producers.litellm_callback import LiteLLMCallback, as_told
from taximeter_producers.litellm_usage import fields_in, part
from taximeter_producers.meter import Meter, start
from taximeter_producers.meter_settings import PREFIX, MeterSettings
from taximeter_producers.wrapping.later import Later
from taximeter_schemas.clock import Clock

__all__ = ["LiteLLM_PROXY_Callback", "callback", "made"]

callback: LiteLLM_PROXY_Callback
"""What the proxy's configuration names; made when it is asked for."""

_SOURCE: Final = "litellm-proxy"
# At some tens of requests a second, making each event by itself takes twice the CPU
# time, and sending it several times.
_GATHER_MS: Final = 2_000
_LINGER_MS: Final = 50
_BEGAN: Final = "taximeter_began_at"
_FAILED: Final = "taximeter_failed_attempts"


class LiteLLM_PROXY_Callback(LiteLLMCallback):  # noqa: N801 - see below
    """Meters a proxy's calls, for its keys, users, teams, customers and tags.

    `_PROXY_` in its name is how litellm knows what keeps accounts: callbacks without it
    are not told of requests that say `no-log`, and anybody could call for nothing.

    Args:
        emitter: takes the events.
        source: the proxy's name in its events.
        gather_seconds: how long calls are gathered before their events are made.
        clock: for when an attempt began and failed.
    """

    def __init__(
        self,
        emitter: TakesEvents,
        source: str = _SOURCE,
        *,
        gather_seconds: float = 0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(emitter, source, clock=clock)
        self._gathered: Later | None = None
        if gather_seconds and isinstance(emitter, Meter) and emitter.can_wait:
            self._gathered = Later(gather_seconds)
            emitter.wait_for(self._gathered)

    def whom(self, call: object) -> dict[str, object]:
        """Return whom the key and the request say that it is for.

        All attempts of one request have its id, which the proxy's answer names as
        `x-litellm-call-id`, as their `trace_id`.
        """
        params = part(call, "litellm_params")
        noted = part(params, "metadata") or part(params, "litellm_metadata")
        fields = proxy_attribution(noted if isinstance(noted, Mapping) else {})
        request = label(part(call, "litellm_call_id"))
        return fields | ({"trace_id": request} if request else {})

    def log_pre_api_call(self, model: str, messages: object, kwargs: object) -> None:
        """Note when an attempt begins."""
        super().log_pre_api_call(model, messages, kwargs)
        if isinstance(kwargs, dict):
            kwargs[_BEGAN] = self.clock.now()

    async def async_post_call_failure_deployment_hook(
        self,
        request_data: Mapping[str, object],
        exception: Exception,
        call_type: object,
        fallback_depth: int | None = None,
    ) -> None:
        """Emit an attempt that failed: the first one, each retry, each fallback."""
        details = part(request_data.get("litellm_logging_obj"), "model_call_details")
        if not isinstance(details, dict):
            return
        details[_FAILED] = details.get(_FAILED, 0) + 1
        attempt = {**details, "exception": exception}
        now = self.clock.now()
        self._emit(attempt, None, details.pop(_BEGAN, now), now, failed=True)

    def _emit(
        self,
        call: object,
        response: object,
        start: object,
        end: object,
        *,
        failed: bool = False,
    ) -> None:
        if self._gathered is not None:
            told, answer = as_told(call), fields_in(response)
            make = partial(super()._emit, told, answer, start, end, failed=failed)
            if self._gathered.take(make):
                self.has_been_told(call)
                return
        super()._emit(call, response, start, end, failed=failed)

    def log_failure_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Emit a stream that broke off, told of in a thread."""
        if _broke_off(kwargs):
            super().log_failure_event(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: object, response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Emit a stream that broke off."""
        if _broke_off(kwargs):
            await super().async_log_failure_event(
                kwargs, response_obj, start_time, end_time
            )


def _broke_off(call: object) -> bool:
    """Tell a stream that broke off from other failures that end a request.

    Failed attempts have been told by then. What the proxy refused itself (a wrong key,
    an unknown model) never began one, though litellm tells of a beginning.
    """
    if part(call, LITELLM_LOGGING_NO_UPSTREAM_LLM_CALL) is True:
        return False
    began = part(call, _BEGAN) is not None and not part(call, _FAILED)
    return began or part(call, "combined_usage_object") is not None


def made(
    kind: Callable[..., LiteLLM_PROXY_Callback] = LiteLLM_PROXY_Callback,
) -> LiteLLM_PROXY_Callback:
    """Start a meter, and return a callback on it, both as the environment says."""
    own = f"{PREFIX}LINGER_MS" in os.environ
    gather_ms = MeterSettings.read({}).linger_ms if own else _GATHER_MS
    meter = start(linger_ms=min(gather_ms, _LINGER_MS))
    source = meter.source if meter.source != "unknown" else _SOURCE
    return kind(meter, source, gather_seconds=gather_ms / 1000)


def __getattr__(name: str) -> object:
    """Make the callback when the proxy asks for it, and not while it is looked at."""
    if name != "callback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, made())
