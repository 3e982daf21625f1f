"""Reading and writing beside Faust: what Kafka does at the wrong moment."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from taximeter_processors.kafka import Writer, read_log, written_offset
from tests.integration.processors.broker_side import BrokerSide

pytestmark = pytest.mark.broker


async def what_is_read(side: BrokerSide, end: int, *, wait: bool) -> list[bytes | None]:
    """Return the values of the first partition of the charges."""
    log = read_log(side.bootstrap, side.topics.charges.name, 0, end=end, wait=wait)
    return [record.value async for records in log for record in records]


async def test_what_a_transaction_wrote_is_waited_for_until_it_can_be_read(
    side: BrokerSide,
) -> None:
    """A recount that began before the markers stood would lack the last flush."""
    charges = side.topics.charges.name
    async with AIOKafkaProducer(
        bootstrap_servers=side.bootstrap, transactional_id="an-owner"
    ) as owner:
        async with owner.transaction():
            await owner.send_and_wait(charges, b"[1]", partition=0)
        async with owner.transaction():
            await owner.send_and_wait(charges, b"[2]", partition=0)
            end = await written_offset(side.bootstrap, charges, 0)
            assert await what_is_read(side, end, wait=False) == [b"[1]"]
            waiting = asyncio.create_task(what_is_read(side, end, wait=True))
            assert not (await asyncio.wait({waiting}, timeout=2))[0]
        async with asyncio.timeout(20):
            assert await waiting == [b"[1]", b"[2]"]


async def test_a_writer_whose_sending_ended_is_one_again(side: BrokerSide) -> None:
    """It waits for Kafka no longer than it was told to, and then begins anew."""
    spend, batch = side.topics.spend, {(side.topics.spend.name, 0): [(b"k", b"v")]}
    writer = Writer(side.bootstrap, "a-writer", answer_seconds=2)
    await writer.write(batch)
    producer = writer._producer
    assert producer is not None
    sending = producer._sender.sender_task
    assert sending is not None
    sending.cancel()
    with pytest.raises(TimeoutError):
        await writer.write(batch)
    await writer.write(batch)
    await writer.close()
    assert [record.value for record in await side.read(spend)] == [b"v", b"v"]
