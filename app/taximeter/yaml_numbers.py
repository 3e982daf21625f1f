"""YAML with exact numbers: a float would not be the amount that stands there."""

from __future__ import annotations

from decimal import Decimal

import yaml

__all__ = ["ExactLoader"]


class ExactLoader(yaml.SafeLoader):
    """Reads a number with a point digit by digit."""


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    text = str(loader.construct_scalar(node)).replace("_", "")
    try:
        return Decimal(text)
    except ArithmeticError:
        return text  # .inf and the like, which are no amounts


ExactLoader.add_constructor("tag:yaml.org,2002:float", _decimal)
