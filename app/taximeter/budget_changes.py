"""What applying a file would change, and the events that do it.

Pure. What is defined already as the file says it stays untouched, with its moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from taximeter.budget_book import Book
from taximeter.budget_files import BudgetFile
from taximeter.budget_plans import assignment
from taximeter.budget_scopes import scope_in_words
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    PlanAssigned,
)
from taximeter_schemas.subjects import Scope

__all__ = ["Change", "change_of", "changes", "removal", "told"]

Action = Literal["added", "changed", "unchanged", "removed", "kept"]

_NOT_TOLD: Final = {"event_type", "schema_version", "budget_id", "user_id"}
_WHEN_AND_WHO: Final = {
    f"{done}_{how}"
    for done in ("defined", "removed", "assigned")
    for how in ("at", "by")
}


class Change(NamedTuple):
    """What a file does to one budget, or to one user's plan.

    `event` does it; what is unchanged, or kept because nobody asked to remove it, needs
    none. `fields` says which fields become what, in words: the old, the new.
    """

    action: Action
    budget_id: str | None
    user_id: str | None
    fields: Mapping[str, tuple[str | None, str | None]]
    event: BudgetEvent | None = None

    def in_words(self) -> str:
        """Return what becomes of the fields, for people."""
        said = (
            f"{name} {new}" if old is None else f"{name} {old} → {new or 'none'}"
            for name, (old, new) in self.fields.items()
        )
        return ", ".join(said)


def changes(
    file: BudgetFile,
    book: Book,
    now: datetime,
    who: str | None = None,
    *,
    prune: bool = False,
) -> list[Change]:
    """Return what applying a file does to what is in force.

    Args:
        file: what is wanted.
        book: what is in force.
        now: when what left the file is removed.
        who: removes it, for the history.
        prune: remove it; else it is kept.
    """
    found = [change_of(budget, book) for budget in file.budgets]
    found += [change_of(one, book) for one in file.assignments]
    return found + list(_gone(file, book, now, who, prune=prune))


def change_of(wanted: BudgetDefined | PlanAssigned, book: Book) -> Change:
    """Return what one definition or assignment does to what is in force."""
    if isinstance(wanted, PlanAssigned):
        return _change(wanted, book.plans.get(wanted.user_id), None, wanted.user_id)
    before = book.budgets.get(wanted.budget_id)
    return _change(wanted, before, wanted.budget_id, None)


def removal(budget_id: str, now: datetime, who: str | None) -> BudgetRemoved:
    """Return that a budget is removed."""
    return BudgetRemoved(
        event_type="BudgetRemoved",
        budget_id=budget_id,
        removed_at=now,
        removed_by=who,
    )


def _change(
    wanted: BudgetDefined | PlanAssigned,
    before: BudgetDefined | PlanAssigned | None,
    budget_id: str | None,
    user_id: str | None,
) -> Change:
    new = told(wanted)
    if before is None:
        added = {name: (None, value) for name, value in new.items()}
        return Change("added", budget_id, user_id, added, wanted)
    old = told(before)
    if old == new:
        return Change("unchanged", budget_id, user_id, {})
    fields = {
        name: (old.get(name, "none"), new.get(name))
        for name in wanted.__class__.model_fields
        if old.get(name) != new.get(name)
    }
    return Change("changed", budget_id, user_id, fields, wanted)


def told(event: BudgetEvent) -> dict[str, str]:
    """Return the fields that say something besides whom, when and who, in words."""
    own = event.__class__.model_fields
    return {
        name: _in_words(getattr(event, name))
        for name, field in own.items()
        if name not in _NOT_TOLD | _WHEN_AND_WHO
        and getattr(event, name) != field.get_default()
    }


def _in_words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, Scope):
        return scope_in_words(value)
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _gone(
    file: BudgetFile, book: Book, now: datetime, who: str | None, *, prune: bool
) -> Iterator[Change]:
    wanted = {budget.budget_id for budget in file.budgets}
    assigned = {one.user_id for one in file.assignments}
    action: Action = "removed" if prune else "kept"
    for name in sorted(book.budgets.keys() - wanted):
        gone = removal(name, now, who)
        yield Change(action, name, None, {}, gone if prune else None)
    for user in sorted(book.plans.keys() - assigned):
        off = assignment(user, None, now, who)
        yield Change(action, None, user, {}, off if prune else None)
