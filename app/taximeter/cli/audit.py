"""`taximeter audit`: is everything charged once, and every sum the same?"""

from __future__ import annotations

import asyncio

import click

from taximeter.audit import AuditResult, audit
from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.reach import kafka
from taximeter.reading import open_ledger
from taximeter_schemas.money import usd_from_pico

__all__ = ["as_facts", "command"]


@click.command()
@where_options
@format_option
def command(where: Where, output: Format) -> int:
    """Recompute every charge from the usage topic and compare all books.

    Usage, charges, spend tables and ledger must agree to the last digit; exit 1 if
    they do not.
    """
    with kafka(where.data, where.given, say) as address:
        result = asyncio.run(
            audit(address, where.topics, lambda: open_ledger(where.data), say)
        )
    _show(result, output)
    return 0 if result.ok else 1


def as_facts(result: AuditResult) -> dict[str, object]:
    """Return an audit as `--format json` prints it."""
    return {
        "ok": result.ok,
        "difference_usd": result.difference_usd,
        "cost_usd": result.cost_usd,
        "charges": result.total("charges"),
        "events": result.total("events"),
        "duplicates": result.total("duplicates"),
        "dead_letters": result.total("dead_letters"),
        "forwarded": result.total("forwarded"),
        "unpriced": result.total("unpriced"),
        "unprocessed": result.total("unprocessed"),
        "other_price_version": result.total("other_version"),
        "duplicates_in_ledger": result.duplicates_in_ledger,
        "misrolled": sum(result.misrolled.values()),
        "findings": [
            f"partition {finding.partition}: {finding.what}"
            for finding in result.findings
        ],
    }


def _show(result: AuditResult, output: Format) -> None:
    if output == "json":
        write_object(as_facts(result))
        return
    write_rows(_rows(result), output)
    if output == "table":
        click.echo(_verdict(result))
    for finding in result.findings:
        say(f"partition {finding.partition}: {finding.what}")
    if result.duplicates_in_ledger:
        say(f"the ledger has {result.duplicates_in_ledger} rows twice")
    for table, cells in result.misrolled.items():
        if cells:
            say(f"{cells} cells of {table} are not the sum of their charges")


def _rows(result: AuditResult) -> list[dict[str, object]]:
    return [
        {
            "partition": part.partition,
            "events": part.events,
            "duplicates": part.duplicates,
            "dead letters": part.dead_letters,
            "recomputed USD": usd_from_pico(part.recomputed_pico),
            "charges USD": usd_from_pico(part.charges_pico),
            "spend table USD": usd_from_pico(part.table_pico),
            "ledger USD": usd_from_pico(part.ledger_pico),
            "difference USD": usd_from_pico(part.difference_pico),
        }
        for part in result.partitions
    ]


def _verdict(result: AuditResult) -> str:
    difference = format(result.difference_usd, "f")
    said = f"audit: difference {difference} USD over {result.total('charges')} charges"
    unprocessed = result.total("unprocessed")
    if unprocessed:
        said += (
            f"; {unprocessed} usage records are not priced yet: is a worker running?"
        )
    return said
