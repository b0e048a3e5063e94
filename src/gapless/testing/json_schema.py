"""Holds JSON against a schema: as much of JSON Schema as the schemas of the tests use, and no more.

In: a value, a schema. Out: sentences on what is wrong. Invariants: a keyword that it does not know is an error, never a
value that passes unchecked. Thread: any (pure).

Source: JSON Schema draft 7, https://json-schema.org/draft-07.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

KNOWN: Final = frozenset(
    {
        *("$ref", "$schema", "definitions", "type", "enum", "const", "anyOf", "not"),
        *("properties", "required", "additionalProperties", "items"),
    }
)

TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def errors(value: Any, schema: Schema, root: Schema | None = None, at: str = "$") -> Iterator[str]:
    """What is wrong with a value.

    Args:
        value: as read from JSON.
        schema: what it is to be.
        root: the whole schema, which has the definitions; None: ``schema``.
        at: where the value is.

    Raises:
        ValueError: the schema has a keyword that is not known here.
    """
    root = schema if root is None else root
    unknown = schema.keys() - KNOWN
    if unknown:
        raise ValueError(
            f"{at}: the schema says {sorted(unknown)}, which is not known here; add it"
        )
    if "$ref" in schema:
        yield from errors(value, root["definitions"][schema["$ref"].rpartition("/")[2]], root, at)
    if "anyOf" in schema:
        yield from _any_of(value, schema["anyOf"], root, at)
    if "not" in schema and not list(errors(value, schema["not"], root, at)):
        yield f"{at} may not be there"
    if "const" in schema and value != schema["const"]:
        yield f"{at} is {value!r}, not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at} is {value!r}, none of {schema['enum']}"
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_is(value, kind) for kind in wanted):
            yield f"{at} is no {' or '.join(wanted)}"
            return
    if isinstance(value, dict):
        yield from _members(value, schema, root, at)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from errors(item, schema["items"], root, f"{at}[{index}]")


def _members(value: dict[str, Any], schema: Schema, root: Schema, at: str) -> Iterator[str]:
    properties: dict[str, Schema] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at} has no {name!r}"
    others = schema.get("additionalProperties", {})
    for name, member in value.items():
        if name in properties:
            yield from errors(member, properties[name], root, f"{at}.{name}")
        elif others is False:
            yield f"{at} has {name!r}, which nobody knows"
        elif isinstance(others, dict):
            yield from errors(member, others, root, f"{at}.{name}")


def _any_of(value: Any, kinds: list[Schema], root: Schema, at: str) -> Iterator[str]:
    """Nothing, or what is wrong with it as the kind that it comes closest to."""
    found = [list(errors(value, kind, root, at)) for kind in kinds]
    if all(found):
        yield from min(found, key=lambda wrong: (wrong[0].startswith(f"{at} is no "), len(wrong)))


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
