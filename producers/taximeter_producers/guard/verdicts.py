"""What follows for a call from how its budgets stand. Pure: no clock, no broker.

A budget that is known to be exceeded stays so, however old that knowledge is: what a
period has spent does not shrink. How any other one stands, nobody knows once the
knowledge is too old; what happens then is the budget's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from taximeter_producers.guard.asked import Asked
from taximeter_producers.guard.budget_index import Budgets, Covering
from taximeter_producers.guard.standings import Standing, Standings
from taximeter_schemas.budgets import in_unit
from taximeter_schemas.errors import BudgetExceeded, BudgetUnknown

__all__ = ["Decision", "Knowledge", "Reason", "Verdict", "WhenUnknown", "verdict"]

Reason = Literal["within", "warned", "fallback", "unknown", "ignored"]
WhenUnknown = Literal["fail_open", "fail_closed"]


@dataclass(frozen=True, slots=True)
class Decision:
    """A call may be made, of `model`.

    `reason` is the weightiest one: "ignored" (somebody said to ignore budgets, and one
    of them would have said no), "fallback" (`model` is what an exceeded budget names),
    "unknown" (nobody knows how `unknown` stand, and they let calls pass then), "warned"
    (a budget that only warns is exceeded) or "within". `over` has each exceeded budget
    that did not stop the call, as the error that it would have been.
    """

    model: str | None
    reason: Reason = "within"
    over: tuple[BudgetExceeded, ...] = ()
    unknown: tuple[str, ...] = ()
    ignored: str | None = None


class Verdict(NamedTuple):
    """The decision about a call, and why it may not be made after all."""

    decision: Decision
    refusal: BudgetExceeded | BudgetUnknown | None = None


class _Over(NamedTuple):
    covering: Covering
    limit: int
    used: int
    end: datetime | None
    asked: Asked

    @property
    def action(self) -> str:
        return self.covering.rule.budget.on_exceeded

    @property
    def fallback(self) -> str | None:
        return self.covering.rule.budget.fallback_model

    def error(self) -> BudgetExceeded:
        rule = self.covering.rule
        return BudgetExceeded(
            in_unit(self.limit, rule.unit),
            in_unit(self.used, rule.unit),
            self.covering.subject,
            budget_id=rule.budget_id,
            estimate=self.asked.estimate(rule.unit),
            unit=rule.unit,
            resets_at=self.end,
        )


@dataclass(frozen=True, slots=True)
class _Survey:
    """The budgets of a call that are exceeded, and those of which nobody knows."""

    over: list[_Over] = field(default_factory=list[_Over])
    unknown: list[Covering] = field(default_factory=list[Covering])


class Knowledge(NamedTuple):
    """What a verdict depends on, besides the call.

    `stale` is why nobody knows how budgets stand, None if that is known;
    `when_unknown` what holds while the budgets themselves are not known, None if they
    are.
    """

    budgets: Budgets
    standings: Standings
    now: datetime
    stale: str | None = None
    when_unknown: WhenUnknown | None = None

    def survey(self, asked: Asked) -> _Survey:
        """Return which budgets of a call are exceeded, and which are not known."""
        survey = _Survey()
        for one in self.budgets.covering(asked.named):
            if one.rule.unit == "usd" and asked.is_free:
                continue
            over = _over(one, self.standings.of(one, self.now), asked)
            if over is not None:
                survey.over.append(over)
            elif self.stale is not None:
                survey.unknown.append(one)
        return survey


def verdict(known: Knowledge, asked: Asked) -> Verdict:
    """Return what follows for a call."""
    survey = known.survey(asked)
    if known.when_unknown is None and not survey.over and not survey.unknown:
        return Verdict(Decision(asked.model))
    falling = [
        one
        for one in survey.over
        if one.action == "fallback" and not _is_of(one.fallback, asked)
    ]
    if falling:
        return _fallen_back(known, asked, falling)
    return _concluded(known, asked, survey)


def _fallen_back(known: Knowledge, asked: Asked, falling: Sequence[_Over]) -> Verdict:
    """Return the first fallback that its own budgets let pass; each is tried once."""
    refused: Verdict | None = None
    for model in dict.fromkeys(one.fallback for one in falling if one.fallback):
        other = asked.of_model(model)
        tried = _concluded(known, other, known.survey(other), falling)
        if tried.refusal is None:
            return tried
        refused = refused or tried
    assert refused is not None  # a budget of this kind names a model
    return refused


def _concluded(
    known: Knowledge, asked: Asked, survey: _Survey, falling: Sequence[_Over] = ()
) -> Verdict:
    # A budget that has named one fallback is content with any: it has said its piece.
    content = {one.covering.rule.budget_id for one in falling}
    content |= {
        one.covering.rule.budget_id
        for one in survey.over
        if one.action == "warn" or _is_of(one.fallback, asked)
    }
    refusing = [
        one for one in survey.over if one.covering.rule.budget_id not in content
    ]
    refusal = refusing[0].error() if refusing else _closed(known, survey)
    warned = [one for one in survey.over if one.action == "warn"]
    unknown = tuple(one.rule.budget_id for one in survey.unknown)
    reason: Reason = "warned" if warned else "within"
    if unknown or known.when_unknown is not None:
        reason = "unknown"
    over = tuple(one.error() for one in (*falling, *warned))
    reason = "fallback" if falling else reason
    return Verdict(Decision(asked.model, reason, over, unknown), refusal)


def _closed(known: Knowledge, survey: _Survey) -> BudgetUnknown | None:
    """Return the error if a budget of which nobody knows lets nothing pass."""
    reason = known.stale or ""
    if known.when_unknown == "fail_closed":
        return BudgetUnknown(None, reason)
    for one in survey.unknown:
        if one.rule.budget.when_unknown == "fail_closed":
            return BudgetUnknown(one.rule.budget_id, reason)
    return None


def _over(covering: Covering, standing: Standing | None, asked: Asked) -> _Over | None:
    rule = covering.rule
    limit, used, end = rule.limit, 0, None
    if standing is not None:
        used = standing.used(rule.unit)
        end = None if standing.rolls else standing.end  # one that rolls has no end
        if rule.hands_on and standing.limit_unit == rule.unit:
            limit = standing.limit or 0
    if used < limit and used + asked.adds(rule.unit) <= limit:
        return None
    return _Over(covering, limit, used, end, asked)


def _is_of(model: str | None, asked: Asked) -> bool:
    """Tell whether a call is of this model already."""
    if model is None or asked.model is None:
        return False
    return model == asked.model or asked.of_model(model).named == asked.named
