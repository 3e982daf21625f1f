"""What the Kafka client raises when no broker answers, said as one error of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.lost_connections import lost_is_an_error

__all__ = ["unavailable_means"]


@contextmanager
def unavailable_means(bootstrap: str) -> Iterator[None]:
    """Say in one line what aiokafka would log at length.

    Raises:
        BrokerUnavailable: the block had no answer, or lost its connection.
    """
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with lost_is_an_error():
            yield
    except TimeoutError:
        raise BrokerUnavailable(bootstrap, "it does not answer in time") from None
    except (KafkaError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise BrokerUnavailable(bootstrap, reason) from error
    finally:
        logger.setLevel(before)
