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
from collections.abc import Mapping
from typing import Final

from litellm.constants import LITELLM_LOGGING_NO_UPSTREAM_LLM_CALL

from taximeter_producers.attribution import label
from taximeter_producers.emitter import TakesEvents
from taximeter_producers.litellm_attribution import proxy_attribution
from taximeter_producers.litellm_callback import LiteLLMCallback
from taximeter_producers.litellm_usage import part
from taximeter_producers.meter import start
from taximeter_producers.meter_settings import PREFIX
from taximeter_schemas.clock import Clock

__all__ = ["LiteLLM_PROXY_Callback", "callback"]

callback: LiteLLM_PROXY_Callback
"""What the proxy's configuration names; made when it is asked for."""

_SOURCE: Final = "litellm-proxy"
# At some tens of requests a second, sending each event by itself takes more CPU time
# than making it.
_LINGER_MS: Final = 500
_BEGAN: Final = "taximeter_began_at"
_FAILED: Final = "taximeter_failed_attempts"


class LiteLLM_PROXY_Callback(LiteLLMCallback):  # noqa: N801 - see below
    """Meters a proxy's calls, for its keys, users, teams, customers and tags.

    `_PROXY_` in its name is how litellm knows what keeps accounts: callbacks without it
    are not told of requests that say `no-log`, and anybody could call for nothing.

    Args:
        emitter: takes the events.
        source: the proxy's name in its events.
        clock: for when an attempt began and failed.
    """

    def __init__(
        self, emitter: TakesEvents, source: str = _SOURCE, *, clock: Clock | None = None
    ) -> None:
        super().__init__(emitter, source, clock=clock)

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


def _made() -> LiteLLM_PROXY_Callback:
    own = f"{PREFIX}LINGER_MS" in os.environ
    meter = start() if own else start(linger_ms=_LINGER_MS)
    named = meter.source != "unknown"
    return LiteLLM_PROXY_Callback(meter, meter.source if named else _SOURCE)


def __getattr__(name: str) -> object:
    """Make the callback when the proxy asks for it, and not while it is looked at."""
    if name != "callback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, _made())
