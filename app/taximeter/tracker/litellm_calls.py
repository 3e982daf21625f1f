"""Puts gates before litellm's own functions, and trackers behind them as well.

litellm has no hook in which a callback can stop a sync call, and none in which it hears
of one before it returns. So the public functions of the module are replaced, once, by
ones that ask the gates among `litellm.callbacks` first; without one there, they do
nothing else than what they did.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import ModuleType
from typing import (
    Any,
    Final,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    runtime_checkable,
)

from taximeter.tracker.begun import SYNC
from taximeter.tracker.streams import watch_stream
from taximeter_producers.litellm_usage import part

__all__ = [
    "Gate",
    "Tracker",
    "as_logged",
    "guarded",
    "model_of",
    "provider_of",
    "watch",
]

P = ParamSpec("P")
T = TypeVar("T")

_GUARDED: Final = "_taximeter_guarded"


class Gate(Protocol):
    """What stands before a call."""

    def before_call(self, call: Mapping[str, object]) -> str | None:
        """Return the model to call instead, or None; raise if none may be called."""
        ...


@runtime_checkable
class Tracker(Gate, Protocol):
    """What stands before a call and behind it."""

    def returned(self, call_id: object, response: object) -> None:
        """Count a call that has returned."""
        ...

    def ended(self, call_id: object) -> None:
        """Wait until a stream that is over has been counted."""
        ...

    async def ended_async(self, call_id: object) -> None:
        """Do the same in an event loop."""
        ...


Gates = Callable[[Mapping[str, object]], Iterable[Gate]]


def watch(module: ModuleType) -> None:
    """Put the gates among the module's callbacks before its functions, once."""
    for name in (*SYNC, *(f"a{name}" for name in SYNC)):
        function = getattr(module, name, None)
        if function is not None and not hasattr(function, _GUARDED):
            among = _among_callbacks(module)
            setattr(module, name, guarded(function, among))


def guarded(function: Callable[P, T], gates: Gates) -> Callable[P, T]:
    """Return a function of litellm's with gates before it, and trackers behind it."""
    calls = cast("Callable[..., Any]", function)
    wrapped = _async(calls, gates) if _is_async(calls) else _sync(calls, gates)
    setattr(wrapped, _GUARDED, True)
    return cast("Callable[P, T]", wrapped)


def as_logged(call: Mapping[str, object]) -> dict[str, object]:
    """Return a call's arguments where litellm's log of it has them."""
    names = ("metadata", "litellm_metadata", "litellm_session_id")
    return {
        "user": call.get("user"),
        "litellm_params": {name: call.get(name) for name in names},
    }


def model_of(call: Mapping[str, object]) -> str | None:
    """Return the model that is asked for."""
    model = call.get("model")
    return model if isinstance(model, str) else None


def provider_of(call: Mapping[str, object]) -> str | None:
    """Return the provider, where it is given apart from the model."""
    provider = call.get("custom_llm_provider")
    return provider if isinstance(provider, str) else None


def _sync(function: Callable[..., Any], gates: Gates) -> Callable[..., Any]:
    @wraps(function)
    def guarding(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        args, kwargs, trackers = _admitted(function, gates, args, kwargs)
        result = function(*args, **kwargs)
        if not _is_stream(result, trackers):
            call_id = part(part(result, "_hidden_params"), "litellm_call_id")
            for tracker in trackers:
                tracker.returned(call_id, result)
        return result

    return guarding


def _async(function: Callable[..., Any], gates: Gates) -> Callable[..., Any]:
    @wraps(function)
    async def guarding(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        args, kwargs, trackers = _admitted(function, gates, args, kwargs)
        result = await function(*args, **kwargs)
        # What is no stream was counted in litellm's hook behind an async call.
        _is_stream(result, trackers)
        return result

    return guarding


def _admitted(
    function: Callable[..., Any],
    gates: Gates,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any], list[Tracker]]:
    """Return what to call a function with, and who wants to hear of the result."""
    call = _named_arguments(function, args, kwargs)
    asked = list(gates(call))
    for gate in asked:
        model = gate.before_call(call)
        if model is not None:
            args, kwargs = _with_model(function, args, kwargs, model)
            call = _named_arguments(function, args, kwargs)
    return args, kwargs, [gate for gate in asked if isinstance(gate, Tracker)]


def _with_model(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    model: str,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    # Whoever was asked for before sells another model.
    kwargs = {k: v for k, v in kwargs.items() if k != "custom_llm_provider"}
    if "model" in kwargs or not args:
        return args, kwargs | {"model": model}
    bound = inspect.signature(function).bind_partial(*args, **kwargs)
    bound.arguments["model"] = model
    return bound.args, bound.kwargs


def _is_stream(result: object, trackers: list[Tracker]) -> bool:
    """Let the trackers hear of a stream's end, if the result is a stream."""
    log = part(result, "logging_obj")
    if log is None:
        return False
    watch_stream(result, part(log, "litellm_call_id"), trackers)
    return True


def _among_callbacks(module: ModuleType) -> Gates:
    def gates(call: Mapping[str, object]) -> list[Gate]:
        of_call = call.get("callbacks")
        found = [*module.callbacks, *(of_call if isinstance(of_call, list) else ())]
        return [one for one in found if hasattr(one, "before_call")]

    return gates


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _named_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, object]:
    if not args:
        return kwargs
    try:
        bound = inspect.signature(function).bind_partial(*args, **kwargs)
    except TypeError:  # litellm itself will say so
        return kwargs
    return {**bound.arguments, **kwargs}
