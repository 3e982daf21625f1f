"""The state of one partition: keys and values that Kafka keeps.

A table's rows are in a compacted changelog topic with as many partitions as its source,
and here, encoded (`rows.py`). Rows change only by a flush, which writes them, the
progress that they stand for, and everything else that follows from it in one
transaction; opening a table reads its changelog back. Faust's own tables are not used
for this: docs/adr/0002 says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taximeter_processors.kafka import Batches, LogRecord, TransactionalWriter, read_log
from taximeter_processors.rows import StoredRows
from taximeter_schemas.fault_points import reached

__all__ = ["PartitionTable"]


class PartitionTable:
    """The rows of one partition, and the one right to write them.

    Args:
        bootstrap: Kafka's address.
        changelog: the compacted topic that keeps the rows.
        partition: which partition of it.
        writer_name: what fences an earlier owner of the same partition.
        agent: whose rows they are, for the fault points.
        aside: rows whose keys begin so are not among `rows`; see `take_aside`.
    """

    def __init__(
        self,
        bootstrap: str,
        changelog: str,
        partition: int,
        writer_name: str,
        agent: str,
        aside: bytes | None = None,
    ) -> None:
        self.rows = StoredRows()
        self._bootstrap = bootstrap
        self._changelog = changelog
        self._partition = partition
        self._agent = agent
        self._prefix = aside
        self._aside: dict[bytes, bytes] = {}
        self._writer = TransactionalWriter(bootstrap, writer_name, agent)

    async def open(self) -> None:
        """Fence the earlier owner, then read back what it had committed."""
        await self._writer.open()
        reached(self._agent, "fenced")
        log = read_log(self._bootstrap, self._changelog, self._partition)
        async for records in log:
            self._restore(records)
        reached(self._agent, "restored")

    def _restore(self, records: Sequence[LogRecord]) -> None:
        last = {record.key or b"": record.value for record in records}
        if self._prefix is not None:
            for key in [key for key in last if key.startswith(self._prefix)]:
                _put(self._aside, key, last.pop(key))
        self.rows.put((key, row) for key, row in last.items() if row is not None)
        for key in (key for key, row in last.items() if row is None):
            self.rows.discard(key)

    def take_aside(self) -> Iterable[tuple[bytes, bytes]]:
        """Return, once, the rows that are not among `rows`, as they were read back."""
        aside, self._aside = self._aside, {}
        return aside.items()

    async def close(self) -> None:
        """Let the partition go."""
        self.rows.close()
        await self._writer.close()

    async def write(
        self,
        rows: Sequence[tuple[bytes, bytes]],
        also: Batches,
        aside: Sequence[tuple[bytes, bytes | None]] = (),
    ) -> None:
        """Write rows, and what else the same flush says, all or nothing.

        The rows here follow only once the transaction is through. Those aside, of
        which some may be gone, are for the next owner alone.

        Raises:
            Fenced: another worker owns the partition now.
            KafkaError: nothing was written, or nobody knows.
        """
        here = self._changelog, self._partition
        await self._writer.write({**also, here: [*aside, *rows]})
        self.rows.put(rows)


def _put(rows: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        rows.pop(key, None)
    else:
        rows[key] = value
