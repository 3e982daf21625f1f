"""From topics into the DuckDB ledger, and from the ledger into answers."""
