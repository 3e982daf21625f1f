"""Faust's Kafka transport: committed records only, at once, and many to a message.

What a worker wrote in a transaction that did not come about must not be seen by
another, and Faust turns that on only together with its own transactions. And each
message takes the worker some 300 µs of CPU, whatever is in it: so what one fetch
brought of a partition is handed on in batches, which are to Faust one message each.
It also asks the group's coordinator whether this worker is still one of the group, and
commits nothing while the group is being joined. This uses the classes that Faust's
transport offers for extension.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from taximeter_processors.kafka import LogRecord, is_member, log_record
from taximeter_schemas.slices import slices_of

__all__ = ["BatchMessage", "CommittedConsumer", "CommittedTransport"]

_FETCH_WAIT_MS: Final = 50

# Some milliseconds of work, in which nothing else is done.
_BATCH_BYTES: Final = 64 * 1024

_ANSWER_SECONDS: Final = 5.0


class BatchMessage(ConsumerMessage):
    """Records of one partition, without a gap, as one message of Faust's.

    Its offset is that of the last one.
    """

    __slots__ = ("records",)

    records: Sequence[LogRecord]


class _CommittedConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:  # noqa: ANN401
        consumer = super()._create_worker_consumer(transport)
        # Both are read when the consumer starts; aiokafka takes them at construction,
        # which is Faust's. A fetch that waits on idle partitions keeps the busy ones
        # waiting too, with Faust's own setting for up to 1.5 seconds.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        return consumer

    async def is_member(self) -> bool:
        """Ask the coordinator whether our generation is the group's."""
        return await is_member(self._ensure_consumer())

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        # The broker answers it behind the join, and finds its generation too old: to
        # aiokafka that means that it is not a member any more. It joins once more, and
        # the group waits a whole session for the member that it has just become.
        coordinator: Any = self._ensure_consumer()._coordinator
        if coordinator._performed_join_prepare:
            return False
        return await super()._commit(offsets)


class CommittedConsumer(driver.Consumer):
    """Faust's consumer, of committed records, that knows whether it is a member."""

    async def is_member(self) -> bool:
        """Tell whether the group counts us in, and its partitions stay as they are.

        If so, what we were assigned is nobody else's just now.

        Raises:
            KafkaError: nobody knows.
            TimeoutError: the coordinator does not answer.
        """
        if self.app.rebalancing:
            return False
        async with asyncio.timeout(_ANSWER_SECONDS):
            thread = cast(_CommittedConsumerThread, self._thread)
            member: bool = await thread.call_thread(thread.is_member)
        return member and not self.app.rebalancing

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        # Each batch leaves a gap before its offset, which Faust counts as done with the
        # gap, and once more with the batch: then it commits a batch a second, and
        # remembers all others. It also puts the tree of gaps in order for each of
        # them, which was a seventh of a busy worker's time.
        offset_from = max(offset_from, (self._committed_offset[tp] or 0))
        if offset_from < offset_to:
            self._gap[tp].addi(offset_from, offset_to)

    def _new_offset(self, tp: TP) -> int | None:
        self._gap[tp].merge_overlaps()
        offset: int | None = super()._new_offset(tp)
        return offset

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _CommittedConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(
        self, active_partitions: set[TP] | None, timeout: float
    ) -> dict[TP, list[Any]]:
        fetched = await super()._getmany(active_partitions, timeout)
        return {
            tp: list(slices_of(records, _BATCH_BYTES))
            for tp, records in fetched.items()
        }

    def _to_message(self, tp: TP, record: Any) -> BatchMessage:  # noqa: ANN401
        last = record[-1]
        message = BatchMessage(
            last.topic,
            last.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            headers=None,
            key=None,
            value=b"",
            checksum=None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )
        message.records = [log_record(each) for each in record]
        return message


class CommittedTransport(driver.Transport):
    """Faust's transport with consumers that wait for transactions to end."""

    Consumer = CommittedConsumer
