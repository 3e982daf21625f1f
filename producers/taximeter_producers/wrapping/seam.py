"""The one place where a client is metered: `send` of the HTTP client that it uses.

The method is set on that one object, so nobody else's HTTP is touched; requests that
no provider's library made pass untouched too, where the object is shared.
"""

from __future__ import annotations

import functools
import logging
import weakref
from collections.abc import Callable
from typing import Any, Final

from taximeter_producers.attribution import Attribution
from taximeter_producers.emitter import Rarely
from taximeter_producers.meter import Meter, current_meter
from taximeter_producers.wrapping.aws import (
    AwsRequest,
    AwsResponse,
    is_of_aws,
    meter_aws_reading,
)
from taximeter_producers.wrapping.exchange import Exchange
from taximeter_producers.wrapping.reading import meter_reading
from taximeter_producers.wrapping.routes import provider_at, route_of

__all__ = ["Seam", "meter_response"]

log = logging.getLogger(__name__)

_MARK: Final = "_taximeter_seam"
_OF_LIBRARIES: Final = (
    "x-stainless-lang",  # OpenAI's and Anthropic's
    "x-fern-language",  # Cohere's
    "x-goog-api-client",
)
_NAMES: Final = ("mistral", "speakeasy", "Boto3", "Botocore")
_unstarted: Final = Rarely()


class Seam:
    """How one HTTP client is metered.

    Args:
        meter: takes the events; None for the one of the process.
        provider: whose API it is, whatever the host's name says.
        vendor: whose it is, where the host's name says nothing.
    """

    def __init__(
        self,
        meter: Meter | None = None,
        provider: str | None = None,
        vendor: str | None = None,
    ) -> None:
        self._meter = meter
        self._provider = provider
        self._vendor = vendor

    def put_into(self, http: Any) -> bool:
        """Meter an HTTP client; False if it was already, which changes nothing."""
        if _MARK in vars(http):
            return False
        before = vars(http).get("send")
        kind = _kind_of(http)
        http.send = functools.wraps(type(http).send)(
            kind(self, before or _own_send(http))
        )
        setattr(http, _MARK, (before,))
        return True

    @staticmethod
    def take_from(http: Any) -> None:
        """Leave an HTTP client alone again."""
        mark = vars(http).pop(_MARK, None)
        if mark is None:
            return
        del http.send
        if mark[0] is not None:
            http.send = mark[0]

    def begin(self, request: Any) -> Exchange | None:
        """Return the exchange that a request begins, or None if it is not metered."""
        try:
            route = route_of(request.method, request.url.path)
            if route is None or not _of_a_library(request.headers):
                return None
            meter = self._meter or current_meter()
            if meter is not None:
                named = self._provider or provider_at(request.url.host)
                return Exchange(meter, route, request, named or self._vendor)
            if _unstarted.now():
                log.warning("calls are not metered: call taximeter.start() first")
        except Exception:
            log.exception("a call is not metered")
        return None


def _kind_of(http: Any) -> Callable[[Seam, Callable[..., Any]], Callable[..., Any]]:
    if is_of_aws(http):
        return _aws_send
    return _async_send if hasattr(http, "aclose") else _send


def _own_send(http: Any) -> Callable[..., Any]:
    """Return what the client's class does, without holding on to the client."""
    ref = weakref.ref(http)

    def send(*args: Any, **kwargs: Any) -> Any:
        own: Any = ref()  # alive: its method is being called
        return type(own).send(own, *args, **kwargs)

    return send


def _send(seam: Seam, original: Callable[..., Any]) -> Callable[..., Any]:
    def send(request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = seam.begin(request)
        if exchange is None:
            return original(request, *args, **kwargs)
        try:
            response = original(request, *args, **kwargs)
        except BaseException as error:
            exchange.raised(error)
            raise
        _watch(exchange, response, asynchronous=False)
        return response

    return send


def _async_send(seam: Seam, original: Callable[..., Any]) -> Callable[..., Any]:
    async def send(request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = seam.begin(request)
        if exchange is None:
            return await original(request, *args, **kwargs)
        try:
            response = await original(request, *args, **kwargs)
        except BaseException as error:
            exchange.raised(error)
            raise
        _watch(exchange, response, asynchronous=True)
        return response

    return send


def _aws_send(seam: Seam, original: Callable[..., Any]) -> Callable[..., Any]:
    def send(request: Any) -> Any:
        exchange = seam.begin(AwsRequest(request))
        if exchange is None:
            return original(request)
        try:
            response = original(request)
        except BaseException as error:
            exchange.raised(error)
            raise
        try:
            if not exchange.answered(AwsResponse(response)):
                meter_aws_reading(response, exchange)
        except Exception:
            log.exception("a call is not metered")
        return response

    return send


def _watch(exchange: Exchange, response: Any, *, asynchronous: bool) -> None:
    try:
        if not exchange.answered(response):
            meter_reading(response, exchange, asynchronous=asynchronous)
    except Exception:
        log.exception("a call is not metered")


def meter_response(response: Any, by: Attribution, provider: str | None = None) -> bool:
    """Meter the rest of an answer that an unmetered client is about to read.

    Returns:
        False if it is no such answer, or has been read.
    """
    try:
        request = response.request
        route = route_of(request.method, request.url.path)
        meter = current_meter()
        if route is None or meter is None or response.is_closed:
            return False
        exchange = Exchange(meter, route, request, provider, by)
        asynchronous = not hasattr(response.stream, "__iter__")
        _watch(exchange, response, asynchronous=asynchronous)
    except Exception:  # nothing that has what an HTTP response has
        return False
    return True


def _of_a_library(headers: Any) -> bool:
    if any(name in headers for name in _OF_LIBRARIES):
        return True
    return str(headers.get("user-agent", "")).startswith(_NAMES)
