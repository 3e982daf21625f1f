"""What a failed attempt is called: as the client libraries call it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["error_of_exception", "error_of_status"]

_SERVER_ERRORS: Final = 500
_OF_STATUS: Final = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    413: "RequestTooLargeError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    529: "OverloadedError",
}


def error_of_status(status: int, headers: Mapping[str, str] | None = None) -> str:
    """Return the error that an HTTP status becomes; AWS's has its name in a header.

    >>> error_of_status(429), error_of_status(503), error_of_status(418)
    ('RateLimitError', 'InternalServerError', 'APIStatusError')
    >>> error_of_status(429, {"x-amzn-errortype": "ThrottlingException:http://x"})
    'ThrottlingException'
    """
    named = (headers or {}).get("x-amzn-errortype")
    if named:
        return named.partition(":")[0]
    server = "InternalServerError" if status >= _SERVER_ERRORS else "APIStatusError"
    return _OF_STATUS.get(status, server)


def error_of_exception(error: BaseException) -> str:
    """Return what the libraries raise for what the HTTP client raised.

    >>> error_of_exception(KeyError())
    'KeyError'
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "TimeoutException" in kinds:
        return "APITimeoutError"
    if "TransportError" in kinds:
        return "APIConnectionError"
    return type(error).__name__
