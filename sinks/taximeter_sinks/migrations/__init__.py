"""The ledger's schema, one numbered SQL file a step; none ever changes."""
