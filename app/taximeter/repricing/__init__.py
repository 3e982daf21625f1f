"""Re-pricing: what history would cost under other prices, and the events that say so.

The ledger tells what each call has cost so far, a price book what it would cost; where
the two differ, a `UsageRepriced` goes the way of all usage.
"""

from __future__ import annotations

from taximeter.repricing.run import Aim, Outcome, preview, reprice

__all__ = ["Aim", "Outcome", "preview", "reprice"]
