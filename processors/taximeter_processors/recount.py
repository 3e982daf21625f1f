"""What was charged before a kind of subject was counted, from the charges themselves.

Pure. The charges of one source partition go in, in their order; out come the sums of
the subjects of some kinds, by window, up to an offset of the source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from taximeter_processors.charging import tokens_in
from taximeter_processors.kinds import identify
from taximeter_processors.sums import Added, AddedKey
from taximeter_processors.windows import window_start
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.usage import UNATTRIBUTED

__all__ = ["Recount"]


class _Stated(msgspec.Struct, gc=False):
    """What a charge repeats of the event that it is for, as far as it counts."""

    occurred_at: datetime
    provider: str
    model: str
    source: str = "unknown"
    user_id: str = UNATTRIBUTED
    project_id: str = UNATTRIBUTED
    session_id: str | None = None
    endpoint: str | None = None
    api_key_hash: str | None = None
    tags: dict[str, str] = {}
    usage: dict[str, Any] = {}
    old_usage: dict[str, Any] = {}
    new_usage: dict[str, Any] = {}
    old_unpriced_reason: str | None = None


class _Charge(msgspec.Struct, gc=False):
    source_offset: int
    cost_usd: str | None
    recorded: _Stated | None = None
    corrected: _Stated | None = None
    repriced: _Stated | None = None


_charges = msgspec.json.Decoder(list[_Charge])


class Recount:
    """Adds up charges for the subjects of some kinds.

    Args:
        kinds: each with the offset of the source before which its charges count.
    """

    def __init__(self, kinds: Mapping[str, int]) -> None:
        self.sums = {kind: defaultdict[AddedKey, Added](Added) for kind in kinds}
        self._kinds = [(kind, since, identify(kind)) for kind, since in kinds.items()]
        self._newest = -1

    def take(self, record: bytes) -> None:
        """Take the charges of one usage record; what was sent again counts once."""
        charges = _charges.decode(record)
        if charges and charges[0].source_offset > self._newest:
            self._newest = charges[0].source_offset
            self._add(charges)

    def _add(self, charges: Iterable[_Charge]) -> None:
        for charge in charges:
            stated = charge.recorded or charge.corrected or charge.repriced
            if stated is None:
                continue
            for kind, since, id_of in self._kinds:
                name = id_of(stated)
                if name is not None and charge.source_offset < since:
                    place = name, window_start(stated.occurred_at)
                    _count(self.sums[kind][place], charge, stated)


def _count(added: Added, charge: _Charge, stated: _Stated) -> None:
    cost = charge.cost_usd
    added.cost_pico += 0 if cost is None else pico_from_usd(Decimal(cost))
    added.tokens += tokens_in(stated.usage) + tokens_in(stated.new_usage)
    added.tokens -= tokens_in(stated.old_usage)
    if charge.recorded is not None:
        added.calls += 1
        added.unpriced += cost is None
    elif stated.old_unpriced_reason is not None:
        added.unpriced -= 1
