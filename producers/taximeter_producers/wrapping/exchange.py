"""One attempt of a call, from its request to its event: never none, never two.

Whoever notices the end first settles it: the answer, the end of its stream, whoever
closes that, an exception, or the garbage collector. The event is made in a thread of
the meter's own where nobody has to wait for it. What goes wrong in here is counted by
the meter and never reaches the call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, Final

from taximeter_producers.attribution import Attribution, current_attribution
from taximeter_producers.call_ids import request_id_in
from taximeter_producers.calls_inside import call_begins
from taximeter_producers.meter import Meter
from taximeter_producers.usage_shapes.bedrock import counted_in
from taximeter_producers.wrapping import attempts, batches, recorded, wire
from taximeter_producers.wrapping.collected import Collected
from taximeter_producers.wrapping.failures import error_of_exception, error_of_status
from taximeter_producers.wrapping.later import later
from taximeter_producers.wrapping.recorded import Call
from taximeter_producers.wrapping.routes import BATCH, Route, provider_at
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.usage import EmittedEvent

__all__ = ["Exchange"]

_FIRST_ERROR: Final = 400
_LARGEST_LATER: Final = 64 * 1024
_Events = Iterable[EmittedEvent]
_WORDS: Final = "a call could not be recorded"


class Exchange:
    """One HTTP request for an LLM, and what comes of it.

    Args:
        meter: takes the event.
        route: what is asked for.
        request: the HTTP client's request; its headers may hold a key, of which
            nothing is read.
        provider: whose host it is, where that cannot be seen by its name.
        by: whom the call is for; without it, whom the context says.
    """

    def __init__(
        self,
        meter: Meter,
        route: Route,
        request: Any,
        provider: str | None,
        by: Attribution | None = None,
    ) -> None:
        call_begins()
        self._meter = meter
        meter.wait_for(later)
        self._request = request
        self._call = Call(
            provider=provider or provider_at(request.url.host) or route.vendor,
            route=route,
            by=by or current_attribution(),
            occurred_at=SystemClock().now(),
            source=meter.source,
            trace_id=attempts.linked_to(lambda: recorded.prompt_of(_asked(request))),
        )
        self._began = self._ended = perf_counter()
        self._turns = [True]  # taken by whoever settles; a pop is atomic
        self._content_type = ""
        self._decoded: Callable[[bytes], bytes] = bytes
        self.collected = Collected()

    def raised(self, error: BaseException) -> None:
        """Settle an attempt that has no answer."""
        self._settle(lambda: self._failed(error_of_exception(error)))

    def answered(self, response: Any) -> bool:
        """Settle an attempt that is answered, or tell that it is yet to be read."""
        self._note(response)
        if response.status_code >= _FIRST_ERROR:
            name = error_of_status(response.status_code, response.headers)
            self._settle(lambda: self._failed(name))
            return True
        if not hasattr(response, "_content"):
            return False
        content = response.content
        self._settle(lambda: self._read(content), len(content))
        return True

    def ended(self, error: BaseException | None = None) -> None:
        """Settle an attempt whose answer is read, or will not be read any further."""
        size = self.collected.size
        self._settle(lambda: self._read(self._whole(), error), size)

    def abandoned(self) -> None:
        """Do so for the garbage collector, which may run in the middle of anything."""
        if self._turns:
            later.put(self.ended)

    def _settle(self, make: Callable[[], _Events | None], size: int = 0) -> None:
        try:
            self._turns.pop()
        except IndexError:
            return
        self._ended = perf_counter()
        if not (self._can_wait(size) and later.take(lambda: self._emit(make))):
            self._emit(make)

    def _can_wait(self, size: int) -> bool:
        """Tell whether the event may be made when the call has gone on.

        Not if it settles a reservation: who made that looks at once whether one does.
        """
        reserved = self._call.by.reserved is not None
        return self._meter.can_wait and not reserved and size <= _LARGEST_LATER

    def _emit(self, make: Callable[[], _Events | None]) -> None:
        try:
            for event in make() or ():
                self._meter.emit(event)
        except Exception:
            self._meter.failed(_WORDS)

    def _note(self, response: Any) -> None:
        headers = response.headers
        request_id = request_id_in(headers, self._request.headers)
        self._content_type = headers.get("content-type", "")
        counted = counted_in(headers) if self._call.route.vendor == "bedrock" else {}
        self._call = replace(self._call, request_id=request_id, counted=counted)
        encoding = headers.get("content-encoding")
        if encoding:
            as_sent, kind = {"content-encoding": encoding}, type(response)
            self._decoded = lambda raw: kind(200, headers=as_sent, content=raw).content
        if self._call.route.api == BATCH:
            self.collected.keep_whole(batches.begins_results if not encoding else None)
        elif not wire.is_text(self._content_type):
            self.collected.nothing_more()

    def _failed(self, error_type: str) -> list[EmittedEvent]:
        if self._call.route.read_back:
            return []  # it reads what an earlier call was billed for
        call = self._finished(error_type)
        trace_id = attempts.failed(recorded.prompt_of(call.asked), call.trace_id)
        return recorded.of_failure(replace(call, trace_id=trace_id))

    def _read(
        self, content: bytes, error: BaseException | None = None
    ) -> _Events | None:
        if self._call.route.api == BATCH:
            return self._apart(partial(batches.of_results, self._batch(), content))
        if error is not None and not wire.is_stream(self._content_type):
            return self._failed(error_of_exception(error))
        call = self._finished(error_of_exception(error) if error else None)
        if wire.is_stream(self._content_type):
            return None if call.route.read_back else self._streamed(call, content)
        return recorded.of_answer(call, wire.body_of(content, self._content_type))

    def _streamed(self, call: Call, content: bytes) -> _Events | None:
        lines = wire.lines_of(content, self._content_type)
        stating = wire.stating(lines)
        if wire.is_complete(stating, call.shape):
            return recorded.of_stream(call, stating)
        called = replace(call, error_type=call.error_type or wire.error_in(lines))
        return self._apart(partial(recorded.of_stream, called, lines))

    def _apart(self, make: Callable[[], _Events]) -> _Events | None:
        """Make events that take long in the meter's own thread, wherever this is."""
        if later.is_here():
            return make()
        later.ready()
        later.put(lambda: self._emit(make))
        return None

    def _batch(self) -> Call:
        path = self._request.url.path
        return replace(self._call, request_id=path.removesuffix("/results"))

    def _whole(self) -> bytes:
        raw = self.collected.whole()
        with suppress(Exception):  # half of a compressed body
            return self._decoded(raw)
        return b""

    def _finished(self, error_type: str | None) -> Call:
        took = round((self._ended - self._began) * 1000)
        return replace(
            self._call,
            asked=_asked(self._request),
            duration_ms=max(took, 0),
            error_type=error_type,
        )


def _asked(request: Any) -> Mapping[str, Any]:
    """Return the request's body: its JSON, or the plain fields of a form."""
    fields = getattr(request.stream, "fields", None)
    if fields is not None:
        return {
            one.name: one.value
            for one in fields
            if isinstance(getattr(one, "value", None), str | int | float)
        }
    try:
        body = json.loads(request.content)
    except Exception:  # a body that is not JSON, or streamed
        return {}
    return body if isinstance(body, dict) else {}
