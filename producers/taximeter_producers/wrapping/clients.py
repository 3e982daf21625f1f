"""Where each provider's library keeps its HTTP clients, and where its calls begin.

Names of libraries and of what is in them stand here and nowhere else. They are looked
at, never imported: a library that nobody imported has no clients.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from taximeter_producers.wrapping.aws import is_of_aws

__all__ = ["LIBRARIES", "Library", "library_of"]


@dataclass(frozen=True)
class Library:
    """One provider's Python client.

    Attributes:
        name: the package that its clients' classes are in.
        http: paths of attributes from a client to its HTTP clients.
        begins: module, class and method that every call goes through.
        http_there: paths to the HTTP clients from the object of that class.
        vendor: whose API answers at a host that is nobody's known.
    """

    name: str
    http: tuple[str, ...]
    begins: tuple[tuple[str, str, str], ...]
    http_there: tuple[str, ...]
    vendor: str | None = None

    def takes(self, client: object) -> bool:
        """Tell whether a client is of this library, be its class derived from it."""
        inside = f"{self.name}."
        modules = (kind.__module__ for kind in type(client).__mro__)
        return any(name == self.name or name.startswith(inside) for name in modules)

    def http_clients(self, client: object) -> list[Any]:
        """Return the HTTP clients of a client."""
        return list(_found(client, self.http))

    def http_clients_there(self, inner: object) -> list[Any]:
        """Return the HTTP clients of the object that a call goes through."""
        return list(_found(inner, self.http_there))

    def entrances(self) -> Iterator[tuple[type, str]]:
        """Yield the classes and methods that calls go through, of what is imported."""
        for module, name, method in self.begins:
            kind = getattr(sys.modules.get(module), name, None)
            if kind is not None and method in vars(kind):
                yield kind, method


class _Bedrock(Library):
    """botocore, which speaks to all of AWS; only its Bedrock clients are metered."""

    def takes(self, client: object) -> bool:
        """Tell whether it is a client for calling models."""
        return super().takes(client) and bool(self.http_clients(client))

    def http_clients(self, client: object) -> list[Any]:
        """Return the HTTP client of a Bedrock client, of another none."""
        return self.http_clients_there(getattr(client, "_endpoint", None))

    def http_clients_there(self, inner: object) -> list[Any]:
        """Return it from a client's endpoint."""
        ours = getattr(inner, "_endpoint_prefix", None) == "bedrock-runtime"
        found = super().http_clients_there(inner) if ours else []
        return [http for http in found if is_of_aws(http)]


def _stainless(name: str) -> Library:
    """Describe a library of the generator that OpenAI and Anthropic use."""
    base = f"{name}._base_client"
    return Library(
        name,
        ("_client",),
        ((base, "SyncAPIClient", "request"), (base, "AsyncAPIClient", "request")),
        ("_client",),
    )


_GOOGLE: Final = "google.genai._api_client"
_MISTRAL: Final = "mistralai.client.basesdk"
_COHERE: Final = "cohere.core.http_client"

LIBRARIES: Final = (
    _stainless("openai"),
    _stainless("anthropic"),
    Library(
        "google.genai",
        ("_api_client._httpx_client", "_api_client._async_httpx_client"),
        (
            (_GOOGLE, "BaseApiClient", "_request_once"),
            (_GOOGLE, "BaseApiClient", "_async_request_once"),
        ),
        ("_httpx_client", "_async_httpx_client"),
    ),
    Library(
        "mistralai",
        ("sdk_configuration.client", "sdk_configuration.async_client"),
        (
            (_MISTRAL, "BaseSDK", "do_request"),
            (_MISTRAL, "BaseSDK", "do_request_async"),
        ),
        ("sdk_configuration.client", "sdk_configuration.async_client"),
        "mistral",
    ),
    Library(
        "cohere",
        ("_client_wrapper.httpx_client.httpx_client",),
        tuple(
            (_COHERE, kind, method)
            for kind in ("HttpClient", "AsyncHttpClient")
            for method in ("request", "stream")
        ),
        ("httpx_client",),
    ),
    _Bedrock(
        "botocore",
        ("_endpoint.http_session",),
        (("botocore.endpoint", "Endpoint", "make_request"),),
        ("http_session",),
        "bedrock",
    ),
)


def library_of(client: object) -> Library | None:
    """Return the library that a client is of, be its class derived from theirs."""
    return next((one for one in LIBRARIES if one.takes(client)), None)


def _found(start: object, paths: Iterable[str]) -> Iterator[Any]:
    for path in paths:
        at: Any = start
        for name in path.split("."):
            at = getattr(at, name, None)
        if at is not None and hasattr(type(at), "send"):
            yield at
