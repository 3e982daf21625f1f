"""Which alerts a route is for: pure."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from taximeter.notify.alert import SEVERITIES, Alert, Severity

__all__ = ["Match", "Patterns", "Section", "at_least"]


class Section(BaseModel):
    """A part of `notify.yaml`: what it does not know is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _listed(written: object) -> object:
    return [written] if isinstance(written, str) else written


Patterns = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""One or more shell patterns, as `prod-*`; upper and lower case differ."""


class Match(Section):
    """What must be true of an alert, all of it; without anything, every alert is meant.

    >>> from uuid import UUID
    >>> alert = Alert(UUID(int=1), "BudgetThresholdCrossed", "", {"budget_id": "prod"})
    >>> Match(budget=("prod*", "demo")).covers(alert), Match(percent=80).covers(alert)
    (True, False)
    """

    severity: Severity | None = None
    percent: Annotated[int, Field(strict=True, gt=0)] | None = None
    kind: Patterns | None = None
    budget: Patterns | None = None
    subject: dict[str, Patterns] = Field(default_factory=dict)
    tags: dict[str, Patterns] = Field(default_factory=dict)

    def covers(self, alert: Alert) -> bool:
        """Tell whether the alert is one of those that are meant."""
        return (
            at_least(alert.severity, self.severity)
            and (self.percent is None or (alert.percent or 0) >= self.percent)
            and _fits(alert.kind, self.kind)
            and _fits(alert.budget, self.budget)
            and _all_fit(alert.subject, self.subject)
            and _all_fit(alert.tags, self.tags)
        )


def at_least(severity: Severity, wanted: Severity | None) -> bool:
    """Tell whether a severity is the one wanted or a graver one.

    >>> at_least("critical", "warning"), at_least("info", "warning")
    (True, False)
    """
    return wanted is None or SEVERITIES.index(severity) >= SEVERITIES.index(wanted)


def _fits(text: str, patterns: Patterns | None) -> bool:
    return patterns is None or any(fnmatchcase(text, each) for each in patterns)


def _all_fit(found: Mapping[str, str], wanted: Mapping[str, Patterns]) -> bool:
    return all(
        name in found and _fits(found[name], patterns)
        for name, patterns in wanted.items()
    )
