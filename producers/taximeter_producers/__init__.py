"""What other people's services import: emitters, and what fills them. Thin.

Names are imported when they are first used, so that importing the package costs
nothing and only who names `LiteLLMCallback` pays for litellm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taximeter_producers.attribution import (
        Attribution,
        attribute,
        attributed,
        current_attribution,
        usage_recorded,
    )
    from taximeter_producers.emitter import Emitter, EmitterStats, MemoryEmitter
    from taximeter_producers.guard.asgi import BudgetMiddleware
    from taximeter_producers.guard.budget_guard import BudgetGuard
    from taximeter_producers.guard.enforcement import enforce
    from taximeter_producers.guard.outcomes import BudgetWarning
    from taximeter_producers.guard.verdicts import Decision
    from taximeter_producers.kafka import KafkaEmitter
    from taximeter_producers.litellm_callback import LiteLLMCallback
    from taximeter_producers.meter import Meter, flush, start, stop
    from taximeter_producers.metered_functions import metered
    from taximeter_producers.provider_usage import (
        reading_from_response,
        usage_from_response,
        usage_from_stream,
        usage_not_understood,
    )
    from taximeter_producers.reservations import Reservations
    from taximeter_producers.usage_readings import UsageReading
    from taximeter_producers.wrapping.wrap import (
        instrument,
        uninstrument,
        unwrap,
        wrap,
    )

__all__ = [
    "Attribution",
    "BudgetGuard",
    "BudgetMiddleware",
    "BudgetWarning",
    "Decision",
    "Emitter",
    "EmitterStats",
    "KafkaEmitter",
    "LiteLLMCallback",
    "MemoryEmitter",
    "Meter",
    "Reservations",
    "UsageReading",
    "attribute",
    "attributed",
    "current_attribution",
    "enforce",
    "flush",
    "instrument",
    "metered",
    "reading_from_response",
    "start",
    "stop",
    "uninstrument",
    "unwrap",
    "usage_from_response",
    "usage_from_stream",
    "usage_not_understood",
    "usage_recorded",
    "wrap",
]

_HOMES = {
    "BudgetGuard": "guard.budget_guard",
    "BudgetMiddleware": "guard.asgi",
    "BudgetWarning": "guard.outcomes",
    "Decision": "guard.verdicts",
    "Emitter": "emitter",
    "EmitterStats": "emitter",
    "KafkaEmitter": "kafka",
    "LiteLLMCallback": "litellm_callback",
    "MemoryEmitter": "emitter",
    "Meter": "meter",
    "Reservations": "reservations",
    "UsageReading": "usage_readings",
    "enforce": "guard.enforcement",
    "flush": "meter",
    "instrument": "wrapping.wrap",
    "metered": "metered_functions",
    "reading_from_response": "provider_usage",
    "start": "meter",
    "stop": "meter",
    "uninstrument": "wrapping.wrap",
    "unwrap": "wrapping.wrap",
    "usage_from_response": "provider_usage",
    "usage_from_stream": "provider_usage",
    "usage_not_understood": "provider_usage",
    "wrap": "wrapping.wrap",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES.get(name, 'attribution')}")
    found: object = getattr(home, name)
    return found
