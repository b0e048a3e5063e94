"""Structs as TOML, for the files that describe a recogniser and its parts.

In: a struct of numbers, texts, lists, structs and lists of structs. Out: text that reads back as an equal struct.
Invariants: what has its default value is not said; neither is None, which has to be a default. Thread: any (pure).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec


def to_toml(struct: msgspec.Struct) -> str:
    """The struct as a TOML document."""
    return "\n".join(_lines(struct)).strip() + "\n"


def _lines(struct: msgspec.Struct, path: str = "") -> Iterator[str]:
    """A table: its values, then the tables in it."""
    inner: list[tuple[str, str, msgspec.Struct]] = []
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if value is None or (not field.required and value == field.default):
            continue
        key = field.encode_name
        if isinstance(value, msgspec.Struct):
            inner.append((f"[{path}{key}]", key, value))
        elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            inner += ((f"[[{path}{key}]]", key, entry) for entry in value)
        else:
            yield f"{key} = {_value(value)}"
    for heading, key, table in inner:
        yield from ("", heading, *_lines(table, f"{path}{key}."))


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    # A text of JSON is one of TOML, and so are whole numbers, true and false.
    return json.dumps(value, ensure_ascii=False)
