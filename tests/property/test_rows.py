"""Rows in memory and on disk are one dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.rows import StoredRows

KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f"])
WRITES = st.lists(st.tuples(KEYS, st.binary(max_size=2)), max_size=8)
STEPS = st.lists(st.one_of(WRITES, KEYS), max_size=12)


@given(STEPS, st.integers(1, 4))
def test_they_are_a_dictionary(
    steps: list[list[tuple[bytes, bytes]] | bytes], most: int
) -> None:
    """Written, written again and discarded, whatever has moved to disk meanwhile."""
    rows, model = StoredRows(most), dict[bytes, bytes]()
    for step in steps:
        if isinstance(step, bytes):
            rows.discard(step)
            model.pop(step, None)
        else:
            rows.put(step)
            model.update(step)
        assert rows.in_memory <= most
        listed = list(rows.items())
        assert sorted(listed) == sorted(model.items())
        assert {key: rows.get(key) for key in model} == model
        assert all(rows.get(key) is None for key in (b"a", b"z") if key not in model)
