"""A writer that is fenced finds out at any moment, and always says the same."""

from __future__ import annotations

from collections import UserDict
from collections.abc import AsyncIterator, ItemsView
from typing import Any

import pytest
from aiokafka.errors import ProducerFenced

from taximeter_processors.kafka import Fenced, TransactionalWriter


def manager_of(writer: TransactionalWriter) -> Any:  # noqa: ANN401
    """Return what aiokafka knows of the writer's transaction."""
    return writer._producer._txn_manager


@pytest.fixture
async def writer() -> AsyncIterator[TransactionalWriter]:
    """Give a writer that has its id and knows its topic, and no Kafka."""
    writer = TransactionalWriter("nowhere:1", "usage-0", "price_usage")
    manager_of(writer).set_pid_and_epoch(1, 0)
    writer._producer.client.cluster._partitions = {"charges": {0: None}}
    yield writer
    await writer.close()


def is_fenced(writer: TransactionalWriter) -> None:
    """Let aiokafka's sender have been told of a successor."""
    manager_of(writer).fatal_error(ProducerFenced())


class FencedOnTheWay(UserDict[tuple[str, int], Any]):
    """Batches between whose start and end the writer is fenced."""

    def __init__(self, writer: TransactionalWriter, *records: Any) -> None:  # noqa: ANN401
        super().__init__({("charges", 0): records})
        self._writer = writer

    def items(self) -> ItemsView[tuple[str, int], Any]:
        """Give the batches, when the transaction has begun."""
        is_fenced(self._writer)
        return super().items()


async def test_fenced_before_the_first_record(writer: TransactionalWriter) -> None:
    """Nothing can be added to a transaction that is over."""
    with pytest.raises(Fenced):
        await writer.write(FencedOnTheWay(writer, (b"key", b"value")))


async def test_fenced_before_the_commit(writer: TransactionalWriter) -> None:
    """What was written cannot be committed any more."""
    with pytest.raises(Fenced):
        await writer.write(FencedOnTheWay(writer))


async def test_fenced_between_two_flushes(writer: TransactionalWriter) -> None:
    """The next transaction does not begin."""
    await writer._producer.begin_transaction()
    is_fenced(writer)
    with pytest.raises(Fenced):
        await writer.write({})
