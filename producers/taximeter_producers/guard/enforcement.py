"""`enforce`: a guard's check around a block or before a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar, cast

from taximeter_producers.attribution import attribute, ignoring_budgets
from taximeter_producers.guard.asked import Money
from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_producers.guard.verdicts import Decision
from taximeter_schemas.errors import ConfigurationError

__all__ = ["Enforcement", "enforce", "enforced"]

P = ParamSpec("P")
T = TypeVar("T")

_ATTRIBUTES: Final = ("user", "project", "session", "endpoint", "tags")


@contextmanager
def enforced(
    guard: BudgetGuard, asked: Mapping[str, Any], *, ignore_budget: str | None = None
) -> Iterator[Decision]:
    """Check, then run the block attributed as it was checked.

    Raises:
        BudgetExceeded: as `BudgetGuard.check`, as does all else.
    """
    said = {name: asked[name] for name in _ATTRIBUTES if asked.get(name) is not None}
    with ExitStack() as around:
        around.enter_context(attribute(**said))
        if ignore_budget is not None:
            around.enter_context(ignoring_budgets(ignore_budget))
        yield guard.check(**asked)


class Enforcement:
    """What `enforce` returns: `with` it, or put it over a function."""

    def __init__(
        self,
        guard: BudgetGuard,
        asked: Mapping[str, Any],
        whom: Callable[..., Mapping[str, Any]] | None,
        estimate: Callable[..., Money | None] | None,
        ignore_budget: str | None,
    ) -> None:
        self._guard = guard
        self._asked = asked
        self._whom = whom
        self._estimate = estimate
        self._ignore_budget = ignore_budget
        self._entered: list[Any] = []

    def __enter__(self) -> Decision:
        if self._whom is not None or self._estimate is not None:
            raise ConfigurationError(
                "whom= and estimate= are called with a function's arguments: for a "
                "block, say user=, model= and estimate_usd= themselves"
            )
        block = self._enforced(self._asked)
        decision: Decision = block.__enter__()
        self._entered.append(block)
        return decision

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered.pop().__exit__(kind, error, traceback)

    async def __aenter__(self) -> Decision:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function that checks before each call of it."""
        calls = cast("Callable[..., Any]", function)
        signature = inspect.signature(calls)

        @functools.wraps(calls)
        def checking(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            call = _Call(signature, args, kwargs)
            with self._enforced(self._asked_by(call)) as decision:
                call.use(decision)
                return calls(*call.args, **call.kwargs)

        @functools.wraps(calls)
        async def checking_async(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            call = _Call(signature, args, kwargs)
            with self._enforced(self._asked_by(call)) as decision:
                call.use(decision)
                return await calls(*call.args, **call.kwargs)

        is_async = inspect.iscoroutinefunction(calls)
        return cast("Callable[P, T]", checking_async if is_async else checking)

    def _enforced(self, asked: Mapping[str, Any]) -> Any:  # noqa: ANN401 - private type
        return enforced(self._guard, asked, ignore_budget=self._ignore_budget)

    def _asked_by(self, call: _Call) -> dict[str, Any]:
        asked = {"model": call.model} | dict(self._asked)
        if self._whom is not None:
            asked |= self._whom(*call.args, **call.kwargs)
        if self._estimate is not None:
            asked["estimate_usd"] = self._estimate(*call.args, **call.kwargs)
        return asked


class _Call:
    """One call of a guarded function, which may have a parameter `model`."""

    def __init__(
        self,
        signature: inspect.Signature,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        self._bound = bound
        self._named = "model" in signature.parameters

    @property
    def args(self) -> tuple[Any, ...]:
        return self._bound.args

    @property
    def kwargs(self) -> dict[str, Any]:
        return self._bound.kwargs

    @property
    def model(self) -> object:
        return self._bound.arguments.get("model")

    def use(self, decision: Decision) -> None:
        """Call the model that was decided on.

        Raises:
            BudgetExceeded: it is another one, and the function takes none.
        """
        if decision.reason != "fallback":
            return
        if not self._named:
            raise decision.over[0]
        self._bound.arguments["model"] = decision.model


def enforce(
    guard: BudgetGuard,
    *,
    whom: Callable[..., Mapping[str, Any]] | None = None,
    estimate: Callable[..., Money | None] | None = None,
    ignore_budget: str | None = None,
    **asked: Any,  # noqa: ANN401 - what check() takes
) -> Enforcement:
    """Let a guard decide over a block, or over each call of a function.

        with taximeter.enforce(guard, user="ada", model="gpt-4o") as decision: ...


        @taximeter.enforce(guard, whom=lambda question, user, **_: {"user": user})
        def answer(question, user, model="gpt-4o"): ...

    Events that are made inside are attributed as they were checked. Of a function, a
    parameter `model` is what is asked for, and gets the fallback; one without it is
    stopped where a budget names a fallback. A generator is checked when it is made.

    Args:
        guard: knows the budgets.
        whom: called with the function's arguments; returns what `check` takes.
        estimate: called with them too; returns USD, 0 for a free call, None for
            unknown.
        ignore_budget: why the budgets do not count this time; events carry it in the
            tag `budget_ignored`.
        asked: what `check` takes, where it is always the same.

    Raises:
        BudgetExceeded: before the block or the function; as `BudgetGuard.check`.
        BudgetUnknown: likewise.
    """
    return Enforcement(guard, asked, whom, estimate, ignore_budget)
