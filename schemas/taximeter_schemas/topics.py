"""The topics that the parts meet on: names, partitions, how long records are kept.

This registry is the only place that knows them; `docker-compose.yml`, the embedded
broker and the workers are all held to it by tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DEFAULT_PREFIX", "Topic", "Topics"]

DEFAULT_PREFIX = "taximeter."

_DAY_MS = 24 * 60 * 60 * 1000
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Topic:
    """One Kafka topic as it must be created."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict[str, str])


def _kept(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}


_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1"}
_COMPACTED = {"cleanup.policy": "compact"}

# Read back whole by whoever takes a partition over. Kafka compacts no segment that is
# still written to, and by default that is a week or a gigabyte: the reading would grow
# with history instead of with what there is. A deleted row stays for an hour, for those
# who are reading just then; nobody takes longer.
_READ_BACK = _COMPACTED | {
    "segment.bytes": str(16 * _MIB),
    "segment.ms": str(10 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.3",
    "delete.retention.ms": str(60 * 60 * 1000),
}


@dataclass(frozen=True)
class Topics:
    """Every topic of one installation.

    Args:
        prefix: what the names begin with; two prefixes on one broker are two
            installations that never meet.
        partitions: of `usage`, and with it of `charges` and `spend`. Changing it
            for a topic that holds events is a planned step (docs/operations.md).

    >>> Topics().usage.name
    'taximeter.usage'
    """

    prefix: str = DEFAULT_PREFIX
    partitions: int = 4

    @property
    def usage(self) -> Topic:
        """`UsageRecorded` and `UsageCorrected`, partitioned by `event_id`.

        The broker stamps the time, so that "when did this arrive" has one clock.
        """
        stamped = {"message.timestamp.type": "LogAppendTime"}
        return self._topic("usage", self.partitions, _kept(14) | stamped)

    @property
    def charges(self) -> Topic:
        """`UsagePriced` and `ChargeAdjusted`: one record for one usage record."""
        size = {"max.message.bytes": str(8 * _MIB)}
        return self._topic("charges", self.partitions, _kept(14) | size)

    @property
    def spend(self) -> Topic:
        """Partial sums of source partitions, partitioned by subject.

        And requests for reservations, which are decided in that very order.
        """
        size = {"max.message.bytes": str(8 * _MIB)}
        return self._topic("spend", self.partitions, _kept(14) | size)

    @property
    def budgets(self) -> Topic:
        """`BudgetDefined` and `BudgetRemoved`: one partition, read by every worker."""
        return self._topic("budgets", 1, _COMPACTED)

    @property
    def prices(self) -> Topic:
        """`PricesDefined` and `PriceVersionPublished`: one partition, read by all.

        The broker stamps the time, as it does for usage, so that the two compare.
        """
        stamped = {"message.timestamp.type": "LogAppendTime"}
        return self._topic("prices", 1, _COMPACTED | stamped)

    @property
    def budget_status(self) -> Topic:
        """The latest `BudgetStatus` of each budget, subject and period."""
        return self._topic("budget-status", self.partitions, _READ_BACK)

    @property
    def reservation_answers(self) -> Topic:
        """`ReservationAnswered`, by the partition of `spend` that decided it."""
        return self._topic("reservation-answers", self.partitions, _kept(1))

    @property
    def budget_alerts(self) -> Topic:
        """Alerts, kept for ever: what has been raised must stay known."""
        return self._topic("budget-alerts", self.partitions, _FOR_EVER)

    @property
    def deliveries(self) -> Topic:
        """The delivery log: which alert went where, and how far alerts were read."""
        return self._topic("deliveries", 1, _COMPACTED)

    @property
    def dead_letters(self) -> Topic:
        """`DeadLetter` (what could not be read) and `DeadLetterRetried`."""
        size = {"max.message.bytes": str(16 * _MIB)}
        return self._topic("dead-letters", 1, _FOR_EVER | size)

    @property
    def spend_table(self) -> Topic:
        """The pricing agent's rows: partial sums of `usage` partitions, progress."""
        return self._topic("spend-table", self.partitions, _READ_BACK)

    @property
    def budget_table(self) -> Topic:
        """The budget watcher's rows: merged partials, latches of alerts, progress."""
        return self._topic("budget-table", self.partitions, _READ_BACK)

    @property
    def all(self) -> tuple[Topic, ...]:
        """Every topic above, as a broker must have them."""
        return (
            self.usage,
            self.charges,
            self.spend,
            self.budgets,
            self.prices,
            self.budget_status,
            self.reservation_answers,
            self.budget_alerts,
            self.deliveries,
            self.dead_letters,
            self.spend_table,
            self.budget_table,
        )

    def _topic(self, name: str, partitions: int, config: dict[str, str]) -> Topic:
        return Topic(f"{self.prefix}{name}", partitions, dict(config))
