"""Our partitions are Kafka's."""

from __future__ import annotations

from uuid import UUID

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as kafkas_murmur2
from hypothesis import given
from hypothesis import strategies as st

from taximeter_schemas.partitioning import murmur2, partition_of
from taximeter_schemas.records import usage_key, usage_partition

keys = st.binary(max_size=300)
partition_counts = st.integers(min_value=1, max_value=1000)


@given(keys)
def test_hash_is_the_clients(key: bytes) -> None:
    """Any bytes hash to what the Kafka client makes of them."""
    assert murmur2(key) == kafkas_murmur2(key)


@given(keys, partition_counts)
def test_partition_is_the_clients(key: bytes, partitions: int) -> None:
    """Any key goes where the Kafka client's default partitioner sends it."""
    everywhere = list(range(partitions))

    chosen = DefaultPartitioner()(key, everywhere, everywhere)

    assert partition_of(key, partitions) == chosen


@given(st.uuids(), partition_counts)
def test_usage_partition_is_that_of_the_ids_text(event_id: UUID, count: int) -> None:
    """An event belongs where a foreign producer with the id's text as key puts it."""
    assert usage_key(event_id) == str(event_id).encode()
    assert usage_partition(event_id, count) == partition_of(usage_key(event_id), count)
