"""The page on manifests is written by hand; here it is held to the structs."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gapless.errors import ModelError
from gapless.infer.repository.config_pbtxt import parse_config
from gapless.infer.repository.manifest import LimitEntries, Manifest, StateEntry, TensorEntry
from gapless.infer.repository.manifest_file import parse_manifest
from gapless.infer.triton.options import TritonOptions
from gapless.infer.wire.tensors import DATATYPES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference" / "manifest.md").read_text("utf-8")

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "Of the model": Manifest,
    "`[[input]]` and `[[output]]`": TensorEntry,
    "`[[state]]`": StateEntry,
    "`[limits]`": LimitEntries,
    "`[triton]`": TritonOptions,
}

ELSEWHERE = {
    "": "the table says it in words, or there is none",
    "none": "null",
    "from the file": "null",
    "powers of two": "()",
    "the window": "null",
    "the setting `provider`": "null",
}
"""Defaults that are not written as TOML has them."""


def rows(section: str) -> dict[str, str]:
    """Fields that a section's first table names, with what it says of their defaults."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return {
        row[1]: row[2].strip()
        for row in re.finditer(r"^\| `(\w+)` \|([^|]*)\|", text, re.MULTILINE)
    }


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """A field's default; ``NODEFAULT`` where it has to be given."""
    if field.default_factory is msgspec.NODEFAULT:
        return field.default
    return field.default_factory()


@pytest.mark.parametrize(("section", "struct"), SECTIONS.items())
def test_the_reference_names_all_fields_and_no_others(
    section: str, struct: type[msgspec.Struct]
) -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(struct)]

    assert sorted(rows(section)) == sorted(fields)


@pytest.mark.parametrize(("section", "struct"), SECTIONS.items())
def test_the_reference_tells_the_defaults(section: str, struct: type[msgspec.Struct]) -> None:
    said = rows(section)
    for field in msgspec.structs.fields(struct):
        cell = said[field.encode_name]
        default = default_of(field)
        if cell in ELSEWHERE:
            assert default in {None, (), msgspec.NODEFAULT} or isinstance(default, LimitEntries)
        else:
            value = tomllib.loads(f"value = {cell.strip('`')}")["value"]
            assert json.dumps(value) == json.dumps(default), field.encode_name


def test_every_example_is_a_manifest() -> None:
    pages = [DOCS / "reference" / "manifest.md", DOCS / "howto" / "run-your-own-models.md"]
    examples = [
        example
        for page in pages
        for example in re.findall(
            r"^```toml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
    ]

    assert len(examples) >= 3
    for example in examples:
        parse_manifest(example)


def test_the_types_are_those_that_exist() -> None:
    (cell,) = re.findall(r"KServe's name: (.*?) \|", PAGE)
    named = set(re.findall(r"`([A-Z]+\d*)`", cell))

    assert named <= DATATYPES.keys()
    assert {re.sub(r"\d", "", name) for name in named} == {
        re.sub(r"\d", "", name) for name in DATATYPES
    }


def test_what_is_said_of_tritons_configuration_holds() -> None:
    for refused in (
        'input { name: "x" reshape { } }',
        "sequence_batching { control_input [ { } ] }",
        'sequence_batching { state { initial_state { data_file: "f" } } }',
    ):
        with pytest.raises(ModelError, match=r"config\.pbtxt"):
            parse_config(refused, "m")
