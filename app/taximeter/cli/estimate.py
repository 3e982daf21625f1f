"""`taximeter estimate`: what calls would cost, before they are made."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TextIO

import click
from pydantic import ValidationError

from taximeter.choosing import within
from taximeter.cli.options import Format, format_option, tag_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.prices_in_force import prices_in_force
from taximeter.cli.where import Where, where_options
from taximeter.estimate_budgets import budgets_after
from taximeter.estimate_files import read_asked
from taximeter.estimates import Asked, Estimate, Estimator
from taximeter.logs import say
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError

__all__ = ["command"]

_TEXT = click.File("r", encoding="utf-8")


@click.command()
@click.option("--model", metavar="M", help="As events name it, or PROVIDER/MODEL.")
@click.option("--provider", help="Where several sell a model of that name.")
@click.option("--service-tier", metavar="TIER", help="[default: standard]")
@click.option("--input-tokens", type=int, metavar="N", help="Length of a request.")
@click.option("--text", type=_TEXT, metavar="FILE|-", help="Or what would be sent.")
@click.option("--max-output-tokens", type=int, metavar="N", help="[default: 0]")
@click.option("--calls", type=int, metavar="N", help="How many of them. [default: 1]")
@click.option("--user", "user_id", help="Whose budgets to look at as well.")
@click.option("--project", "project_id", help="The same for a project, and its prices.")
@tag_option
@click.option("--compare", metavar="M2,M3", help="The same calls with other models.")
@click.option("--within", "most_usd", metavar="USD", help="Of those, what costs less.")
@click.option(
    "--batch",
    type=_TEXT,
    metavar="FILE.csv|FILE.jsonl",
    help="Many estimates: model, input_tokens or text, max_output_tokens, calls, …",
)
@where_options
@format_option
def command(
    where: Where,
    output: Format,
    batch: TextIO | None,
    text: TextIO | None,
    compare: str | None,
    most_usd: str | None,
    **asked: Any,  # noqa: ANN401 - the fields of `Asked`
) -> None:
    """Estimate what calls cost, and what they would do to the budgets.

    Every token that is given counts: with --max-output-tokens it is what they cost at
    most. Budgets are looked at where the data directory has a ledger. With --within the
    models that cost no more than that, the cheapest first.
    """
    calls = _calls(batch, text, asked)
    estimator = Estimator.of(prices_in_force(where))
    if compare is not None:
        others = [name.strip() for name in compare.split(",") if name.strip()]
        found = estimator.compare(_only(calls), others)
        if most_usd is not None:
            found = within(found, most_usd)
        _write([vars(each) for each in found], [], None, output)
        return
    if most_usd is not None:
        raise ConfigurationError("--within is for --compare: it chooses among models")
    found = [estimator.estimate(each) for each in calls]
    budgets = _budgets(where.data, calls, found)
    total = sum((each.cost_usd for each in found), Decimal(0))
    _write([vars(each) for each in found], budgets, total, output)


def _calls(
    batch: TextIO | None, text: TextIO | None, asked: dict[str, Any]
) -> list[Asked]:
    given = {name: value for name, value in asked.items() if value not in (None, {})}
    if batch is not None:
        if given or text is not None:
            raise ConfigurationError("--batch says all that there is to say of calls")
        return read_asked(batch, batch.name)
    if text is not None:
        given["text"] = text.read()
    if "model" not in given:
        raise ConfigurationError("an estimate needs --model, or --batch with a file")
    try:
        return [Asked.model_validate(given)]
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).removesuffix("_id").replace("_", "-")
        raise ConfigurationError(f"{option}: {first['msg']}") from None


def _only(calls: Sequence[Asked]) -> Asked:
    if len(calls) != 1:
        raise ConfigurationError("--compare is for one kind of call: not with --batch")
    return calls[0]


def _budgets(
    data: DataDir, calls: Sequence[Asked], found: Sequence[Estimate]
) -> list[dict[str, object]]:
    if not data.ledger.exists():
        return []
    with open_ledger(data) as ledger:
        pairs = zip(calls, found, strict=True)
        return budgets_after(ledger, SystemClock().now(), pairs)


def _write(
    found: Sequence[dict[str, Any]],
    budgets: Sequence[dict[str, object]],
    total: Decimal | None,
    output: Format,
) -> None:
    if output == "json":
        whole = {} if total is None else {"cost_usd": total}
        write_object({**whole, "estimates": list(found), "budgets": list(budgets)})
        return
    write_rows(found, output, title="Estimates")
    if output == "csv":
        return
    if total is not None and len(found) > 1:
        say(f"together {total:f} USD")
    if budgets:
        click.echo()
        write_rows(budgets, output, title="Budgets, after these calls")
