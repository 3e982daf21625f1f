"""Makes botocore's HTTP client look like the others, to be metered by the same seam.

What it takes and returns has other names for the same things, and its body is read
from an object of urllib3. botocore is not imported in here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from taximeter_producers.wrapping.exchange import Exchange
from taximeter_producers.wrapping.later import later

__all__ = ["AwsRequest", "AwsResponse", "is_of_aws", "meter_aws_reading"]

_WHOLE: Final = (None, -1)
_THROWN: Final = b":exception-type"


def is_of_aws(http: object) -> bool:
    """Tell whether an HTTP client is botocore's."""
    return type(http).__module__ == "botocore.httpsession"


class AwsRequest:
    """A request of botocore, under httpx's names."""

    def __init__(self, request: Any) -> None:
        where = urlsplit(request.url)
        self.method: str = request.method
        self.url = SimpleNamespace(host=where.hostname or "", path=unquote(where.path))
        self.headers: Mapping[str, str] = _lowered(request.headers)
        self.content: Any = request.body
        self.stream: object = None


class AwsResponse:
    """An answer of botocore, under httpx's names.

    Like there, `_content` is only there once it has been read.
    """

    def __init__(self, response: Any) -> None:
        self.status_code: int = response.status_code
        self.headers: Mapping[str, str] = _lowered(response.headers)
        if response._content is not None:  # botocore reads it unless it is streamed
            self._content: bytes = response._content

    @property
    def content(self) -> bytes:
        """The body."""
        return self._content


def meter_aws_reading(response: Any, exchange: Exchange) -> None:
    """Have the exchange settled when the answer has been read, or is let go."""
    later.ready()  # a finalizer could not start its thread
    raw = response.raw
    reading = _Reading(raw, exchange)
    weakref.finalize(raw, exchange.abandoned)
    raw.read, raw.read1 = reading.through("read"), reading.through("read1")
    raw.read_chunked, raw.close = reading.read_chunked, reading.close


class _Reading:
    """Stands before the methods of one urllib3 answer that all others read by."""

    def __init__(self, raw: Any, exchange: Exchange) -> None:
        self._kind = type(raw)
        self._raw = weakref.ref(raw)  # or the two would keep each other alive
        self._exchange = exchange
        self._reads = False  # urllib3 closes it itself, before it raises

    def through(self, name: str) -> Callable[..., bytes]:
        """Return a method that reads, and notes what it read."""

        def read(amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
            try:
                with self._reading():
                    part: bytes = self._own(name)(amt, *args, **kwargs)
            except BaseException as error:
                self._exchange.ended(error)
                raise
            self._take(part, last=amt in _WHOLE or (not part and amt != 0))
            return part

        return read

    def read_chunked(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """Read part by part."""
        inner = self._own("read_chunked")(*args, **kwargs)
        try:
            while (part := self._next(inner)) is not None:
                self._take(part)
                yield part
        except GeneratorExit:
            raise
        except BaseException as error:
            self._exchange.ended(error)
            raise
        self._exchange.ended()

    def _take(self, part: bytes, *, last: bool = False) -> None:
        self._exchange.collected.add(part)
        if last or _THROWN in part:  # botocore raises then, and reads no further
            self._exchange.ended()

    def close(self) -> None:
        """Close it; its finalizer comes here too, so the rest is done elsewhere."""
        if not self._reads:
            self._exchange.abandoned()
        self._own("close")()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._reads = True
        try:
            yield
        finally:
            self._reads = False

    def _next(self, inner: Iterator[bytes]) -> bytes | None:
        with self._reading():
            return next(inner, None)

    def _own(self, name: str) -> Callable[..., Any]:
        raw: Any = self._raw()
        if raw is None:  # it is being collected
            return lambda *args, **kwargs: None
        method: Callable[..., Any] = getattr(self._kind, name).__get__(raw)
        return method


def _lowered(headers: Any) -> dict[str, str]:
    return {_text(name).lower(): _text(value) for name, value in headers.items()}


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
