"""`/v1/budgets` and `/v1/plans`: which limits there are, and setting them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel

from taximeter.api.faults import faults
from taximeter.api.services import Services, services
from taximeter.budget_book import publish_budgets, read_book
from taximeter.budget_changes import change_of, removal
from taximeter.budget_files import budget_from
from taximeter.budget_plans import assigning, assignment
from taximeter.budget_scopes import scope_as_written
from taximeter_schemas.budgets import BudgetDefined, BudgetEvent
from taximeter_schemas.errors import ConfigurationError

__all__ = ["router"]

router = APIRouter(tags=["budgets"])

_ANSWERS: Final = faults(
    "It is no budget or plan; says why.", "Kafka does not answer just now."
)
_WHO: Final = Query(max_length=256, description="Who sets it, for the history.")
_ENTRY: Final = Body(
    examples=[{"scope": {"user": "*"}, "period": "month", "limit_usd": "50"}]
)
_By = Annotated[str | None, _WHO]
_LATER: Final = {"event_type", "schema_version", "budget_id", "scope"}


class Defined(BaseModel):
    """A budget in force: its id, whom it is for, as a file has it, and its fields."""

    id: str
    scope: str | dict[str, Any]
    fields: dict[str, Any]


class Limits(BaseModel):
    """Every budget in force, and which user is on which plan (`*`: all others)."""

    budgets: list[Defined]
    plans: dict[str, str | None]


class Set(BaseModel):
    """What became of it: `added`, `changed`, `unchanged` or `removed`."""

    action: str
    changes: str = ""


class Plan(BaseModel):
    """A plan by its name."""

    plan: str


@router.get("/v1/budgets", responses=_ANSWERS, summary="Which budgets there are")
async def get_budgets(request: Request) -> Limits:
    """Return what is in force, as Kafka has it."""
    at = services(request)
    book = await read_book(at.bootstrap, at.topics)
    return Limits(
        budgets=[_defined(book.budgets[name]) for name in sorted(book.budgets)],
        plans={user: one.plan for user, one in sorted(book.plans.items())},
    )


@router.put("/v1/budgets/{budget_id}", responses=_ANSWERS, summary="Set a budget")
async def put_budget(
    request: Request,
    budget_id: str,
    entry: Annotated[dict[str, Any], _ENTRY],
    by: _By = None,
) -> Set:
    """Define a budget, by the fields of an entry of a budgets file, without its id.

    One that is so already stays untouched.
    """
    at = services(request)
    wanted = budget_from({**entry, "id": budget_id}, at.clock.now())
    book = await read_book(at.bootstrap, at.topics)
    change = change_of(wanted.model_copy(update={"defined_by": by}), book)
    if change.event is not None:
        await _publish(at, change.event)
    return Set(action=change.action, changes=change.in_words())


@router.delete("/v1/budgets/{budget_id}", responses=_ANSWERS, summary="Remove a budget")
async def delete_budget(request: Request, budget_id: str, by: _By = None) -> Set:
    """Remove a budget; what it has raised stays."""
    at = services(request)
    if budget_id not in (await read_book(at.bootstrap, at.topics)).budgets:
        raise ConfigurationError(f"there is no budget {budget_id!r}")
    await _publish(at, removal(budget_id, at.clock.now(), by))
    return Set(action="removed")


@router.put("/v1/plans/{user_id}", responses=_ANSWERS, summary="Put a user on a plan")
async def put_plan(request: Request, user_id: str, wanted: Plan, by: _By = None) -> Set:
    """Put a user on a plan, user `*` for all who are on none."""
    at = services(request)
    book = await read_book(at.bootstrap, at.topics)
    budgets = book.budgets.values()
    events = assigning(user_id, wanted.plan, budgets, at.clock.now(), by)
    changes = [change_of(event, book) for event in events]
    done = [change.event for change in changes if change.event is not None]
    await publish_budgets(at.bootstrap, at.topics, done)
    return Set(action=changes[-1].action, changes=changes[-1].in_words())


@router.delete("/v1/plans/{user_id}", responses=_ANSWERS, summary="Take off a plan")
async def delete_plan(request: Request, user_id: str, by: _By = None) -> Set:
    """Take a user off the plan; then what `*` is on holds."""
    at = services(request)
    await _publish(at, assignment(user_id, None, at.clock.now(), by))
    return Set(action="removed")


async def _publish(at: Services, event: BudgetEvent) -> None:
    await publish_budgets(at.bootstrap, at.topics, [event])


def _defined(budget: BudgetDefined) -> Defined:
    fields = budget.model_dump(mode="json", exclude=_LATER)
    return Defined(
        id=budget.budget_id, scope=scope_as_written(budget.scope), fields=fields
    )
