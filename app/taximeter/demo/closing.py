"""What the demo ends with: the cost report, the time to SQL, the audit, where to go."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.text import Text

from taximeter.demo.outcome import Outcome
from taximeter.demo.report import print_report
from taximeter_sinks.queries import Ledger

__all__ = ["print_closing"]


def print_closing(console: Console, ledger: Ledger, outcome: Outcome) -> None:
    """Print everything that a person may want to know in the end."""
    print_report(console, ledger)
    console.print()
    for line in (_traffic(outcome), _speed(outcome), _latency(outcome)):
        console.print(line, soft_wrap=not console.is_terminal)
    console.print(_audit(outcome), soft_wrap=not console.is_terminal)
    if outcome.kept:
        console.print()
        console.print(_kept(outcome), soft_wrap=not console.is_terminal)


def _traffic(outcome: Outcome) -> str:
    total = outcome.audit.total
    return (
        f"events: {total('events'):,}, {total('duplicates'):,} of them sent twice and "
        f"counted once; {total('dead_letters'):,} dead letters, "
        f"{total('unpriced'):,} unpriced, {outcome.alerts:,} alerts"
    )


def _speed(outcome: Outcome) -> str:
    return (
        f"speed: {outcome.events_per_second:,.0f} events/s "
        "from the first emit to the last row in SQL"
    )


def _latency(outcome: Outcome) -> str:
    found = outcome.latency
    median, worst = found.percentile(50), found.percentile(99)
    if median is None or worst is None:
        return "emit to SQL: not measured, the replay was too short"
    return (
        f"emit to SQL: {median:,.0f} ms median, {worst:,.0f} ms at the 99th percentile "
        f"of {len(found.milliseconds)} events sent at 50 a second"
    )


def _audit(outcome: Outcome) -> Text:
    charges = outcome.audit.total("charges")
    line = Text(f"audit: difference {outcome.difference} USD over {charges:,} charges")
    line.stylize("bold green" if outcome.audit.ok else "bold red")
    for finding in outcome.audit.findings:
        line.append(f"\n  partition {finding.partition}: {finding.what}")
    return line


def _kept(outcome: Outcome) -> str:
    urls, plan = outcome.up.urls, outcome.plan
    data = shlex.quote(urls["data"])
    lines = [
        "Everything is still running:",
        f"  API    {urls['api']}  (with documentation at {urls['api']}/docs)",
        f"  Kafka  {urls['kafka']}",
        f"  Quack  {urls['quack']}",
        f"  data   {urls['data']}",
        "To look at it:",
        *([f"  export TAXIMETER_PREFIX={plan.topics.prefix}"] * bool(plan.bootstrap)),
        f"  taximeter status --data {data}",
        f"  taximeter report --data {data}",
        "To stop it:",
        f"  kill {outcome.up.pid}",
    ]
    return "\n".join(lines)
