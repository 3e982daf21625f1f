"""Budgets as a file under version control: YAML in, definitions out, mistakes named.

Pure: it knows no Kafka. docs/budgets.md has the format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, cast

import yaml
from pydantic import ValidationError

from taximeter.budget_plans import assignments_from, plan_budgets
from taximeter.budget_scopes import scope_from
from taximeter.yaml_numbers import ExactLoader
from taximeter_schemas.budgets import BudgetDefined, PlanAssigned
from taximeter_schemas.errors import ConfigurationError

__all__ = ["BudgetFile", "budget_from", "parse_budgets"]

_TOP: Final = ("budgets", "plans", "assignments", "default_plan")
_REQUIRED: Final = ("id", "scope", "period")
_NOT_WRITTEN: Final = ("event_type", "schema_version", "budget_id", "defined_at")
_OPTIONAL: Final = tuple(
    name
    for name in BudgetDefined.model_fields
    if name not in (*_NOT_WRITTEN, *_REQUIRED, "defined_by")
)
_UNLIMITED: Final = "unlimited"
_LIMITS: Final = ("limit_usd", "limit_tokens", "limit_calls")


class BudgetFile(NamedTuple):
    """What a file says: budgets, those that plans stand for last, and who is on one."""

    budgets: list[BudgetDefined]
    assignments: list[PlanAssigned]


class _Mistake(Exception):
    """What is wrong with one field of one entry."""


def parse_budgets(
    text: str, file: str, now: datetime, who: str | None = None
) -> BudgetFile:
    """Return the budgets of a file, in its order, and the plans that users are on.

    Args:
        text: the file's content.
        file: its name, for what is said about mistakes.
        now: the moment of the definition.
        who: defines them.

    Raises:
        ConfigurationError: names the file, each wrong entry and field, and why.
    """
    fields = _fields(text, file)
    mistakes: list[str] = []
    budgets = _budgets(_entries(fields, file), now, mistakes)
    try:
        budgets += plan_budgets(fields, now)
        assignments = assignments_from(fields, now, who)
    except (ValueError, ConfigurationError) as error:
        mistakes.append(_explained(error))
        assignments = []
    if mistakes:
        raise ConfigurationError(f"{file}: {'; '.join(mistakes)}")
    return BudgetFile(
        [budget.model_copy(update={"defined_by": who}) for budget in budgets],
        assignments,
    )


def budget_from(entry: Mapping[str, object], now: datetime) -> BudgetDefined:
    """Return the budget that one entry of a file defines.

    Raises:
        ConfigurationError: says what is wrong with it.
    """
    try:
        return _budget(entry, now, [])
    except _Mistake as mistake:
        raise ConfigurationError(str(mistake)) from None


def _fields(text: str, file: str) -> Mapping[object, object]:
    try:
        found: object = yaml.load(text, Loader=ExactLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigurationError(f"{file}: not YAML{line}: {problem}") from None
    if not isinstance(found, dict):
        return {}
    fields = cast("dict[object, object]", found)
    unknown = [str(name) for name in fields if name not in _TOP]
    if unknown:
        known = ", ".join(f"'{name}'" for name in _TOP)
        raise ConfigurationError(f"{file}: {unknown[0]}: only {known} are known")
    return fields


def _entries(fields: Mapping[object, object], file: str) -> list[object]:
    entries = fields.get("budgets", [] if fields else None)
    if not isinstance(entries, list):
        raise ConfigurationError(
            f"{file}: a list of budgets under 'budgets:' is needed"
        )
    return cast("list[object]", entries)


def _budgets(
    entries: Iterable[object], now: datetime, mistakes: list[str]
) -> list[BudgetDefined]:
    budgets: list[BudgetDefined] = []
    for number, entry in enumerate(entries, start=1):
        try:
            budgets.append(_budget(entry, now, budgets))
        except _Mistake as mistake:
            mistakes.append(f"{_called(number, entry)}: {mistake}")
    return budgets


def _budget(
    entry: object, now: datetime, earlier: Iterable[BudgetDefined]
) -> BudgetDefined:
    if not isinstance(entry, dict):
        raise _Mistake("an entry is a mapping with id, scope, period and a limit")
    fields = cast("dict[object, object]", entry)
    _check_fields(fields)
    if any(other.budget_id == fields["id"] for other in earlier):
        raise _Mistake("id: an earlier entry has the same")
    given = {str(name): value for name, value in fields.items()}
    given["budget_id"] = given.pop("id")
    if given.get("limit_usd") == _UNLIMITED:
        del given["limit_usd"]
    try:
        given["scope"] = scope_from(given["scope"])
    except (ValueError, ConfigurationError) as error:
        raise _Mistake(f"scope: {_explained(error)}") from None
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
    if all(fields.get(name) is None for name in _LIMITS):
        limits = ", ".join(_LIMITS)
        raise _Mistake(f"one of {limits} is needed, or limit_usd: {_UNLIMITED}")


def _explained(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    clauses: list[str] = []
    for fault in error.errors(include_url=False):
        field = ".".join(str(step) for step in fault["loc"])
        name = "id" if field == "budget_id" else field
        said, given = fault["msg"].removeprefix("Value error, "), str(fault["input"])
        if name and given not in said:
            said += f" (given {given[:80]!r})"
        clauses.append(f"{name}: {said}" if name else said)
    return ", ".join(clauses)


def _called(number: int, entry: object) -> str:
    name: object = None
    if isinstance(entry, dict):
        name = cast("dict[object, object]", entry).get("id")
    return f"budget {number}" + (f" ({name})" if name is not None else "")
