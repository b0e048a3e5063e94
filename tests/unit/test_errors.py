from __future__ import annotations

import re

import pytest

from gapless import errors
from gapless.errors import GaplessError

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, GaplessError)
]


def test_every_class_has_its_own_code() -> None:
    codes = [cls.code for cls in CLASSES]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


def test_the_tree_in_the_module_docstring_is_the_tree() -> None:
    drawn = re.findall(r"(\w+Error)\b(?= |\n)", (errors.__doc__ or "").partition("Each class")[0])

    assert set(drawn) >= {cls.__name__ for cls in CLASSES}


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_carries_what_the_wire_needs(cls: type[GaplessError]) -> None:
    error = cls("it broke; mend it", param="field", retry_after_ms=5)

    assert str(error) == error.message == "it broke; mend it"
    assert (error.param, error.retry_after_ms) == ("field", 5)
