"""Stands between the tool and its models: before a call, and behind it.

Every call of the tool, from whichever command or program, ends in `model.execute`. The
hook `register_models` sees each model that any plugin has registered, so that is where
a limit stops a call, and where what the log does not say is noted.

Light: what a limit needs is imported when there is one.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import wraps
from typing import Any, Final

from taximeter.llm_costs.for_whom import ForWhom, for_whom, tags_from
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.logs_db import LoggedCall
from taximeter.llm_costs.noted_calls import TABLE, Noted, note
from taximeter_schemas.clock import SystemClock

__all__ = ["meter"]

_MARK: Final = "_taximeter_meters"


def meter(model: Any) -> None:  # noqa: ANN401 - whatever a plugin registers
    """Have a model's calls looked at, once."""
    if getattr(model.execute, _MARK, False):
        return
    metered = _metered_async(model) if _is_async(model) else _metered(model)
    setattr(metered, _MARK, True)
    model.execute = metered


def _is_async(model: object) -> bool:
    import llm  # noqa: PLC0415

    return isinstance(model, llm.AsyncModel | llm.AsyncKeyModel)


def _metered(model: Any) -> Callable[..., Iterator[Any]]:  # noqa: ANN401
    @wraps(model.execute)
    def execute(prompt: Any, *rest: Any, **named: Any) -> Iterator[Any]:  # noqa: ANN401
        call = _Call.begun(model, prompt, _response(rest, named))
        try:
            for chunk in call.make(prompt, *rest, **named):
                call.took(chunk)
                yield chunk
        except BaseException as error:
            call.ended(error)
            raise
        call.ended()

    return execute


def _metered_async(model: Any) -> Callable[..., AsyncIterator[Any]]:  # noqa: ANN401
    @wraps(model.execute)
    async def execute(
        prompt: Any,  # noqa: ANN401
        *rest: Any,  # noqa: ANN401
        **named: Any,  # noqa: ANN401
    ) -> AsyncIterator[Any]:
        call = _Call.begun(model, prompt, _response(rest, named))
        try:
            async for chunk in call.make(prompt, *rest, **named):
                call.took(chunk)
                yield chunk
        except BaseException as error:
            call.ended(error)
            raise
        call.ended()

    return execute


def _response(rest: tuple[Any, ...], named: dict[str, Any]) -> Any:  # noqa: ANN401
    return named["response"] if "response" in named else rest[1]


@dataclass
class _Call:
    """One call of a model, from before it is made until it is over."""

    home: Home
    prompt: Any
    response: Any
    whom: ForWhom
    tracked: bool
    make: Callable[..., Any]
    began_at: datetime
    began: float
    answered_bytes: int = 0
    chunks: int = field(default=0)

    @classmethod
    def begun(cls, model: Any, prompt: Any, response: Any) -> _Call:  # noqa: ANN401
        """Look at a call before it is made.

        Raises:
            BudgetReached: a limit stops it.
        """
        from taximeter.llm_costs.before import allowed  # noqa: PLC0415 - not at start

        home, whom = Home.of_tool(), for_whom()
        permission = allowed(home, model, prompt, response, whom)
        tags = {**tags_from(",".join(permission.tags)), **whom.tags}
        return cls(
            home,
            prompt,
            response,
            replace(whom, tags=tags),
            permission.track,
            permission.make,
            SystemClock().now(),
            time.monotonic(),
        )

    def took(self, chunk: Any) -> None:  # noqa: ANN401 - text, or an event with text
        """Take note of a part of the answer."""
        text = chunk if isinstance(chunk, str) else getattr(chunk, "chunk", "")
        self.answered_bytes += len(str(text or "").encode(errors="replace"))
        self.chunks += 1

    def ended(self, error: BaseException | None = None) -> None:
        """Note the call, and tell whoever wants to know what it comes to.

        Whatever goes wrong here is no fault of the call.
        """
        if not self.tracked or (error is not None and not self.chunks):
            return
        from taximeter.llm_costs.behind import counted  # noqa: PLC0415

        try:
            note(self.home.made().noted_calls, Noted(self._as_logged(error), self.whom))
        except (sqlite3.Error, OSError) as fault:
            _warn(f"llm costs: this call could not be noted: {fault}")
            return
        counted(self.home)

    def _as_logged(self, error: BaseException | None) -> LoggedCall:
        response = self.response
        cut_short = error is not None
        return LoggedCall(
            table=TABLE,
            rowid=0,
            id=str(response.id),
            model=response.model.model_id,
            occurred_at=self.began_at,
            resolved_model=getattr(response, "resolved_model", None),
            conversation_id=getattr(response.conversation, "id", None),
            duration_ms=round((time.monotonic() - self.began) * 1000),
            input_tokens=response.input_tokens,
            output_tokens=response.output_tokens,
            token_details=response.token_details,
            asked_bytes=asked_bytes(self.prompt),
            answered_bytes=self.answered_bytes,
            error_type=type(error).__name__ if cut_short else None,
        )


def asked_bytes(prompt: Any) -> int:  # noqa: ANN401 - the tool's own prompt
    """Return how long everything is that a model is sent as text, in UTF-8."""
    messages = getattr(prompt, "messages", None)
    if messages is None:  # before version 0.32 of the tool
        return _length(prompt.prompt) + _length(prompt.system)
    parts = (part for message in messages for part in message.parts)
    return sum(_length(getattr(part, "text", "")) for part in parts)


def _length(text: str | None) -> int:
    return len((text or "").encode(errors="replace"))


def _warn(words: str) -> None:
    import click  # noqa: PLC0415

    click.echo(words, err=True)
