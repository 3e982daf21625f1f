"""Faust's Kafka transport, reading committed records only, and at once.

What a worker wrote in a transaction that did not come about must not be seen by
another, and Faust turns that on only together with its own transactions. This uses
the classes that its transport offers for extension.
"""

from __future__ import annotations

from typing import Any

from faust.transport.drivers import aiokafka as driver

__all__ = ["CommittedTransport"]

_FETCH_WAIT_MS = 50


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


class CommittedTransport(driver.Transport):
    """Faust's transport with consumers that wait for transactions to end."""

    Consumer = _CommittedConsumer
