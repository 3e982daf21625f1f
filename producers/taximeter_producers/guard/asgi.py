"""Answers 402 where a budget is exceeded: middleware for any ASGI app."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import nullcontext
from typing import Any, Final

from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_producers.guard.enforcement import enforced
from taximeter_schemas.errors import BudgetExceeded, BudgetUnknown

__all__ = ["BudgetMiddleware", "refusal_body"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_EXCEEDED: Final = 402
_UNKNOWN: Final = 503
_DECISION: Final = "budget_decision"


class BudgetMiddleware:
    """Turns what a guard refuses into an answer, and asks it before a request if told.

        app.add_middleware(taximeter.BudgetMiddleware, guard=guard, whom=whom)

    A refusal anywhere inside, as long as nothing was answered yet, is a 402 with a JSON
    body (`BudgetUnknown`: a 503). With `whom`, the guard is asked before the request is
    handled, and events that are made in it are attributed to whom it says.

    Args:
        app: the application.
        guard: knows the budgets; only needed with `whom`.
        whom: gets the ASGI scope of an HTTP request; returns what `check` takes, or
            None for a request that spends nothing. The decision is in
            `request.state.budget_decision`.
    """

    def __init__(
        self,
        app: App,
        guard: BudgetGuard | None = None,
        whom: Callable[[Scope], Mapping[str, Any] | None] | None = None,
    ) -> None:
        self._app = app
        self._guard = guard
        self._whom = whom

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = _Answering(send)
        try:
            with self._asked(scope) as decision:
                if decision is not None:
                    scope.setdefault("state", {})[_DECISION] = decision
                await self._app(scope, receive, answering)
        except (BudgetExceeded, BudgetUnknown) as refusal:
            if answering.begun:
                raise
            await _refuse(refusal, send)

    def _asked(self, scope: Scope) -> Any:  # noqa: ANN401 - one context or another
        asked = None if self._whom is None else self._whom(scope)
        if self._guard is None or asked is None:
            return nullcontext()
        return enforced(self._guard, asked)


class _Answering:
    """Passes messages on, and knows whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        self.begun = True
        await self._send(message)


def refusal_body(refusal: BudgetExceeded | BudgetUnknown) -> dict[str, Any]:
    """Return a refusal as JSON; amounts are text, which keeps them exact."""
    body: dict[str, Any] = {"message": str(refusal), "budget_id": refusal.budget_id}
    if isinstance(refusal, BudgetUnknown):
        return {"error": {"type": "budget_unknown"} | body}
    estimate, resets_at = refusal.estimate, refusal.resets_at
    facts = {
        "type": "budget_exceeded",
        "subject": dict(_subject(refusal.subject)),
        "unit": refusal.unit,
        "limit": f"{refusal.limit:f}",
        "spent": f"{refusal.spent:f}",
        "estimate": None if estimate is None else f"{estimate:f}",
        "resets_at": None if resets_at is None else resets_at.isoformat(),
    }
    return {"error": facts | body}


def _subject(subject: tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip(subject[0].split("&"), subject[1:], strict=False))


async def _refuse(refusal: BudgetExceeded | BudgetUnknown, send: Send) -> None:
    body = json.dumps(refusal_body(refusal)).encode()
    status = _UNKNOWN if isinstance(refusal, BudgetUnknown) else _EXCEEDED
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
