"""`llm costs estimate`: what prompts would cost, before they are made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import TextIO

import click

from taximeter.cli.output import Format, write_object, write_rows
from taximeter.estimate_budgets import budgets_after
from taximeter.estimate_files import read_asked
from taximeter.estimates import Asked, Estimate, Estimator
from taximeter.llm_costs.commands.asked import (
    Meant,
    chosen_format,
    format_option,
    meant_options,
    opened,
)
from taximeter.llm_costs.estimating import estimator_of
from taximeter.llm_costs.kept_prices import price_books
from taximeter.llm_costs.logged_events import sold_as
from taximeter.llm_costs.looking_back import COLUMNS, estimates_beside_costs
from taximeter.llm_costs.prompt_files import prompts_in
from taximeter.logs import say
from taximeter_schemas.errors import ConfigurationError

__all__ = ["estimate"]

_FILE = click.File("r", encoding="utf-8")


@click.command()
@click.argument("prompt", required=False)
@meant_options
@click.option(
    "--batch", type=_FILE, metavar="FILE", help="Prompts: .csv, .jsonl or text."
)
@click.option("--output-tokens", type=int, metavar="N", help="Of an answer.")
@click.option("--calls", type=click.IntRange(1), default=1, help="So often.")
@click.option("--compare", metavar="M2,M3", help="The same with other models.")
@click.option("--actual", is_flag=True, help="Made calls: what they would be, and are.")
@format_option
def estimate(
    meant: Meant,
    output: Format | None,
    *,
    actual: bool,
    prompt: str | None,
    batch: TextIO | None,
    output_tokens: int | None,
    calls: int,
    compare: str | None,
) -> None:
    """Show what a prompt, or a file of them, would cost, and what budgets it would use.

    --model says which model; else it is the tool's default. A file with a column
    `prompt` has a prompt a row, one with `input_tokens` or `text` whatever 'taximeter
    estimate --batch' takes, and any other a prompt a line. With --actual: how far
    estimates of the calls that were made are from what these did cost.
    """
    if actual:
        _look_back(meant, chosen_format(meant, output))
        return
    model = _model(meant)
    made = meant.config.calls.answer_tokens if output_tokens is None else output_tokens
    texts = [_text(prompt)] if batch is None else None
    asked = (
        _asked_of_texts(texts, model, made, calls, meant)
        if texts is not None
        else _asked_of_file(batch, model, made, meant)
    )
    estimator = estimator_of(price_books(meant.home).book_at(meant.now))
    if compare is not None:
        _compare(estimator, asked, compare, chosen_format(meant, output))
        return
    found = [estimator.estimate(one) for one in asked]
    with opened(meant) as ledger:
        budgets = budgets_after(ledger, meant.now, zip(asked, found, strict=True))
    _write(found, budgets, chosen_format(meant, output))


def _look_back(meant: Meant, output: Format) -> None:
    with opened(meant) as ledger:
        rows = estimates_beside_costs(
            meant.home, meant.config, ledger, meant.stretch, meant.only
        )
    write_rows(rows, output, COLUMNS)


def _model(meant: Meant) -> str:
    named = meant.only.get("model")
    if named:
        return named[0]
    import llm  # noqa: PLC0415

    return sold_as(str(llm.get_model().model_id))[1]


def _text(prompt: str | None) -> str:
    if prompt is not None:
        return prompt
    if sys.stdin.isatty():
        raise ConfigurationError("give a prompt, or --batch with a file of them")
    return sys.stdin.read()


def _asked_of_texts(
    texts: Sequence[str], model: str, made: int, calls: int, meant: Meant
) -> list[Asked]:
    project = next(iter(meant.only.get("project", ())), None)
    provider = sold_as(model)[0]
    known = None if provider == "unknown" else provider
    return [
        Asked(
            model=model,
            provider=known,
            text=text,
            max_output_tokens=made,
            calls=calls,
            project_id=project,
        )
        for text in texts
    ]


def _asked_of_file(
    batch: TextIO | None, model: str, made: int, meant: Meant
) -> list[Asked]:
    assert batch is not None
    prompts = prompts_in(batch)
    if prompts is None:
        return read_asked(batch, batch.name)
    return _asked_of_texts(prompts, model, made, 1, meant)


def _compare(
    estimator: Estimator, asked: Sequence[Asked], names: str, output: Format
) -> None:
    if len(asked) != 1:
        raise ConfigurationError("--compare is for one prompt: not with --batch")
    others = [name.strip() for name in names.split(",") if name.strip()]
    write_rows([vars(one) for one in estimator.compare(asked[0], others)], output)


def _write(
    found: Sequence[Estimate], budgets: Sequence[dict[str, object]], output: Format
) -> None:
    total = sum((one.cost_usd for one in found), Decimal(0))
    if output == "json":
        estimates = [vars(one) for one in found]
        write_object({"cost_usd": total, "estimates": estimates, "budgets": budgets})
        return
    write_rows(_summed(found), output)
    if output == "csv":
        return
    if len(found) > 1:
        say(f"together {total:f} USD for {len(found):,} prompts")
    if budgets:
        click.echo()
        write_rows(budgets, output)


def _summed(found: Sequence[Estimate]) -> list[dict[str, object]]:
    """Return a row for each model: a file has too many prompts for one each."""
    rows: dict[str, dict[str, object]] = {}
    for one in found:
        row = rows.setdefault(
            one.model,
            {"model": one.model, "prompts": 0, "input_tokens": 0, "output_tokens": 0}
            | {"cost_usd": Decimal(0), "price_version": one.price_version},
        )
        row["prompts"] = int(str(row["prompts"])) + one.calls
        for name in ("input_tokens", "output_tokens"):
            row[name] = int(str(row[name])) + getattr(one, name) * one.calls
        row["cost_usd"] = Decimal(str(row["cost_usd"])) + one.cost_usd
    return list(rows.values())
