"""What the fields of a struct mean, read from the docstrings below them.

In: a struct type. Out: one description per field that has one. Invariants: none is invented; where the source is not
at hand (a frozen program) there are none. Thread: any (results are remembered by the caller).
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise

from msgspec import Struct


def field_docs(struct: type[Struct]) -> dict[str, str]:
    """Field names of ``struct``, its bases' included, and the string literal below each."""
    docs: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        if issubclass(kind, Struct) and kind is not Struct:
            docs.update(_docs_in(kind))
    return docs


def _docs_in(kind: type[Struct]) -> dict[str, str]:
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        return {}
    (definition,) = ast.parse(textwrap.dedent(source)).body
    if not isinstance(definition, ast.ClassDef):
        return {}
    return {
        field.target.id: inspect.cleandoc(doc.value.value)
        for field, doc in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
        and isinstance(doc.value.value, str)
    }
