"""Values as they stand in SQL that takes no parameters, as Quack's and `ATTACH`."""

from __future__ import annotations

__all__ = ["sql_literal"]


def sql_literal(text: str) -> str:
    """Return text as a SQL string.

    >>> sql_literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
