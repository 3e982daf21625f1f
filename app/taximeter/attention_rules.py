"""What a worker, or `taximeter anomalies`, is told to look for, from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from taximeter.settings import WorkerSettings
from taximeter_processors.anomalies import AnomalyRules
from taximeter_processors.attention import AttentionRules
from taximeter_processors.digests import DigestPeriod, DigestRules

__all__ = ["anomaly_rules", "attention_rules"]


def attention_rules(settings: WorkerSettings) -> AttentionRules:
    """Return what is told of besides the thresholds of budgets, and the link in it."""
    periods = cast("Sequence[DigestPeriod]", _listed(settings.digests))
    digests = DigestRules(periods, settings.digest_time_zone)
    return AttentionRules(anomaly_rules(settings), digests, settings.public_url)


def anomaly_rules(settings: WorkerSettings) -> AnomalyRules:
    """Return what is an anomaly."""
    return AnomalyRules(
        kinds=_listed(settings.anomaly_subjects),
        minimum_usd=settings.anomaly_minimum_usd,
        sensitivity=settings.anomaly_sensitivity,
        warm_up=timedelta(days=settings.anomaly_warm_up_days),
    )


def _listed(text: str) -> tuple[str, ...]:
    """Return what stands between commas.

    >>> _listed("all,user"), _listed("")
    (('all', 'user'), ())
    """
    return tuple(text.split(",")) if text else ()
