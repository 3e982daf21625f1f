"""From the bytes of an export to the events of its calls, one request at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from taximeter.otlp.calls import Made, NoEvent, event_of
from taximeter.otlp.decoding import Form, spans_in
from taximeter.otlp.kinds import Kind, judged
from taximeter.otlp.nesting import Nesting, inner_first
from taximeter.otlp.spans import Span
from taximeter_producers.packing import EncodedEvent
from taximeter_schemas.records import MAX_AHEAD, MAX_EVENT_BYTES
from taximeter_schemas.usage import EmittedEvent, UsageNotUnderstood

__all__ = ["OUTCOMES", "Export", "Intake"]

OUTCOMES: Final = (
    "recorded",
    "not_understood",
    "repeated",
    "around",
    "refused",
    "other",
)
"""What becomes of a span: docs/otlp.md says what each means."""

_UNCLEAR: Final = (
    "it states usage and not what it did: "
    "set gen_ai.operation.name, or taximeter.billed, on it"
)


Lacks = Callable[[str], str | None]


def _lacks_nothing(source: str) -> None:
    del source


@dataclass
class Export:
    """What one request brought.

    Attributes:
        events: to be sent.
        refused: of spans that are calls and have no event, why.
        outcomes: how many spans there were of each outcome.
    """

    events: list[EncodedEvent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


class Intake:
    """Reads exports, and remembers what was counted within which spans.

    All of it happens in one thread of its own: what was counted needs no lock, a large
    request holds nobody up, and two of them never stand in memory at once.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self._nesting = Nesting()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="taximeter-otlp")

    async def read(
        self, body: bytes, form: Form, now: datetime, lacks: Lacks
    ) -> Export:
        """Return what a request brings.

        Args:
            body: the request.
            form: how it is written.
            now: the moment after which no call can have begun.
            lacks: why the caller may not write events of a source, None if it may.

        Raises:
            TooManySpans: for one request.
            Undecodable: it is no OTLP request.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, self.reading, body, form, now, lacks
        )

    def reading(
        self, body: bytes, form: Form, now: datetime, lacks: Lacks = _lacks_nothing
    ) -> Export:
        """Return what a request brings; for `read`, and for tests without a loop.

        Raises what `read` does.
        """
        export = Export()
        for span in inner_first(spans_in(body, form)):
            export.outcomes[self._taken(export, span, now, lacks)] += 1
        return export

    def close(self) -> None:
        """End the thread; nothing waits in it."""
        self._thread.shutdown()

    def _taken(self, export: Export, span: Span, now: datetime, lacks: Lacks) -> str:
        judgement = judged(span)
        if judgement.kind is Kind.CALL:
            return self._called(export, span, judgement.operation, now, lacks)
        self._nesting.leave(span, None)
        if judgement.kind is Kind.UNCLEAR:
            return _refused(export, span, _UNCLEAR)
        return "around" if judgement.kind is Kind.AROUND else "other"

    def _called(
        self, export: Export, span: Span, operation: str, now: datetime, lacks: Lacks
    ) -> str:
        try:
            made = event_of(span, operation)
        except NoEvent as error:
            return _refused(export, span, str(error))
        if self._nesting.restates(span, made.stated):
            self._nesting.leave(span, None)
            return "repeated"
        encoded = EncodedEvent.of(made.event)
        wrong = lacks(made.event.source) or _unfit(made.event, encoded, now)
        if wrong:
            return _refused(export, span, wrong)
        self._nesting.leave(span, made.stated)
        export.events.append(encoded)
        return _recorded(made)


def _recorded(made: Made) -> str:
    unread = isinstance(made.event, UsageNotUnderstood)
    return "not_understood" if unread else "recorded"


def _refused(export: Export, span: Span, why: str) -> str:
    export.refused.append(f"span {span.span_id[:16]} “{span.name[:64]}”: {why}")
    return "refused"


def _unfit(event: EmittedEvent, encoded: EncodedEvent, now: datetime) -> str | None:
    if event.occurred_at > now + MAX_AHEAD:
        return "it began more than a day from now: is its clock right?"
    if len(encoded.value) > MAX_EVENT_BYTES:
        return f"its event would have more than {MAX_EVENT_BYTES} bytes"
    return None
