"""Budgets as a file under version control: YAML in, definitions out, mistakes named.

Pure: it knows no Kafka. docs/budgets.md has the format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple, cast

import yaml
from pydantic import ValidationError

from taximeter.yaml_numbers import ExactLoader
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.subjects import EACH, Scope

__all__ = ["Change", "changes", "parse_budgets", "scope_as_written"]

Action = Literal["added", "changed", "unchanged"]

_REQUIRED: Final = ("id", "scope", "period", "limit_usd")
_OPTIONAL: Final = ("time_zone", "thresholds_percent")
_KINDS: Final = ("user", "model", "project")
_SCOPES: Final = "everything, {user: NAME} or {each: user} (user, model or project)"


class Change(NamedTuple):
    """What a file does to one budget; `budget` is as it stands afterwards."""

    action: Action
    budget: BudgetDefined


class _Mistake(Exception):
    """What is wrong with one field of one entry."""


def parse_budgets(text: str, file: str, now: datetime) -> list[BudgetDefined]:
    """Return the budgets of a file, in its order.

    Args:
        text: the file's content.
        file: its name, for what is said about mistakes.
        now: the moment of the definition.

    Raises:
        ConfigurationError: names the file, each wrong entry and field, and why.
    """
    budgets: list[BudgetDefined] = []
    mistakes: list[str] = []
    for number, entry in enumerate(_entries(text, file), start=1):
        try:
            budgets.append(_budget(entry, now, budgets))
        except _Mistake as mistake:
            mistakes.append(f"{_called(number, entry)}: {mistake}")
    if mistakes:
        raise ConfigurationError(f"{file}: {'; '.join(mistakes)}")
    return budgets


def changes(
    wanted: Iterable[BudgetDefined], defined: Mapping[str, BudgetDefined]
) -> list[Change]:
    """Return what has to be done; what is defined already keeps its moment."""
    return [_change(budget, defined.get(budget.budget_id)) for budget in wanted]


def scope_as_written(scope: Scope) -> str | dict[str, str]:
    """Return a scope as a file has it.

    >>> scope_as_written(Scope()), scope_as_written(Scope(user="*"))
    ('everything', {'each': 'user'})
    >>> scope_as_written(Scope(model="gpt-4o"))
    {'model': 'gpt-4o'}
    """
    for kind, name in scope.named().items():
        return {"each": kind} if name == EACH else {kind: name}
    return "everything"


def _change(budget: BudgetDefined, before: BudgetDefined | None) -> Change:
    if before is None:
        return Change("added", budget)
    kept = budget.model_copy(update={"defined_at": before.defined_at})
    return Change("unchanged", before) if kept == before else Change("changed", budget)


def _entries(text: str, file: str) -> list[object]:
    try:
        found: object = yaml.load(text, Loader=ExactLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigurationError(f"{file}: not YAML{line}: {problem}") from None
    entries: object = None
    if isinstance(found, dict):
        fields = cast("dict[object, object]", found)
        unknown = [str(name) for name in fields if name != "budgets"]
        if unknown:
            raise ConfigurationError(f"{file}: {unknown[0]}: only 'budgets' is known")
        entries = fields.get("budgets")
    if not isinstance(entries, list):
        raise ConfigurationError(
            f"{file}: a list of budgets under 'budgets:' is needed"
        )
    return cast("list[object]", entries)


def _budget(
    entry: object, now: datetime, earlier: Iterable[BudgetDefined]
) -> BudgetDefined:
    if not isinstance(entry, dict):
        raise _Mistake("an entry is a mapping with id, scope, period and limit_usd")
    fields = cast("dict[object, object]", entry)
    _check_fields(fields)
    if any(other.budget_id == fields["id"] for other in earlier):
        raise _Mistake("id: an earlier entry has the same")
    given = {str(name): value for name, value in fields.items()}
    given |= {"budget_id": given.pop("id"), "scope": _scope(given["scope"])}
    try:
        return BudgetDefined.model_validate(given | {"defined_at": now})
    except ValidationError as error:
        raise _Mistake(_explained(error)) from None


def _check_fields(fields: Mapping[object, object]) -> None:
    for name in fields:
        if name not in _REQUIRED + _OPTIONAL:
            known = ", ".join(_REQUIRED + _OPTIONAL)
            raise _Mistake(f"{name}: no such field; there are {known}")
    for name in _REQUIRED:
        if fields.get(name) is None:
            raise _Mistake(f"{name}: is needed")


def _scope(written: object) -> Scope:
    if written == "everything":
        return Scope()
    if not isinstance(written, dict) or len(written) != 1:
        raise _Mistake(f"scope: is {_SCOPES}")
    ((kind, name),) = cast("dict[object, object]", written).items()
    if kind == "each" and name in _KINDS:
        return Scope.model_validate({name: EACH})
    if kind not in _KINDS:
        raise _Mistake(f"scope: is {_SCOPES}")
    try:
        return Scope.model_validate({kind: name})
    except ValidationError as error:
        raise _Mistake(f"scope.{_explained(error)}") from None


def _explained(error: ValidationError) -> str:
    clauses: list[str] = []
    for fault in error.errors(include_url=False):
        field = ".".join(str(step) for step in fault["loc"])
        name = "id" if field == "budget_id" else field
        clauses.append(f"{name}: {fault['msg']} (given {str(fault['input'])[:80]!r})")
    return ", ".join(clauses)


def _called(number: int, entry: object) -> str:
    name: object = None
    if isinstance(entry, dict):
        name = cast("dict[object, object]", entry).get("id")
    return f"budget {number}" + (f" ({name})" if name is not None else "")
