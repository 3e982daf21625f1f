"""`taximeter bench`: measure, and print the table of targets."""

from __future__ import annotations

import click

from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.logs import say

__all__ = ["command"]

_REPEATS, _QUICK_REPEATS = 3, 1


@click.command()
@click.option("--quick", is_flag=True, help="Small numbers: does it work? Under 90 s.")
@click.option(
    "--only", metavar="ROW[,ROW]", default="", help="Measure these rows only."
)
@click.option(
    "--repeat",
    type=click.IntRange(1, 99),
    metavar="N",
    help="How often a row with a ratio is measured; the median counts.  "
    "[default: 3, with --quick 1]",
)
@click.option(
    "--events",
    type=click.IntRange(100),
    metavar="N",
    help="No measurement takes more events than this.",
)
@click.option(
    "--bootstrap",
    envvar="TAXIMETER_BOOTSTRAP",
    metavar="HOST:PORT",
    help="Measure with this Kafka. Default: one that lives only for this.",
)
@format_option
def command(
    quick: bool,
    only: str,
    repeat: int | None,
    events: int | None,
    bootstrap: str | None,
    output: Format,
) -> None:
    """Measure, and print the table of targets.

    Several minutes, on a machine that does nothing else; docs/performance.md says
    what each row measures. Figures of --quick are too small to rely on.
    """
    wanted = _wanted(only)

    # Heavy, and not for --help.
    from taximeter.bench.machine import described  # noqa: PLC0415
    from taximeter.bench.run import measured  # noqa: PLC0415
    from taximeter.bench.show import as_facts, as_table, machine_line  # noqa: PLC0415
    from taximeter.bench.sizes import FULL, QUICK  # noqa: PLC0415

    machine = described()
    sizes = QUICK if quick else FULL
    sizes = sizes.limited(events) if events else sizes
    repeats = repeat or (_QUICK_REPEATS if quick else _REPEATS)
    rows = measured(wanted, sizes, repeats, bootstrap, say)
    if output == "json":
        write_object({"rows": [as_facts(row) for row in rows], "machine": machine})
    elif output == "csv":
        write_rows([as_facts(row) for row in rows], output)
    else:
        click.echo(machine_line(machine))
        write_rows([as_table(row) for row in rows], output)
        for row in rows:
            click.echo(f"{row.name}: {row.detail}")


def _wanted(only: str) -> frozenset[str]:
    from taximeter.bench.rows import TARGETS  # noqa: PLC0415

    names = frozenset(name.strip() for name in only.split(",") if name.strip())
    unknown = sorted(names - set(TARGETS))
    if unknown:
        raise click.BadParameter(
            f"no row is named {unknown[0]}; there are {', '.join(TARGETS)}",
            param_hint="'--only'",
        )
    return names
