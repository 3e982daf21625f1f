"""What a broker is asked and told from outside: is it there, topics, offsets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.structs import TopicPartition

from taximeter.broker.unavailable import unavailable_means
from taximeter_schemas.errors import BrokerUnavailable, ConfigurationError
from taximeter_schemas.topics import Topic, Topics

__all__ = [
    "check_broker",
    "committed_offsets",
    "drop_topics",
    "end_offsets",
    "ensure_topics",
    "wait_for_broker",
    "waiting",
]

_PATIENCE_SECONDS = 5.0
_MAX_REPLICAS = 3
_LOOK_SECONDS = 0.05
_NEAR = 100
_QUIET_MS = 500


async def check_broker(bootstrap: str, seconds: float = _PATIENCE_SECONDS) -> int:
    """Return how many brokers answer at an address.

    Raises:
        BrokerUnavailable: nothing does, or not within the given seconds.
    """
    async with _admin(bootstrap, seconds) as admin:
        cluster = await admin.describe_cluster()
    return len(cluster["brokers"])


async def wait_for_broker(bootstrap: str, seconds: float) -> None:
    """Wait until a broker that is starting answers a real request.

    Raises:
        BrokerUnavailable: it did not within the given seconds.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await _answers(bootstrap):
                await asyncio.sleep(0.1)
    except TimeoutError:
        waited = f"not within {seconds:.0f} s"
        raise BrokerUnavailable(bootstrap, waited) from None


async def ensure_topics(bootstrap: str, topics: Topics) -> None:
    """Make the broker's topics what the registry says; safe to repeat.

    Raises:
        BrokerUnavailable: no broker answers.
        ConfigurationError: a topic exists with another number of partitions, or the
            broker refuses one.
    """
    async with _admin(bootstrap) as admin:
        existing = await _partition_counts(admin, topics.all)
        _check_partitions(topics, existing)
        missing = [topic for topic in topics.all if topic.name not in existing]
        if missing:
            await _create(admin, missing)
            _check_partitions(topics, await _wait_until_known(admin, topics))
        await _configure(admin, topics)


async def drop_topics(bootstrap: str, prefix: str) -> None:
    """Delete every topic whose name begins so, and what is in it."""
    async with _admin(bootstrap) as admin:
        names = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if names:
            await admin.delete_topics(names)


async def end_offsets(bootstrap: str, topics: Iterable[Topic]) -> dict[str, list[int]]:
    """Return the next offset of each partition, by topic; not of missing topics.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    async with _admin(bootstrap) as admin:
        counts = await _partition_counts(admin, topics)
    if not counts:
        return {}
    places = [TopicPartition(name, p) for name, n in counts.items() for p in range(n)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, request_timeout_ms=int(_PATIENCE_SECONDS * 1000)
    )
    with unavailable_means(bootstrap):
        try:
            await consumer.start()
            ends = await consumer.end_offsets(places)
        finally:
            await consumer.stop()
    return {
        name: [ends[TopicPartition(name, p)] for p in range(n)]
        for name, n in counts.items()
    }


async def waiting(
    bootstrap: str, topic: Topic, reached: Mapping[int, int], near: int = _NEAR
) -> dict[int, int | None]:
    """Return how many records of each partition lie behind the offset reached.

    A transaction's end stands in a partition like a record and takes an offset, so a
    distance of at most `near` is not taken for what it is but read: there may be no
    record behind it at all.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    ends = (await end_offsets(bootstrap, [topic])).get(topic.name, [])
    behind = {p: _behind(end, reached.get(p)) for p, end in enumerate(ends)}
    starts = {p: reached[p] for p, count in behind.items() if count and count <= near}
    return behind | (await _count(bootstrap, topic, starts) if starts else {})


async def committed_offsets(bootstrap: str, group: str) -> dict[tuple[str, int], int]:
    """Return what a consumer group has committed, by topic and partition.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    async with _admin(bootstrap) as admin:
        try:
            committed = await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:  # no group has committed anything yet
            return {}
    return {(at.topic, at.partition): meta.offset for at, meta in committed.items()}


def _behind(end: int, at: int | None) -> int | None:
    """Return the distance to the end; unknown where nobody says how far it got."""
    if at is None:
        return None if end else 0
    return max(0, end - at)


async def _count(
    bootstrap: str, topic: Topic, starts: Mapping[int, int]
) -> dict[int, int]:
    """Count the records from these offsets on, until no more come."""
    counts = dict.fromkeys(starts, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed"
    )
    with unavailable_means(bootstrap):
        try:
            await consumer.start()
            places = {TopicPartition(topic.name, p): at for p, at in starts.items()}
            consumer.assign(list(places))
            for place, offset in places.items():
                consumer.seek(place, offset)
            while batch := await consumer.getmany(timeout_ms=_QUIET_MS):
                for place, records in batch.items():
                    counts[place.partition] += len(records)
        finally:
            await consumer.stop()
    return counts


async def _answers(bootstrap: str) -> bool:
    try:
        return await check_broker(bootstrap, 2.0) > 0
    except BrokerUnavailable:
        return False


@asynccontextmanager
async def _admin(
    bootstrap: str, seconds: float = _PATIENCE_SECONDS
) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect, or say in one line that nothing is there.

    A plain connection comes first: it fails at once and says why, where the Kafka
    client would try on and log each attempt.
    """
    await _reach(bootstrap, seconds)
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=int(seconds * 1000)
    )
    try:
        with unavailable_means(bootstrap):
            async with asyncio.timeout(seconds):
                await admin.start()
            yield admin
    finally:
        await admin.close()


async def _reach(bootstrap: str, seconds: float) -> None:
    reason = ""
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdecimal():
            raise BrokerUnavailable(bootstrap, "an address is HOST:PORT")
        try:
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, OverflowError) as error:
            reason = _short(error)
            continue
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return
    raise BrokerUnavailable(bootstrap, reason)


def _short(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "no answer"
    return str(getattr(error, "strerror", None) or error)


async def _partition_counts(
    admin: AIOKafkaAdminClient, topics: Iterable[Topic]
) -> dict[str, int]:
    known = set(await admin.list_topics())
    wanted = [topic.name for topic in topics if topic.name in known]
    if not wanted:
        return {}
    described: list[dict[str, Any]] = await admin.describe_topics(wanted)
    return {each["topic"]: len(each["partitions"]) for each in described}


def _check_partitions(topics: Topics, existing: Mapping[str, int]) -> None:
    for topic in topics.all:
        found = existing.get(topic.name)
        if found not in (None, topic.partitions):
            raise ConfigurationError(
                f"topic {topic.name} has {found} partitions, not {topic.partitions}: "
                "give that number with TAXIMETER_PARTITIONS, or use another prefix"
            )


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    cluster = await admin.describe_cluster()
    replicas = min(len(cluster["brokers"]), _MAX_REPLICAS)
    response: Any = await admin.create_topics(
        [
            NewTopic(each.name, each.partitions, replicas, topic_configs=each.config)
            for each in topics
        ]
    )
    for name, code, *words in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            why = words[0] if words and words[0] else for_code(code).__name__
            raise ConfigurationError(f"Kafka refuses to create topic {name}: {why}")


async def _wait_until_known(
    admin: AIOKafkaAdminClient, topics: Topics
) -> dict[str, int]:
    """Wait until clients are told of every topic; creating only begins it."""
    async with asyncio.timeout(_PATIENCE_SECONDS * 2):
        while True:
            counts = await _partition_counts(admin, topics.all)
            if len(counts) == len(topics.all):
                return counts
            await asyncio.sleep(_LOOK_SECONDS)


async def _configure(admin: AIOKafkaAdminClient, topics: Topics) -> None:
    """Give each topic its settings, also one that another made just before us."""
    for topic in topics.all:
        if _differs(topic.config, await _config_of(admin, topic)):
            resource = ConfigResource(
                ConfigResourceType.TOPIC, topic.name, dict(topic.config)
            )
            responses: list[Any] = await admin.alter_configs([resource])
            for code, words, *_ in responses[0].resources:
                if code:
                    why = words or for_code(code).__name__
                    raise ConfigurationError(
                        f"Kafka refuses the configuration of topic {topic.name}: {why}"
                    )


async def _config_of(admin: AIOKafkaAdminClient, topic: Topic) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
    responses: list[Any] = await admin.describe_configs([resource])
    entries = responses[0].resources[0][4]
    return {entry[0]: entry[1] for entry in entries}


def _differs(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    return any(found.get(name) != value for name, value in wanted.items())
