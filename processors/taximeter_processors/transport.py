"""Faust's Kafka transport: committed records only, at once, and many to a message.

What a worker wrote in a transaction that did not come about must not be seen by
another, and Faust turns that on only together with its own transactions. And each
message takes the worker some 300 µs of CPU, whatever is in it: so what one fetch
brought of a partition is handed on in batches, which are to Faust one message each.
This uses the classes that its transport offers for extension.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from taximeter_processors.kafka import LogRecord, log_record
from taximeter_schemas.slices import slices_of

__all__ = ["BatchMessage", "CommittedTransport"]

_FETCH_WAIT_MS: Final = 50

# Some milliseconds of work, in which nothing else is done.
_BATCH_BYTES: Final = 64 * 1024


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


class _CommittedConsumer(driver.Consumer):
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

    Consumer = _CommittedConsumer
