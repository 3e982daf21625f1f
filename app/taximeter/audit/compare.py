"""Hold what must be against what is, and keep account of the difference."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from taximeter.audit.recompute import Expected
from taximeter_schemas.money import usd_from_pico, usd_text

__all__ = ["AuditResult", "Finding", "PartitionAudit", "compare_charges"]

_FINDINGS_KEPT = 20


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be."""

    partition: int
    what: str


@dataclass
class PartitionAudit:
    """One source partition, recomputed and as found in each place, in pico-dollars."""

    partition: int
    recomputed_pico: int = 0
    charges_pico: int = 0
    table_pico: int = 0
    ledger_pico: int = 0
    list_pico: int = 0
    events: int = 0
    calls: int = 0
    unpriced: int = 0
    charges: int = 0
    ledger_rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    forwarded: int = 0
    other_version: int = 0
    unprocessed: int = 0
    difference_pico: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])

    def differs(self, by_pico: int, what: str) -> None:
        """Note a difference; one that is about counts only adds no money."""
        self.difference_pico += abs(by_pico)
        if len(self.findings) < _FINDINGS_KEPT:
            self.findings.append(Finding(self.partition, what))


@dataclass(frozen=True)
class AuditResult:
    """The whole audit.

    `difference_usd` is the sum of all differences, each without its sign, so that
    two of them never cancel out; the audit is good if there is no finding at all.
    `misrolled` says for each roll-up how many cells are not the sum of their charges.
    """

    partitions: list[PartitionAudit]
    duplicates_in_ledger: int
    misrolled: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def ok(self) -> bool:
        """Tell whether everything agrees."""
        wrong = self.duplicates_in_ledger + sum(self.misrolled.values())
        return not self.findings and not wrong

    @property
    def findings(self) -> list[Finding]:
        """Everything that is not as it must be; at most 20 a partition."""
        return [finding for part in self.partitions for finding in part.findings]

    @property
    def difference_usd(self) -> Decimal:
        """All differences together, in USD with 12 places."""
        return usd_from_pico(sum(part.difference_pico for part in self.partitions))

    @property
    def cost_usd(self) -> Decimal:
        """What the ledger says was spent, in USD with 12 places."""
        return usd_from_pico(self.total("ledger_pico"))

    def total(self, name: str) -> int:
        """Return the sum of one of `PartitionAudit`'s counts over all partitions."""
        return sum(int(getattr(part, name)) for part in self.partitions)


async def compare_charges(
    account: PartitionAudit,
    expected: AsyncIterator[Expected],
    made: AsyncIterator[Expected],
) -> None:
    """Walk both in step; both are in the order of offset and position."""
    must, have = await anext(expected, None), await anext(made, None)
    while must is not None or have is not None:
        if have is None or (must is not None and must[:2] < have[:2]):
            assert must is not None
            _count_expected(account, must)
            account.differs(must.cost_pico or 0, f"no charge for usage at {_at(must)}")
            must = await anext(expected, None)
        elif must is None or have[:2] < must[:2]:
            _count_made(account, have)
            account.differs(have.cost_pico or 0, f"a charge too many, {_at(have)}")
            have = await anext(made, None)
        else:
            _same(account, must, have)
            must, have = await anext(expected, None), await anext(made, None)


def _same(account: PartitionAudit, must: Expected, have: Expected) -> None:
    if have.price_version != must.price_version:
        # Made by another price book: history stays as it was priced.
        account.other_version += 1
        must = have
    _count_expected(account, must)
    _count_made(account, have)
    if must.cost_pico != have.cost_pico:
        by = (must.cost_pico or 0) - (have.cost_pico or 0)
        said = f"charged {_usd(have.cost_pico)}, recomputed {_usd(must.cost_pico)}"
        account.differs(by, f"{said}, usage at {_at(must)}")
    if must.list_pico != have.list_pico:
        said = f"listed {_usd(have.list_pico)}, recomputed {_usd(must.list_pico)}"
        account.differs(0, f"{said}, usage at {_at(must)}")


def _count_expected(account: PartitionAudit, charge: Expected) -> None:
    account.events += 1
    account.recomputed_pico += charge.cost_pico or 0
    account.calls += charge.calls
    account.unpriced += charge.unpriced_calls


def _count_made(account: PartitionAudit, charge: Expected) -> None:
    account.charges += 1
    account.charges_pico += charge.cost_pico or 0
    account.list_pico += charge.list_pico or 0


def _at(charge: Expected) -> str:
    return f"offset {charge.offset}, position {charge.position}"


def _usd(pico: int | None) -> str:
    return "nothing" if pico is None else usd_text(pico)
