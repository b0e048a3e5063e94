from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gapless


@pytest.mark.parametrize("name", gapless.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(gapless, name)

    assert name in dir(gapless)
    if name not in ("__version__", "ListenEvent"):
        assert value.__doc__


def test_type_checkers_see_every_public_name() -> None:
    tree = ast.parse(Path(gapless.__file__).read_text("utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gapless")
        for alias in node.names
    }

    assert imported | {"__version__"} == set(gapless.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gapless' has no attribute 'sing'"):
        gapless.sing  # type: ignore[attr-defined]  # noqa: B018
