"""Writes to Kafka as the only one: whoever comes later shuts out who was before.

A writer's name is a transactional id. A second process of that name fences the first,
whose next write then fails, so that it does not do what it meant to do after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced

from taximeter.broker.admin import check_broker
from taximeter_schemas.errors import BrokerUnavailable, TakenOver
from taximeter_schemas.lost_connections import lost_is_an_error
from taximeter_schemas.topics import Topic

__all__ = ["Line", "SoleWriter"]

_ACKNOWLEDGED_SECONDS: Final = 20.0
_TRANSACTION_MS: Final = 30_000
_MAX_REQUEST_BYTES: Final = 8 * 1024 * 1024


class Line(NamedTuple):
    """One record to be written into the first partition of a topic."""

    topic: Topic
    key: bytes
    value: bytes


class SoleWriter:
    """Writes lines, all of a call or none of them, for as long as it is the only one.

    Args:
        bootstrap: where Kafka is.
        name: of the task that only one process may do, unlike any other on the broker.
    """

    def __init__(self, bootstrap: str, name: str) -> None:
        self._bootstrap = bootstrap
        self._name = name
        self._turn = asyncio.Lock()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=name,
            transaction_timeout_ms=_TRANSACTION_MS,
            max_request_size=_MAX_REQUEST_BYTES,
        )

    async def __aenter__(self) -> Self:
        """Shut out who wrote under this name before; what it left open is undone."""
        await check_broker(self._bootstrap)
        try:
            with lost_is_an_error():
                async with asyncio.timeout(_ACKNOWLEDGED_SECONDS):
                    await self._producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await self._stop()
            raise self._unavailable(error) from error
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def write(self, lines: Sequence[Line]) -> None:
        """Write all lines in one transaction; return when it is committed.

        Raises:
            TakenOver: another process has this task now; nothing was written.
            BrokerUnavailable: nobody knows whether it was written.
        """
        try:
            with lost_is_an_error():
                async with self._turn, asyncio.timeout(_ACKNOWLEDGED_SECONDS):
                    await self._write(lines)
        except (ProducerFenced, IllegalOperation, AssertionError):
            # The last two: aiokafka's sender, a task of its own, was told of the
            # successor between two of our steps, and there is no transaction any more.
            raise TakenOver(self._name) from None
        except (KafkaError, OSError, TimeoutError) as error:
            raise self._unavailable(error) from error

    async def _write(self, lines: Sequence[Line]) -> None:
        async with self._producer.transaction():
            sent = [
                await self._producer.send(
                    line.topic.name, line.value, key=line.key, partition=0
                )
                for line in lines
            ]
            await asyncio.gather(*sent)

    async def _stop(self) -> None:
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_ACKNOWLEDGED_SECONDS):
                await self._producer.stop()

    def _unavailable(self, error: Exception) -> BrokerUnavailable:
        return BrokerUnavailable(self._bootstrap, str(error) or type(error).__name__)
