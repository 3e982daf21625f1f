"""How quick the page is over a large ledger that is being written: a script, no test.

`python -m tests.page_speed --rows 10000000` prints the first paint in Chromium, and how
long each of the page's questions takes, as the median of several.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from taximeter.page.figures import ask_card, ask_now, ask_plans, ask_spent
from taximeter.page.view import View
from taximeter.reading import open_ledger
from taximeter_sinks.ledger_rows import roll_up_anew
from taximeter_sinks.queries import Ledger
from taximeter_sinks.quick_sums import QUICK_SUMS, with_quick_sums
from tests.browsing import a_browser
from tests.builders import NOON
from tests.paging import PageSystem, a_call, served_page

_BATCH: Final = 1_000
_TIMES: Final = 5
_PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0].startTime"

# A year of calls in the order in which they came: 1,000 users, 50 projects, 40 models.
_CALLS: Final = """(
    SELECT template.* EXCLUDE ({quick}) REPLACE (
        uuid() AS event_id,
        TIMESTAMPTZ '{until}' - to_seconds(31536000.0 * ({rows} - n) / {rows})
            AS occurred_at,
        'user-' || (hash(n) % 1000) AS user_id,
        'project-' || (hash(n + 1) % 50) AS project_id,
        'model-' || (hash(n + 2) % 40) AS model,
        (0.000001 * (hash(n + 3) % 90000))::DECIMAL(38, 12) AS cost_usd,
        (0.000001 * (hash(n + 3) % 90000))::DECIMAL(38, 12) AS list_cost_usd,
        1000000 + n AS source_offset
    )
    FROM range({rows}) AS numbers(n),
        (SELECT * FROM charges WHERE cost_usd IS NOT NULL LIMIT 1) AS template
    ORDER BY n
)"""


def main() -> None:
    """Measure, and say what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rate", type=int, default=5_000, help="rows a second written")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        call = a_call("0.01", occurred_at=NOON)
        with served_page(Path(folder), [call]) as system:
            calls = _CALLS.format(
                rows=asked.rows, until=NOON.isoformat(), quick=", ".join(QUICK_SUMS)
            )
            query = f"INSERT INTO charges BY NAME {with_quick_sums(calls)}"
            system.sink.ledger.execute(query)
            roll_up_anew(system.sink.ledger)
            with _written(system, asked.rate):
                _measure(system)


def _measure(system: PageSystem) -> None:
    with a_browser() as browser:
        paints = []
        for _ in range(_TIMES):
            with browser.new_context(base_url=system.url) as context:
                page = context.new_page()
                page.goto("/")
                paints.append(float(page.evaluate(_PAINT)))
    print(f"first paint: {median(paints):.0f} ms")
    view = View()
    questions: dict[str, Callable[[Ledger], object]] = {
        "spend now": lambda ledger: ask_now(ledger, view, NOON),
        "over time": lambda ledger: ask_spent(ledger, view, NOON),
        "by user": lambda ledger: ask_card(ledger, view, NOON, "user"),
        "12 months": lambda ledger: ask_spent(ledger, view.last("12m"), NOON),
        "budgets, alerts, prices": lambda ledger: ask_plans(ledger, view, NOON),
    }
    with open_ledger(system.data) as ledger:
        for name, question in questions.items():
            print(f"{name}: {_took(partial(question, ledger))}")


def _took(ask: Callable[[], object]) -> str:
    walls, before = [], _cpu()
    for _ in range(_TIMES):
        began = time.perf_counter()
        ask()
        walls.append(time.perf_counter() - began)
    cpu = (_cpu() - before) / _TIMES
    return f"{median(walls) * 1000:.0f} ms, {cpu * 1000:.0f} ms of CPU with the sink's"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def _written(system: PageSystem, rate: int) -> Iterator[None]:
    """Write rows at a steady rate for as long as the block runs."""
    stop = threading.Event()
    calls = [a_call("0.01", occurred_at=NOON) for _ in range(_BATCH)]

    def write() -> None:
        while not stop.wait(_BATCH / rate if rate else None):
            system.charge(*calls)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


if __name__ == "__main__":
    main()
