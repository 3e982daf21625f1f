"""One attempt of a call, from its request to its event: never none, never two.

Whoever notices the end first settles it: the answer, the end of its stream, whoever
closes that, an exception, or the garbage collector. What goes wrong in here is counted
by the meter and never reaches the call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
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
        self._began = perf_counter()
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
        self._settle(lambda: self._read(response.content))
        return True

    def ended(self, error: BaseException | None = None) -> None:
        """Settle an attempt whose answer is read, or will not be read any further."""
        self._settle(lambda: self._read(self._whole(), error))

    def abandoned(self) -> None:
        """Do so for the garbage collector, which may run in the middle of anything."""
        if self._turns:
            later.put(self.ended)

    def _settle(self, make: Callable[[], list[EmittedEvent] | None]) -> None:
        try:
            self._turns.pop()
        except IndexError:
            return
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
    ) -> list[EmittedEvent] | None:
        if self._call.route.api == BATCH:
            later.ready()
            later.put(lambda: self._emit(batches.of_results(self._batch(), content)))
            return None
        if error is not None and not wire.is_stream(self._content_type):
            return self._failed(error_of_exception(error))
        call = self._finished(error_of_exception(error) if error else None)
        if wire.is_stream(self._content_type):
            return None if call.route.read_back else self._streamed(call, content)
        return recorded.of_answer(call, wire.body_of(content, self._content_type))

    def _streamed(self, call: Call, content: bytes) -> list[EmittedEvent] | None:
        lines = wire.lines_of(content, self._content_type)
        stating = wire.stating(lines)
        if wire.is_complete(stating, call.shape):
            return recorded.of_stream(call, stating)
        called = replace(call, error_type=call.error_type or wire.error_in(lines))
        later.ready()
        later.put(lambda: self._emit(_estimated(called, lines)))
        return None

    def _batch(self) -> Call:
        path = self._request.url.path
        return replace(self._call, request_id=path.removesuffix("/results"))

    def _emit(self, events: Iterable[EmittedEvent]) -> None:
        try:
            for event in events:
                self._meter.emit(event)
        except Exception:
            self._meter.failed(_WORDS)

    def _whole(self) -> bytes:
        raw = self.collected.whole()
        with suppress(Exception):  # half of a compressed body
            return self._decoded(raw)
        return b""

    def _finished(self, error_type: str | None) -> Call:
        took = round((perf_counter() - self._began) * 1000)
        return replace(
            self._call,
            asked=_asked(self._request),
            duration_ms=max(took, 0),
            error_type=error_type,
        )


def _estimated(call: Call, lines: list[bytes]) -> Iterator[EmittedEvent]:
    yield from recorded.of_stream(call, lines)  # in the thread that asks for them


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
