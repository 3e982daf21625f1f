"""A decorator: a function's calls are for somebody, and what it returns is counted.

    @taximeter.metered(project="search", endpoint="/answer")
    def answer(question): ...

Where a metered client makes the call, that counts it, and the decorator only says whom
it is for. Else it reads what the function returns, yields or streams. The function's
arguments, results and exceptions are its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final, TypeVar, cast

from taximeter_producers.attribution import attribute, current_attribution
from taximeter_producers.calls_inside import CallsInside, counting
from taximeter_producers.meter import current_meter
from taximeter_producers.results import Told, kept_of, of_chunks, of_error, of_kept
from taximeter_producers.wrapping.later import later
from taximeter_producers.wrapping.recorded import Call
from taximeter_producers.wrapping.routes import Route
from taximeter_producers.wrapping.seam import meter_response
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.usage import EmittedEvent

__all__ = ["metered"]

F = TypeVar("F", bound=Callable[..., Any])

_WORDS: Final = "what a metered function returned could not be recorded"
_UNKNOWN: Final = Route("chat", "chat_completions")


def metered(
    *,
    user: object = None,
    project: object = None,
    session: object = None,
    conversation: object = None,
    endpoint: object = None,
    tags: Mapping[str, object] | None = None,
    **told: str,
) -> Callable[[F], F]:
    """Attribute and count the calls of a function, be it sync, async or a generator.

    Args:
        user: whom its calls are for, as in `attribute`; so are those that follow.
        project: what its calls are for.
        session: the session that they belong to.
        conversation: the conversation that they belong to.
        endpoint: where in the program they are made.
        tags: anything else to tell them apart by.
        told: `provider`, `model`, `shape`, `operation` (see `Told`), where what the
            function returns does not say it.
    """
    plan = _Plan(
        {
            "user": user,
            "project": project,
            "session": session,
            "conversation": conversation,
            "endpoint": endpoint,
            "tags": tags,
        },
        Told(**told),
    )

    def decorated(function: F) -> F:
        return cast(F, _of_kind(function)(plan, function))

    return decorated


class _Plan:
    """What a decorator was told."""

    def __init__(self, names: Mapping[str, Any], told: Told) -> None:
        self.names = names
        self.told = told


class _Watched:
    """One execution of a decorated function, from its call to its events."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._inside = CallsInside()
        self._began = perf_counter()
        self._turns = [True]  # taken by whoever settles; a pop is atomic
        self._chunks: list[Any] = []
        with self.block():
            self._by = current_attribution()
        self._occurred_at = SystemClock().now()

    @contextmanager
    def block(self) -> Iterator[None]:
        """Attribute what runs in the block, and notice the calls of metered clients."""
        with attribute(**self._plan.names), counting(self._inside):
            yield

    def chunk(self, chunk: object) -> None:
        """Take what a generator yields."""
        self._chunks.append(chunk)

    def returned(self, result: Any) -> Any:
        """Settle a result, or see to it that a stream settles it when it ends."""
        if isinstance(result, GeneratorType):
            return _stepping(self, result)
        if isinstance(result, AsyncGeneratorType):
            return _astepping(self, result)
        if not self._inside.count and meter_response(
            getattr(result, "response", None), self._by, self._plan.told.provider
        ):
            return result
        self._settle_result(result)
        return result

    def _settle_result(self, result: object) -> None:
        """Settle a result, when the call has gone on if nothing waits for its event."""
        meter, told = current_meter(), self._plan.told
        if meter is None or self._inside.count:
            return
        try:
            kept = kept_of(result, told.shape)
        except Exception:
            meter.failed(_WORDS)
            return
        may_wait = meter.can_wait and self._by.reserved is None
        later_on = later.take if may_wait else None
        self._settle(lambda call: of_kept(call, told, kept), later_on)

    def failed(self, error: BaseException) -> None:
        """Settle an execution that raised."""
        if self._chunks:
            self.ended()
        else:
            self._settle(lambda call: of_error(call, self._plan.told, error))

    def ended(self) -> None:
        """Settle a generator that was read to its end, or as far as somebody read."""
        chunks = self._chunks
        if chunks:
            # Counting tokens takes its time, and so may a finalizer's thread.
            self._settle(lambda call: of_chunks(call, self._plan.told, chunks), _put)

    def _settle(
        self,
        make: Callable[[Call], list[EmittedEvent]],
        later_on: Callable[[Callable[[], object]], bool] | None = None,
    ) -> None:
        meter = current_meter()
        if meter is None or self._inside.count or not self._turns:
            return
        self._turns.clear()
        call = self._call(meter.source)

        def emit() -> None:
            try:
                for event in make(call):
                    meter.emit(event)
            except Exception:
                meter.failed(_WORDS)

        meter.wait_for(later)
        if later_on is None or not later_on(emit):
            emit()

    def _call(self, source: str) -> Call:
        return Call(
            provider="unknown",
            route=_UNKNOWN,
            by=self._by,
            occurred_at=self._occurred_at,
            source=source,
            duration_ms=max(round((perf_counter() - self._began) * 1000), 0),
        )


def _put(work: Callable[[], object]) -> bool:
    later.put(work)
    return True


def _of_kind(function: Callable[..., Any]) -> Callable[[_Plan, Any], Any]:
    if inspect.isasyncgenfunction(function):
        return _async_generator
    if inspect.isgeneratorfunction(function):
        return _generator
    return _async if inspect.iscoroutinefunction(function) else _sync


def _sync(plan: _Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        watched = _Watched(plan)
        try:
            with watched.block():
                result = function(*args, **kwargs)
        except BaseException as error:
            watched.failed(error)
            raise
        return watched.returned(result)

    return call


def _async(plan: _Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        watched = _Watched(plan)
        try:
            with watched.block():
                result = await function(*args, **kwargs)
        except BaseException as error:
            watched.failed(error)
            raise
        return watched.returned(result)

    return call


def _generator(plan: _Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        result = yield from _stepping(_Watched(plan), function(*args, **kwargs))
        return result

    return call


def _async_generator(plan: _Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    return _alooped(lambda: _Watched(plan), function)


class _Steps:
    """A generator that is run in its block, step by step, and not in between.

    What a block sets would otherwise hold for whoever reads the generator, too.
    """

    def __init__(self, watched: _Watched, inner: Generator[Any, Any, Any]) -> None:
        self._watched = watched
        self._inner = inner

    def __iter__(self) -> _Steps:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Run it to its next `yield`."""
        with self._watched.block():
            chunk = self._inner.send(value)
        self._watched.chunk(chunk)
        return chunk

    def throw(self, error: BaseException) -> Any:
        """Raise in it what its reader raised."""
        with self._watched.block():
            chunk = self._inner.throw(error)
        self._watched.chunk(chunk)
        return chunk

    def close(self) -> None:
        """End it early."""
        with self._watched.block():
            self._inner.close()


def _stepping(
    watched: _Watched, inner: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    later.ready()  # a finalizer could not start its thread
    try:
        result = yield from _Steps(watched, inner)
    except BaseException as error:
        watched.failed(error)
        raise
    watched.ended()
    return result


def _astepping(
    watched: _Watched, inner: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, Any]:
    def given() -> AsyncGenerator[Any, Any]:
        return inner

    made: AsyncGenerator[Any, Any] = _alooped(lambda: watched, given)()
    return made


def _alooped(
    watch: Callable[[], _Watched], function: Callable[..., Any]
) -> Callable[..., Any]:
    """Do for asynchronous generators what `_stepping` does; they have no delegation."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        later.ready()
        watched, inner = watch(), function(*args, **kwargs)
        step = inner.asend(None)
        try:
            while True:
                with watched.block():
                    value = await step
                watched.chunk(value)
                try:
                    sent = yield value
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:
                    step = inner.athrow(error)  # it may go on
                else:
                    step = inner.asend(sent)
        except StopAsyncIteration:
            watched.ended()
        except BaseException as error:
            watched.failed(error)
            raise

    return call
