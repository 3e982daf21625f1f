"""A broker as it is asked and told from outside."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from taximeter.broker.admin import (
    check_broker,
    committed_offsets,
    end_offsets,
    ensure_topics,
)
from taximeter_schemas.errors import BrokerUnavailable, ConfigurationError
from taximeter_schemas.topics import Topics
from tests.serving import serving
from tests.waiting import eventually_async


async def _configs(bootstrap: str, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        responses = await admin.describe_configs([resource])
    finally:
        await admin.close()
    return {entry[0]: entry[1] for entry in responses[0].resources[0][4]}  # type: ignore[attr-defined]  # aiokafka's responses are untyped


async def test_topics_are_what_the_registry_says(
    bootstrap: str, topics: Topics
) -> None:
    """Every topic has its partitions and its configuration."""
    ends = await end_offsets(bootstrap, topics.all)
    assert {name: len(offsets) for name, offsets in ends.items()} == {
        topic.name: topic.partitions for topic in topics.all
    }
    for topic in topics.all:
        found = await _configs(bootstrap, topic.name)
        assert topic.config.items() <= found.items()


async def test_topics_can_be_ensured_again(bootstrap: str, topics: Topics) -> None:
    """Ensuring topics that exist changes nothing and raises nothing."""
    await ensure_topics(bootstrap, topics)
    ends = await end_offsets(bootstrap, [topics.usage, topics.prices])
    assert ends == {topics.usage.name: [0, 0, 0, 0], topics.prices.name: [0]}


async def test_a_topic_made_otherwise_is_configured(bootstrap: str) -> None:
    """A topic that somebody made with defaults gets the registry's configuration."""
    topics = Topics(prefix="made-by-hand.", partitions=2)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topics.usage.name, 2, 1)])
    finally:
        await admin.close()
    await ensure_topics(bootstrap, topics)

    async def is_configured() -> bool:
        found = await _configs(bootstrap, topics.usage.name)
        return found["message.timestamp.type"] == "LogAppendTime"

    await eventually_async(is_configured)


async def test_another_partition_count_is_refused(
    bootstrap: str, topics: Topics
) -> None:
    """Topics that hold events are never repartitioned by accident."""
    with pytest.raises(ConfigurationError, match="has 4 partitions, not 5"):
        await ensure_topics(bootstrap, replace(topics, partitions=5))


async def test_two_at_once_make_the_same_topics(bootstrap: str) -> None:
    """Parts that start together may all ensure the topics."""
    topics = Topics(prefix="both-at-once.", partitions=1)
    await asyncio.gather(*(ensure_topics(bootstrap, topics) for _ in range(3)))


async def test_missing_topics_have_no_end(bootstrap: str) -> None:
    """Asking for the ends of topics that are not there answers at once, empty."""
    assert await end_offsets(bootstrap, Topics(prefix="nowhere.").all) == {}


async def test_committed_offsets_are_seen(bootstrap: str, topics: Topics) -> None:
    """What a group has committed can be asked for; an unknown group has nothing."""
    group = f"{topics.prefix}group"
    assert await committed_offsets(bootstrap, group) == {}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topics.usage.name, b"{}", partition=2)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        place = TopicPartition(topics.usage.name, 2)
        consumer.assign([place])
        await consumer.commit({place: 1})
    finally:
        await consumer.stop()
    assert await committed_offsets(bootstrap, group) == {(topics.usage.name, 2): 1}


async def test_the_broker_counts_itself(bootstrap: str) -> None:
    """A broker that is there answers with how many there are."""
    assert await check_broker(bootstrap) >= 1


async def test_nothing_listens() -> None:
    """An address where nothing listens fails at once and says so."""
    with pytest.raises(BrokerUnavailable, match="connection refused"):
        await check_broker("127.0.0.1:9")


@pytest.mark.parametrize("address", ["", "nowhere", "a:b", "127.0.0.1:"])
async def test_no_address(address: str) -> None:
    """What is no address is told what one looks like."""
    with pytest.raises(BrokerUnavailable, match="an address is HOST:PORT"):
        await check_broker(address)


async def test_something_else_listens() -> None:
    """A server that says nothing in Kafka's language is given up after a while."""

    async def say_nothing(
        reader: asyncio.StreamReader, _: asyncio.StreamWriter
    ) -> None:
        await reader.read()

    async with serving(say_nothing) as port:
        with pytest.raises(BrokerUnavailable, match="does not answer in time"):
            await check_broker(f"127.0.0.1:{port}", seconds=0.5)
