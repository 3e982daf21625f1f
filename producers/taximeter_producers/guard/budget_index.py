"""Which budgets a call falls under, found without looking at all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final, NamedTuple

from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    PlanAssigned,
    Unit,
)
from taximeter_schemas.plans import Plans
from taximeter_schemas.subjects import EACH, dimensions_of

__all__ = ["Budgets", "Covering", "Rule"]


class Rule(NamedTuple):
    """What a budget says of calls; the limit is in pico-dollars, tokens or calls."""

    budget: BudgetDefined
    budget_id: str
    kind: str
    period: str
    unit: Unit
    limit: int
    hands_on: bool
    exceptions: frozenset[str]
    plan: str | None

    @classmethod
    def of(cls, budget: BudgetDefined) -> Rule | None:
        """Return a budget's rule; one without a limit has none."""
        if budget.whole_limit is None:
            return None
        return cls(
            budget,
            budget.budget_id,
            budget.scope.kind,
            budget.period,
            budget.unit,
            budget.whole_limit,
            bool(budget.rollover),
            frozenset(budget.scope.exceptions),
            budget.scope.plan,
        )


class Covering(NamedTuple):
    """A budget that a call falls under, and the values of the subject that it is."""

    rule: Rule
    values: tuple[str, ...]

    @property
    def subject(self) -> tuple[str, ...]:
        """Whose limit it is, as errors say it."""
        return (self.rule.kind, *self.values)


_BY_ID: Final = attrgetter("rule.budget_id")


class _Pattern:
    """Budgets that name a value in the same dimensions and mean each in the same."""

    def __init__(self, kind: str, each: frozenset[str]) -> None:
        self.dimensions = dimensions_of(kind)
        places = range(len(self.dimensions))
        self._fixed = tuple(n for n in places if self.dimensions[n] not in each)
        self._each = tuple(n for n in places if n not in self._fixed)
        self._rules: dict[tuple[str, ...], list[Rule]] = {}

    def add(self, rule: Rule) -> None:
        names = tuple(rule.budget.scope.named().values())
        self._rules.setdefault(self._key(names), []).append(rule)

    def covering(self, named: Mapping[str, str], plans: Plans) -> Iterable[Covering]:
        try:
            values = tuple([named[dimension] for dimension in self.dimensions])
        except KeyError:  # nobody said
            return
        for rule in self._rules.get(self._key(values), ()):
            if rule.exceptions and self._is_excepted(rule, values):
                continue
            if rule.plan is None or rule.plan == plans.of(values[0]):
                yield Covering(rule, values)

    def _key(self, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple([values[place] for place in self._fixed])

    def _is_excepted(self, rule: Rule, values: tuple[str, ...]) -> bool:
        return any(values[place] in rule.exceptions for place in self._each)


class Budgets:
    """The budgets in force that have a limit, and who is on which plan.

    One thread learns while others ask: what they look things up in is replaced and
    never changed.
    """

    def __init__(self) -> None:
        self._defined: dict[str, Rule] = {}
        self._plans = Plans()
        self._asked: tuple[tuple[_Pattern, ...], Plans] = ((), Plans())

    def __len__(self) -> int:
        return len(self._defined)

    def learn(self, events: Iterable[BudgetEvent]) -> None:
        """Take events in, in the order of their topic."""
        for event in events:
            self._learn(event)
        self._publish()

    def replace(self, events: Iterable[BudgetEvent]) -> None:
        """Know these and nothing else."""
        self._defined, self._plans = {}, Plans()
        self.learn(events)

    def covering(self, named: Mapping[str, str]) -> list[Covering]:
        """Return the budgets that a call with these names falls under, by their ids."""
        patterns, plans = self._asked
        found = [one for p in patterns for one in p.covering(named, plans)]
        if len(found) > 1:
            found.sort(key=_BY_ID)
        return found

    def _learn(self, event: BudgetEvent) -> None:
        if isinstance(event, PlanAssigned):
            self._plans.learn(event)
            return
        self._defined.pop(event.budget_id, None)
        rule = None if isinstance(event, BudgetRemoved) else Rule.of(event)
        if rule is not None:
            self._defined[event.budget_id] = rule

    def _publish(self) -> None:
        patterns: dict[tuple[str, frozenset[str]], _Pattern] = {}
        for rule in self._defined.values():
            named = rule.budget.scope.named()
            each = frozenset(d for d, name in named.items() if name == EACH)
            pattern = patterns.setdefault((rule.kind, each), _Pattern(rule.kind, each))
            pattern.add(rule)
        self._asked = (tuple(patterns.values()), self._plans.copy())
