"""What must be charged against what was, charge by charge."""

from __future__ import annotations

from collections.abc import AsyncIterator

from taximeter.audit.compare import PartitionAudit, compare_charges
from taximeter.audit.recompute import Expected


async def read(*charges: Expected) -> AsyncIterator[Expected]:
    """Yield them one after another."""
    for charge in charges:
        yield charge


def a_charge(cost: int | None, listed: int | None, version: str = "v") -> Expected:
    """Return the first charge of a partition."""
    return Expected(0, 0, cost, version, listed, 1, int(cost is None))


async def compared(must: Expected, have: Expected) -> PartitionAudit:
    """Return the account of a partition with one charge."""
    account = PartitionAudit(0)
    await compare_charges(account, read(must), read(have))
    return account


async def test_what_the_list_says_is_audited_too() -> None:
    """Another list cost is a finding, and no money: nothing else was charged."""
    account = await compared(a_charge(5, 4), a_charge(5, 3))
    (finding,) = account.findings
    assert finding.what.startswith("listed 0.000000000003, recomputed 0.000000000004")
    assert account.difference_pico == 0
    account = await compared(a_charge(5, 4), a_charge(5, None))
    assert account.findings[0].what.startswith("listed nothing, recomputed")


async def test_another_versions_list_cost_is_history() -> None:
    """A charge by other prices stays as it is, on both sides."""
    account = await compared(a_charge(5, 4, "new"), a_charge(3, 2, "old"))
    assert (account.findings, account.other_version, account.list_pico) == ([], 1, 2)
