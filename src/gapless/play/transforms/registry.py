"""All transforms, by the names that the language gives them.

In: nothing. Out: a mapping. Invariants: no name is given twice. Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gapless.play.transforms import (
    alternation,
    chance,
    cutting,
    groove,
    layering,
    makers,
    masks,
    order,
    signals,
    speed,
)
from gapless.play.transforms.contract import Transform

FAMILIES: Final = (
    *speed.FAMILY,
    *order.FAMILY,
    *alternation.FAMILY,
    *chance.FAMILY,
    *groove.FAMILY,
    *layering.FAMILY,
    *masks.FAMILY,
    *cutting.FAMILY,
    *makers.FAMILY,
    *signals.FAMILY,
)

TRANSFORMS: Final[Mapping[str, Transform]] = MappingProxyType(
    {transform.name: transform for transform in FAMILIES}
)
"""By name, in the order of the reference."""
