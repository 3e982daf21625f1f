"""Dead letters: what could not be read is listed, looked at, and sent again.

The topic is the truth: it holds the letters, and a `DeadLetterRetried` for each that
was sent into `usage` after all. The ledger has both as SQL.
"""
