"""What is measured: one module a row, or for rows that are measured together."""
