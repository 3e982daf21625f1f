"""The same call bare and metered, with each integration and the provider's own client.

Answers come from the client's own HTTP client, whose transport hands out ready bytes:
so everything that a call does in this process is done, and nothing waits for a network.
The libraries are imported only to be measured; who has none of them has no such row.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import Any, Final, NamedTuple

import taximeter
from taximeter_producers.wrapping.clients import library_of

__all__ = ["INTEGRATIONS", "Calls"]

_ASKED: Final = [{"role": "user", "content": "What is the capital of France?"}]
_SAID: Final = "The capital of France is Paris."
_USAGE: Final = {"prompt_tokens": 14, "completion_tokens": 7, "total_tokens": 21}
_MESSAGE: Final = {"role": "assistant", "content": _SAID}
_CHAT: Final = {
    "id": "chatcmpl-0123456789abcdef0123456789abcdef",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
    "usage": _USAGE,
}
_CLAUDE: Final = {
    "id": "msg_0123456789abcdef01234567",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": _SAID}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 14, "output_tokens": 7},
}
_GEMINI: Final = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": _SAID}]}}],
    "usageMetadata": {"promptTokenCount": 14, "candidatesTokenCount": 7},
    "modelVersion": "gemini-2.5-pro",
    "responseId": "aBcDeFgHiJkLmNoPqRsT",
}
_COHERE: Final = {
    "id": "0123456789abcdef0123456789abcdef",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": _SAID}]},
    "usage": {"billed_units": {"input_tokens": 14, "output_tokens": 7}},
}


class Calls(NamedTuple):
    """One call, bare and metered; `switch` is given what comes next, where it matters.

    `block` is how many calls follow each other before the other kind's turn.
    """

    bare: Callable[[], Any]
    metered: Callable[[], Any]
    switch: Callable[[bool], None] = lambda _: None
    block: int = 1


class _Parts:
    """A body that comes in parts, for clients of either kind."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part

    def close(self) -> None:
        """Have nothing to close."""

    async def aclose(self) -> None:
        """Have nothing to close."""


def _ready(client: Any, body: object, *, stream: bool = False) -> Any:  # noqa: ANN401
    """Have a client be answered with this by its own HTTP client; return it."""
    library = library_of(client)
    for http in library.http_clients(client) if library else ():
        # httpx, or its successor.
        kinds = sys.modules[type(http._transport).__module__.partition(".")[0]]
        http._transport = _transport(kinds, body, stream=stream)
        http._mounts = {}
    return client


def _transport(kinds: Any, body: object, *, stream: bool) -> Any:  # noqa: ANN401
    parts = _events(body) if stream else [json.dumps(body).encode()]
    kind = "text/event-stream" if stream else "application/json"
    headers = {"content-type": kind, "x-request-id": "req_0123456789abcdef0123456789"}
    streams = (_Parts, kinds.SyncByteStream, kinds.AsyncByteStream)
    made = type("Parts", streams, {})

    def answer(request: Any) -> Any:  # noqa: ANN401
        return kinds.Response(200, headers=headers, stream=made(parts), request=request)

    return kinds.MockTransport(answer)


def _events(body: Any) -> list[bytes]:  # noqa: ANN401
    words = [{"content": f"{word} "} for word in _SAID.split()]
    around = body | {"object": "chat.completion.chunk", "usage": None}
    chunks = [
        around | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in words
    ]
    chunks.append(around | {"choices": [], "usage": _USAGE})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return [line.encode() for line in [*lines, "data: [DONE]\n\n"]]


def _two(make: Callable[[], Any], call: Callable[[Any], Any]) -> Calls:
    bare, metered = make(), taximeter.wrap(make())
    return Calls(lambda: call(bare), lambda: call(metered))


def _openai(kind: str, *, stream: bool = False) -> Calls:
    openai: Any = import_module("openai")
    more: dict[str, Any] = {"stream": True} if stream else {}

    def make() -> Any:  # noqa: ANN401
        return _ready(getattr(openai, kind)(api_key="-"), _CHAT, stream=stream)

    def call(client: Any) -> Any:  # noqa: ANN401
        made = client.chat.completions.create(model="gpt-4o", messages=_ASKED, **more)
        return list(made) if stream else made

    return _two(make, call)


def _anthropic() -> Calls:
    anthropic: Any = import_module("anthropic")
    return _two(
        lambda: _ready(anthropic.Anthropic(api_key="-"), _CLAUDE),
        lambda client: client.messages.create(
            model="claude-sonnet-4-5", max_tokens=100, messages=_ASKED
        ),
    )


def _google() -> Calls:
    genai: Any = import_module("google.genai")
    return _two(
        lambda: _ready(genai.Client(api_key="-"), _GEMINI),
        lambda client: client.models.generate_content(
            model="gemini-2.5-pro", contents=_ASKED[0]["content"]
        ),
    )


def _mistral() -> Calls:
    mistral: Any = import_module("mistralai.client")
    return _two(
        lambda: _ready(mistral.Mistral(api_key="-"), _CHAT),
        lambda client: client.chat.complete(model="mistral-large", messages=_ASKED),
    )


def _cohere() -> Calls:
    cohere: Any = import_module("cohere")
    return _two(
        lambda: _ready(cohere.ClientV2(api_key="-"), _COHERE),
        lambda client: client.chat(model="command-a", messages=_ASKED),
    )


def _litellm() -> Calls:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    openai: Any = import_module("openai")
    litellm: Any = import_module("litellm")
    client = _ready(openai.OpenAI(api_key="-"), _CHAT)
    callback = taximeter.LiteLLMCallback(taximeter.start())

    def call() -> Any:  # noqa: ANN401
        return litellm.completion(model="gpt-4o", messages=_ASKED, client=client)

    def switch(metered: bool) -> None:
        litellm.logging_callback_manager._reset_all_callbacks()
        litellm.callbacks = [callback] if metered else []
        call()  # the first one registers what it finds

    return Calls(call, call, switch, block=20)


def _metered() -> Calls:
    def answer() -> object:
        return _CHAT

    return Calls(answer, taximeter.metered(provider="openai", model="gpt-4o")(answer))


def _emit() -> Calls:
    meter = taximeter.start()
    event = taximeter.usage_recorded(provider="openai", model="gpt-4o", usage=_TOKENS)
    return Calls(lambda: None, lambda: meter.emit(event))


_TOKENS: Final = {"text_input_tokens": 14, "text_output_tokens": 7}

INTEGRATIONS: Final[dict[str, Callable[[], Calls]]] = {
    "openai": lambda: _openai("OpenAI"),
    "openai, async": lambda: _openai("AsyncOpenAI"),
    "openai, stream": lambda: _openai("OpenAI", stream=True),
    "anthropic": _anthropic,
    "google-genai": _google,
    "mistral": _mistral,
    "cohere": _cohere,
    "litellm callback": _litellm,
    "@metered": _metered,
    "emit": _emit,
}
"""What makes the calls of each; raises ImportError where its library is missing."""
