"""The page on ``recogniser.toml`` is written by hand; here it is held to the structs."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from gapless.listen.recogniser.streaming.manifest import (
    CtcSpec,
    DecodeSpec,
    EncoderSpec,
    FeatureSpec,
    HybridSpec,
    RecogniserManifest,
    TransducerSpec,
    read_manifest,
)

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "recogniser-toml.md").read_text("utf-8")

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "Of the recogniser": RecogniserManifest,
    "`[features]`": FeatureSpec,
    "`[encoder]`": EncoderSpec,
    "`[transducer]`": TransducerSpec,
    "`[ctc]`": CtcSpec,
    "`[hybrid]`": HybridSpec,
    "`[decode]`": DecodeSpec,
}

TABLES = {"features", "hybrid", "decode"}
"""Whose default is the table with its own defaults."""


def rows(section: str) -> dict[str, str]:
    """Fields that a section's table names, with what it says of their defaults."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    found = re.finditer(r"^\| `(\w+)` \|([^|]*)\|", text, re.MULTILINE)
    return {row[1]: row[2].strip() for row in found}


@pytest.mark.parametrize(("section", "struct"), SECTIONS.items())
def test_the_reference_names_all_fields_with_their_defaults(
    section: str, struct: type[msgspec.Struct]
) -> None:
    said = rows(section)
    fields = msgspec.structs.fields(struct)

    assert sorted(said) == sorted(field.encode_name for field in fields)
    for field in fields:
        cell = said[field.encode_name]
        if field.encode_name in TABLES:
            assert cell == ""
        elif cell in {"", "none"}:
            assert field.default is (msgspec.NODEFAULT if cell == "" else None), field.encode_name
        else:
            value = tomllib.loads(f"value = {cell.strip('`')}")["value"]
            assert json.dumps(value) == json.dumps(field.default), field.encode_name


def test_the_example_is_a_manifest() -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    assert read_manifest(example).encoder.chunk_frames == 4


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("chunk_frames = 0", "`int` >= 1"),
        ("chunk_frames = 6", "make it a multiple of subsampling, 4"),
        ("chunk_frames = 4\ndrop_frames = 1", "belong to the left context"),
        ("chunk_frames = 4\nleft = 4", "unknown field `left`"),
    ],
)
def test_what_cannot_be_is_refused(line: str, says: str) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    with pytest.raises(msgspec.ValidationError, match=says):
        read_manifest(example.replace("chunk_frames = 4", line))


def test_a_search_over_both_heads_needs_both() -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    hybrid = example + '[decode]\nsearch = "hybrid"\n'

    with pytest.raises(msgspec.ValidationError, match=r"needs both \[ctc\] and a \[transducer\]"):
        read_manifest(hybrid)
    assert read_manifest(hybrid + '[ctc]\npart = "ctc"\n').ctc is not None
