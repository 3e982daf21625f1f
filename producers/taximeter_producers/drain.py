"""Takes what is on disk back into memory, packs it, and sees it off the disk.

All of it runs in the loop of the thread that sends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future

from taximeter_producers.buffer import Buffer
from taximeter_producers.emitter import Rarely
from taximeter_producers.packing import EncodedEvent, Packer, Record
from taximeter_producers.spool.spool import Spool
from taximeter_schemas.records import encoded_key

__all__ = ["Drain"]

log = logging.getLogger(__name__)


class Drain:
    """Hands out what is on disk, oldest first; it stays there until Kafka has it.

    Args:
        buffer: where the events are counted.
        spool: where they are.
        resume: called when more may be handed out after it had been enough.
    """

    def __init__(
        self, buffer: Buffer, spool: Spool, resume: Callable[[], None]
    ) -> None:
        self._buffer = buffer
        self._spool = spool
        self._resume = resume
        self._rarely = Rarely()

    @property
    def enough(self) -> bool:
        """Whether Kafka has to acknowledge some of it before there is more."""
        return self._spool.enough_under_way

    def next_records(self, packer: Packer) -> list[Record] | None:
        """Pack the next events; None if there are none.

        The packer comes back empty. What it held before is in records of its own:
        whoever stores what is only in memory has to tell the two apart.
        """
        batch = self._spool.next_batch()
        if batch is None:
            return None
        records = packer.all()
        self._buffer.settle(on_disk=-len(batch.encoded) - batch.expired)
        self._give_up(batch.expired)
        keyed = (self._keyed(encoded) for encoded in batch.encoded)
        packer.add([event for event in keyed if event is not None], batch)
        batch.future.add_done_callback(self._settled)
        batch.complete()
        return records + packer.all()

    def _keyed(self, encoded: bytes) -> EncodedEvent | None:
        try:
            return EncodedEvent(encoded_key(encoded), encoded)
        except Exception:
            # Only what the disk has changed since it was written comes here.
            self._buffer.settle(lost=1)
            log.exception("usage event lost: the spool gave it back damaged")
            return None

    def _give_up(self, expired: int) -> None:
        self._buffer.settle(lost=expired)
        if expired and self._rarely.now():
            log.error("%d usage events lost: older than spool_max_age", expired)

    def _settled(self, _: Future[None]) -> None:
        waited = self.enough
        self._spool.forget_delivered()
        if waited:
            self._resume()
