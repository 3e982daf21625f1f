"""Our partitions are Kafka's."""

from __future__ import annotations

from uuid import UUID

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as kafkas_murmur2
from hypothesis import given
from hypothesis import strategies as st

from taximeter_schemas.partitioning import murmur2, partition_of, partitions_of
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


@given(st.lists(keys, max_size=40), partition_counts)
def test_many_keys_go_where_each_of_them_goes(many: list[bytes], count: int) -> None:
    """Keys of any lengths get the same partitions together as one by one."""
    assert partitions_of(many, count) == [partition_of(key, count) for key in many]


@given(
    st.integers(0, 12).flatmap(
        lambda words: st.lists(
            st.binary(min_size=4 * words, max_size=4 * words), max_size=300
        )
    ),
    partition_counts,
)
def test_keys_of_one_length_do_not_disturb_each_other(
    many: list[bytes], count: int
) -> None:
    """Side by side in one large number, every key still has its own hash."""
    assert partitions_of(many, count) == [partition_of(key, count) for key in many]


def test_the_largest_words_stay_in_their_lanes() -> None:
    """Nothing is carried over from a key of which every bit is set."""
    many = [b"\xff" * 36, b"\0" * 36] * 50
    assert partitions_of(many, 97) == [partition_of(key, 97) for key in many]
