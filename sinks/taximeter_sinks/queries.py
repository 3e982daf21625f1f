"""The read side of the ledger: questions in, exact answers out.

While a sink serves the ledger it is asked over Quack; while none does, the file is
opened, for as long as one query takes. The answers are the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeVar
from uuid import UUID

import duckdb
import pyarrow

from taximeter_schemas.errors import LedgerError, LedgerUnavailable, QueryFailed
from taximeter_schemas.subjects import Subject, SubjectKind
from taximeter_sinks.charge_sums import (
    REPRICING_SINCE,
    list_cost,
    unpriced_calls,
)
from taximeter_sinks.charged_calls import (
    CallFilter,
    Extent,
    calls_query,
    extent_query,
    stretches,
)
from taximeter_sinks.columns import Columns, as_columns
from taximeter_sinks.dimensions import Only
from taximeter_sinks.hourly import HourSums, hourly_query, hourly_rows
from taximeter_sinks.ledger_file import open_for_reading
from taximeter_sinks.migrate import check_version
from taximeter_sinks.quack import (
    QuackClient,
    Read,
    Rows,
    ServedLedger,
    ServerAway,
    as_rows,
)
from taximeter_sinks.quick_sums import MISSTATED, QUICK_SINCE
from taximeter_sinks.read_only import check_read_only
from taximeter_sinks.roll_ups import ROLL_UPS, ROLLED_SINCE, differing
from taximeter_sinks.spend import (
    Part,
    ProviderCostRow,
    SpendRow,
    parts_query,
    provider_cost_query,
    spend_query,
    totals_query,
    unpriced_query,
)
from taximeter_sinks.sql_text import sql_literal
from taximeter_sinks.tops import Top, tops_query

__all__ = [
    "Duplicates",
    "Ledger",
    "PartitionCharges",
    "ProviderCostRow",
    "Rows",
    "SpendRow",
    "Top",
]

T = TypeVar("T")
Locate = Callable[[], ServedLedger | None]
"""Tells where a running sink serves the ledger, if one does."""

_ASKED_AT_ONCE: Final = 1_000
_LOOK_SECONDS: Final = 0.1
_VERSION: Final = "SELECT max(version) FROM schema_versions"


class PartitionCharges(NamedTuple):
    """The charges of one source partition of `usage`, as far as they are in.

    `cost_usd` is the exact sum, 0 if there is nothing priced, `list_cost_usd` that of
    what the list says. `max_offset` is the largest usage offset among the rows, None
    without rows. `misstated` rows have quick sums that are not what the row says.
    """

    cost_usd: Decimal
    rows: int
    unpriced: int
    max_offset: int | None
    list_cost_usd: Decimal
    misstated: int


class Duplicates(NamedTuple):
    """Rows too many: with an id, or with a place of origin, that stood before."""

    event_ids: int
    places: int


class Ledger:
    """Answers questions about the ledger, from any thread.

    Make it with `Ledger.open`.
    """

    def __init__(
        self,
        path: Path,
        client: QuackClient | None,
        locate: Locate | None,
        patience_seconds: float,
    ) -> None:
        self._path = path
        self._client = client
        self._locate = locate
        self._patience_seconds = patience_seconds
        self._version = 0

    @classmethod
    def open(
        cls,
        path: Path,
        served: ServedLedger | None = None,
        locate: Locate | None = None,
        patience_seconds: float = 0.0,
    ) -> Self:
        """Open a ledger for reading.

        Args:
            path: the ledger file.
            served: where a running sink serves it, if one does. If that turns out to
                be gone, the file is read.
            locate: tells where it is served by now; asked when a sink came or went
                between two questions. Without it that is an error.
            patience_seconds: how long such a change may take.

        Raises:
            LedgerUnavailable: if there is no ledger, or another process holds it.
            LedgerTooNew: if a newer Taximeter wrote it.
        """
        if served is not None:
            ledger = cls(path, QuackClient(served), locate, patience_seconds)
            try:
                ledger._check_version()
            except ServerAway:
                ledger.close()
            else:
                return ledger
        ledger = cls(path, None, locate, patience_seconds)
        ledger._check_version()
        return ledger

    def close(self) -> None:
        """Let go of what reading needed."""
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sql(self, query: str) -> Rows:
        """Answer one SELECT.

        Raises:
            QueryRefused: if it is more than that.
            QueryFailed: if it is wrong.
            LedgerUnavailable: if the ledger cannot be reached any more.
        """
        check_read_only(query)
        return self._ask(query)

    def arrow(self, query: str) -> pyarrow.Table:
        """Answer one SELECT with an Arrow table: quicker where rows are many.

        Raises:
            QueryRefused: as `sql`, and the others.
        """
        check_read_only(query)
        return self._read(query, lambda answer: answer.to_arrow_table())

    def spend(
        self,
        by: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
        tz: str = "UTC",
        limit: int | None = None,
        only: Only | None = None,
    ) -> list[SpendRow]:
        """Return spend by the given dimensions over `[start, end)` of event time.

        See `taximeter_sinks.spend.spend_query`.
        """
        answer = self._ask(spend_query(by, start, end, tz, limit, self._at(), only))
        return [SpendRow(row[: len(by)], *row[len(by) :]) for row in answer.rows]

    def hourly(
        self,
        kinds: Mapping[SubjectKind, Collection[Subject] | None],
        start: datetime,
        end: datetime | None = None,
    ) -> dict[Subject, HourSums]:
        """Return the spend of subjects by the hour, over `[start, end)`.

        Args:
            kinds: for each kind the subjects that are meant; None for all of it.
            start: the earliest event time.
            end: what comes behind the latest one.
        """
        if not kinds:
            return {}
        return hourly_rows(self._ask(hourly_query(kinds, start, end, self._at())).rows)

    def tops(
        self,
        subject: Subject,
        start: datetime | None,
        end: datetime | None,
        limit: int = 3,
    ) -> list[Top]:
        """Return the dearest models and users in what a subject spent."""
        answer = self._ask(tops_query(subject, start, end, limit))
        return [Top(*row) for row in answer.rows]

    def totals(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        only: Only | None = None,
    ) -> SpendRow:
        """Return the spend of everything over `[start, end)` of event time."""
        return self.spend((), start, end, only=only)[0]

    def totals_of(
        self,
        stretches: Sequence[tuple[datetime | None, datetime | None]],
        only: Only | None = None,
    ) -> list[SpendRow]:
        """Return the spend of everything over each `[start, end)`, in their order."""
        if not stretches:
            return []
        answer = self._ask(totals_query(stretches, only, self._at()))
        return [SpendRow((), *row[1:]) for row in answer.rows]

    def parts(
        self, parts: Sequence[Part], tz: str, only: Only | None = None
    ) -> list[list[SpendRow]]:
        """Return several reports from one look at the ledger, rows in no order.

        Keys are text, those of days, weeks and months too.
        """
        found: list[list[SpendRow]] = [[] for _ in parts]
        if not parts:
            return found
        for place, key, *sums in self._ask(
            parts_query(parts, tz, only, self._at())
        ).rows:
            found[place].append(SpendRow((key,), *sums))
        return found

    def provider_costs(
        self,
        by: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
        tz: str = "UTC",
        limit: int | None = None,
        only: Only | None = None,
    ) -> list[ProviderCostRow]:
        """Return what providers state that calls cost, beside our cost of the same.

        See `taximeter_sinks.spend.provider_cost_query`.
        """
        answer = self._ask(provider_cost_query(by, start, end, tz, limit, only))
        return [ProviderCostRow(row[: len(by)], *row[len(by) :]) for row in answer.rows]

    def unpriced(self) -> Rows:
        """Return what has no price, by model and reason, what is called most first."""
        return self._ask(unpriced_query(self._at()))

    def calls_to_reprice(self, wanted: CallFilter) -> Extent | None:
        """Return where the charges of these calls stand; None if there are none.

        Raises:
            LedgerUnavailable: an older release wrote it, without columns for this.
        """
        if self._at() < REPRICING_SINCE:
            words = "its tables are older than this release; start 'taximeter up'"
            raise LedgerUnavailable(self._path, words)
        return Extent.of(self._ask(extent_query(wanted)).rows[0])

    def costs_so_far(
        self, wanted: CallFilter, extent: Extent, *, own: bool = False
    ) -> Iterator[Columns]:
        """Yield what each call has cost so far, some ten thousand at a time.

        See `taximeter_sinks.charged_calls.FACTS`; `own` asks for all of them.
        """
        for stretch in stretches(extent):
            query = calls_query(wanted, extent.units, stretch, own=own)
            yield self._read(query, as_columns)

    def budget_status(self) -> Rows:
        """Return how each subject stands in each period, the fullest budgets first."""
        return self._ask(
            "SELECT * EXCLUDE (status_key) FROM budget_status ORDER BY "
            "spent_usd / nullif(limit_usd, 0) DESC NULLS FIRST, "
            "budget_id, subject_id, period_start"
        )

    def budgets(self) -> Rows:
        """Return the latest definition of every budget, removed ones with the date."""
        return self._ask("SELECT * FROM budgets ORDER BY budget_id")

    def alerts(self, limit: int = 100) -> Rows:
        """Return the newest alerts, newest first."""
        return self._ask(
            f"SELECT * FROM alerts ORDER BY raised_at DESC, alert_id LIMIT {int(limit)}"  # noqa: S608
        )

    def alert(self, alert_id: UUID) -> Rows:
        """Return the alert of an id: one row, or none as long as it is not there."""
        wanted = sql_literal(str(alert_id))
        return self._ask(f"SELECT * FROM alerts WHERE alert_id = {wanted}")  # noqa: S608

    def dead_letters(self, limit: int = 100) -> Rows:
        """Return the newest dead letters, newest first."""
        return self._ask(
            "SELECT * FROM dead_letters ORDER BY recorded_at DESC, dead_letter_id "  # noqa: S608
            f"LIMIT {int(limit)}"
        )

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has."""
        tables = (
            "charges",
            "alerts",
            "budgets",
            "budget_status",
            "dead_letters",
            "price_versions",
            "undecodable_records",
        )
        columns = ", ".join(f"(SELECT count(*) FROM {name})" for name in tables)  # noqa: S608
        return dict(zip(tables, self._ask(f"SELECT {columns}").rows[0], strict=True))

    def charged(self, event_ids: Collection[UUID]) -> set[UUID]:
        """Return which of these events have a charge."""
        texts = [f"'{event_id}'" for event_id in event_ids]
        found: set[UUID] = set()
        for start in range(0, len(texts), _ASKED_AT_ONCE):
            listed = ", ".join(texts[start : start + _ASKED_AT_ONCE])
            query = f"SELECT event_id FROM charges WHERE event_id IN ({listed})"  # noqa: S608
            found |= {UUID(str(row[0])) for row in self._ask(query).rows}
        return found

    def schema_version(self) -> int:
        """Return the version of the ledger's tables; an older one is read as it is."""
        return int(self._ask(_VERSION).rows[0][0])

    def charged_by_partition(
        self, up_to: Mapping[int, int] | None = None
    ) -> dict[int, PartitionCharges]:
        """Return what has been charged for each source partition.

        Args:
            up_to: for each partition the largest usage offset that counts; partitions
                that it does not name are left out. None counts everything.
        """
        where = "" if up_to is None else f"WHERE {_up_to(up_to)}"
        listed = list_cost(self._at())
        wrong = f"count(*) FILTER {MISSTATED}"
        misstated = wrong if self._at() >= QUICK_SINCE else "0"
        answer = self._ask(
            "SELECT source_partition, coalesce(sum(cost_usd), 0)::DECIMAL(38, 12), "  # noqa: S608
            f"count(*), {unpriced_calls(self._at())}, max(source_offset), "
            f"coalesce(sum({listed}), 0)::DECIMAL(38, 12), {misstated} "
            f"FROM charges {where} GROUP BY 1 ORDER BY 1"
        )
        return {row[0]: PartitionCharges(*row[1:]) for row in answer.rows}

    def duplicates(self) -> Duplicates:
        """Return how many rows are there twice; both numbers have to be 0."""
        answer = self._ask(
            "SELECT count(*) - count(DISTINCT event_id), "
            "count(*) - count(DISTINCT "
            "(source_partition, source_offset, source_position)) FROM charges"
        )
        return Duplicates(*answer.rows[0])

    def misrolled(self) -> dict[str, int]:
        """Return for each roll-up how many cells are not the sum of their charges."""
        if self._at() < ROLLED_SINCE:
            return {}
        counts = [(one.table, self._ask(differing(one)).rows[0][0]) for one in ROLL_UPS]
        return dict(counts)

    def source_offsets(self) -> dict[int, int]:
        """Return for each source partition the usage offset up to which all is in."""
        answer = self._ask(
            "SELECT partition, source_offset FROM consumed_offsets "
            "WHERE source_offset IS NOT NULL ORDER BY 1"
        )
        return {row[0]: row[1] for row in answer.rows}

    def consumed_offsets(self) -> dict[tuple[str, int], int]:
        """Return the next offset of each topic and partition that the sink reads."""
        answer = self._ask("SELECT topic, partition, next_offset FROM consumed_offsets")
        return {(row[0], row[1]): row[2] for row in answer.rows}

    def _at(self) -> int:
        """Return the version of the tables; what is old may be migrated any moment."""
        if self._version < ROLLED_SINCE:
            self._version = self.schema_version()
        return self._version

    def _check_version(self) -> None:
        try:
            version = self._read_either(_VERSION, as_rows).rows[0][0]
            check_version(self._path, version)
            self._version = version
        except QueryFailed as error:
            raise LedgerUnavailable(self._path, "it is not a ledger") from error
        except LedgerError:
            self.close()
            raise

    def _ask(self, query: str) -> Rows:
        return self._read(query, as_rows)

    def _read(self, query: str, read: Read[T]) -> T:
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                return self._read_either(query, read)
            except (ServerAway, LedgerUnavailable) as error:
                if self._locate is None or time.monotonic() >= deadline:
                    raise _unavailable(self._path, error) from error
            time.sleep(_LOOK_SECONDS)
            # Not closed: another thread may be in the middle of a question to it.
            served = self._locate()
            self._client = QuackClient(served) if served else None

    def _read_either(self, query: str, read: Read[T]) -> T:
        if self._client is None:
            return self._read_file(query, read)
        return self._client.ask(query, read)

    def _read_file(self, query: str, read: Read[T]) -> T:
        with open_for_reading(self._path) as ledger:
            try:
                return read(ledger.execute(query))
            except duckdb.Error as error:
                raise QueryFailed(str(error)) from error


def _unavailable(path: Path, error: Exception) -> LedgerUnavailable:
    if isinstance(error, LedgerUnavailable):
        return error
    return LedgerUnavailable(path, str(error))


def _up_to(offsets: Mapping[int, int]) -> str:
    bounds = [
        f"(source_partition = {int(number)} AND source_offset <= {int(offset)})"
        for number, offset in offsets.items()
    ]
    return " OR ".join(bounds) or "false"
