"""The audit: is every event charged once, and is every sum the same everywhere?

What Kafka's usage topic says is priced again from the first record on, and held
against what the workers and the sink made of it.
"""

from __future__ import annotations

from taximeter.audit.compare import AuditResult, Finding
from taximeter.audit.run import audit

__all__ = ["AuditResult", "Finding", "audit"]
