"""`llm costs batch`: a file of prompts, called once somebody has agreed to the cost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any, Final, TextIO

import click

from taximeter.estimate_budgets import budgets_after
from taximeter.estimates import Asked, Estimate
from taximeter.llm_costs.books import bring_up_to_date
from taximeter.llm_costs.config import CostsConfig, read_config
from taximeter.llm_costs.estimating import estimator_of
from taximeter.llm_costs.for_whom import calls_for
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_prices import price_books
from taximeter.llm_costs.logged_events import sold_as
from taximeter.llm_costs.programs import cost_of
from taximeter.llm_costs.prompt_files import prompts_in
from taximeter.llm_costs.telling import tell
from taximeter.logs import say
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.queries import Ledger

__all__ = ["batch"]

_FILE: Final = click.File("r", encoding="utf-8")


@click.command()
@click.argument("file", type=_FILE)
@click.option("-m", "--model", metavar="M", help="[default: the tool's]")
@click.option("--project", help="What this is for: a project.")
@click.option("--tags", default="", help="NAME or NAME=VALUE, …")
@click.option("--output-tokens", type=int, metavar="N", help="Of an answer, about.")
@click.option("--skip", type=click.IntRange(0), default=0, help="Go on behind so many.")
@click.option("--yes", is_flag=True, help="Without asking.")
def batch(
    file: TextIO,
    model: str | None,
    project: str | None,
    tags: str,
    output_tokens: int | None,
    skip: int,
    *,
    yes: bool,
) -> None:
    """Estimate a file of prompts, ask, and make the calls, one after the other.

    A line of JSON for each: its prompt, the answer, and the cost. Limits hold as for
    any other call: what is over a hard limit ends it, and says how to go on.
    """
    import llm  # noqa: PLC0415

    home, found = Home.of_tool(), llm.get_model(model)
    prompts = (prompts_in(file) or [])[skip:]
    if not prompts:
        raise ConfigurationError(
            f"{file.name} has no prompts: give a column 'prompt', or a prompt a line"
        )
    config = read_config(home)
    made = config.calls.answer_tokens if output_tokens is None else output_tokens
    asked = [_asked(str(found.model_id), project, text, made) for text in prompts]
    _tell_estimate(home, config, asked)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)
    with calls_for(project, tags):
        _make(found, prompts, skip)


def _asked(model_id: str, project: str | None, text: str, made: int) -> Asked:
    provider, model = sold_as(model_id)
    return Asked(
        model=model,
        provider=None if provider == "unknown" else provider,
        text=text,
        max_output_tokens=made,
        project_id=project,
    )


def _tell_estimate(home: Home, config: CostsConfig, asked: Sequence[Asked]) -> None:
    now = SystemClock().now()
    estimator = estimator_of(price_books(home).book_at(now))
    try:
        found = [estimator.estimate(one) for one in asked]
    except ConfigurationError as error:
        say(f"{len(asked):,} prompts; cost unknown: {error}")
        return
    cost = sum((one.cost_usd for one in found), Decimal(0))
    tokens = sum(one.input_tokens + one.output_tokens for one in found)
    say(
        f"{len(asked):,} prompts to {asked[0].model}: about {tokens:,} tokens, "
        f"{cost:.6f} USD"
    )
    for row in _budgets(home, config, list(zip(asked, found, strict=True))):
        say(
            f"budget {row['budget_id']}: {row['spent_usd']:.2f} of "
            f"{row['limit_usd']:.2f} USD are spent, {row['after_usd']:.2f} after this: "
            f"{row['state_after']}"
        )


def _budgets(
    home: Home, config: CostsConfig, pairs: Sequence[tuple[Asked, Estimate]]
) -> list[dict[str, Any]]:
    now = SystemClock().now()
    tell(home, bring_up_to_date(home, config, now).alerts)
    with closing(Ledger.open(home.ledger)) as ledger:
        return budgets_after(ledger, now, pairs)


def _make(model: Any, prompts: Sequence[str], skipped: int) -> None:  # noqa: ANN401
    for number, text in enumerate(prompts, skipped):
        try:
            response = model.prompt(text)
            row = {"prompt": text, "answer": response.text()}
        except Exception as error:
            raise click.ClickException(
                f"{number} prompts are answered, go on with --skip {number}: {error}"
            ) from None
        _log(response)
        cost = cost_of(response)
        row["cost_usd"] = None if cost is None else f"{cost:f}"
        click.echo(json.dumps(row, ensure_ascii=False))


def _log(response: Any) -> None:  # noqa: ANN401
    """Have the tool log a call, as it logs all others, unless that is turned off."""
    import llm.cli  # noqa: PLC0415
    from llm.migrations import migrate  # noqa: PLC0415
    from sqlite_utils import Database  # noqa: PLC0415

    tool: Any = llm.cli  # without types, as its migrations are
    brought_up: Any = migrate
    if not tool.logs_on():
        return
    with closing(sqlite3.connect(tool.logs_db_path())) as connection:
        database = Database(connection)
        brought_up(database)
        response.log_to_db(database)
        connection.commit()
