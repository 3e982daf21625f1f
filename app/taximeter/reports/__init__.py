"""What people ask of their spend: reports, comparisons, exports, reconciliation."""
