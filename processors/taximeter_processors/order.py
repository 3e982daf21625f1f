"""In what order the records of one partition may be applied.

Pure. Sums that say "all up to this offset" are only true if no record was left out.
After a rebalance an agent can be handed a record from before it, ahead of the ones
that are delivered again: applied, it would hide those for ever. So exactly the next
offset is applied, smaller ones are skipped, and a larger one is a sign to seek back.

Offsets may really be missing, where a compaction or a transaction marker took them.
That shows once the log has been read again from the expected offset and *still*
begins behind it.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["NextInOrder", "Verdict"]


class Verdict(Enum):
    """What to do with a record."""

    APPLY = "apply"
    SKIP = "skip"
    SEEK_BACK = "seek back"
    STRAY = "stray"


class NextInOrder:
    """Decides by offset, record by record.

    Args:
        expected: the offset of the next record to apply.

    >>> order = NextInOrder(5)
    >>> order.decide(4), order.decide(5), order.decide(9), order.decide(10)
    (<Verdict.SKIP: 'skip'>, <Verdict.APPLY: 'apply'>, <Verdict.SEEK_BACK: 'seek back'>, <Verdict.STRAY: 'stray'>)
    >>> order.decide(7)  # delivered again from 6 on, where 6 does not exist
    <Verdict.APPLY: 'apply'>
    >>> order.expected
    8
    """  # noqa: E501 - a doctest's line

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self._newest_stray: int | None = None

    def decide(self, offset: int) -> Verdict:
        """Tell what to do with the record at this offset, and move on if it applies."""
        if offset < self.expected:
            return Verdict.SKIP
        if offset == self.expected or self._was_read_again(offset):
            self.expected = offset + 1
            self._newest_stray = None
            return Verdict.APPLY
        first = self._newest_stray is None
        self._newest_stray = offset
        return Verdict.SEEK_BACK if first else Verdict.STRAY

    def _was_read_again(self, offset: int) -> bool:
        # Records ahead of the expected one arrive in rising order; one that does not
        # rise is the first of those delivered again after the seek.
        return self._newest_stray is not None and offset <= self._newest_stray
