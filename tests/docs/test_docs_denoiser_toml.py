"""The page on ``denoiser.toml`` is written by hand; here it is held to the structs, and its manifests are opened."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gapless.clean.onnx.denoiser import OnnxDenoiser
from gapless.clean.onnx.manifest import (
    Constant,
    SpectralManifest,
    SpectrumIn,
    SpectrumOut,
    State,
    Transform,
    Waveform,
    WaveformManifest,
    parse_manifest,
)
from gapless.testing.denoiser_models import write_dfn_like, write_gtcrn_like

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "denoiser-toml.md").read_text("utf-8")

OWN = {
    SpectralManifest: {"transform", "input", "output", "lookahead_frames"},
    WaveformManifest: {"frame_samples", "delay_samples", "input", "output"},
}
"""Fields of one kind; all others are of both."""

SECTIONS: dict[str, type[msgspec.Struct]] = {
    '`kind = "spectral"`': SpectralManifest,
    '`kind = "waveform"`': WaveformManifest,
    "`[transform]`": Transform,
    "`[input]` of spectra": SpectrumIn,
    "`[output]` of spectra": SpectrumOut,
    "`[input]` of samples": Waveform,
    "`[[state]]`": State,
    "`[[constant]]`": Constant,
}

MANIFESTS: dict[str, Callable[[Path, str], Path]] = {
    "GTCRN": write_gtcrn_like,
    "DeepFilterNet3": write_dfn_like,
}


def rows(section: str) -> dict[str, str]:
    """Fields that a section's table names, with what it says of their defaults."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    found = re.finditer(r"^\| `(\w+)` \|([^|]*)\|", text, re.MULTILINE)
    return {row[1]: row[2].strip() for row in found}


def require_same(said: dict[str, str], fields: list[msgspec.structs.FieldInfo]) -> None:
    assert sorted(said) == sorted(field.encode_name for field in fields)
    for field in fields:
        cell = said[field.encode_name]
        if cell in {"", "none"}:
            assert field.default is (msgspec.NODEFAULT if cell == "" else None), field.encode_name
        else:
            value = tomllib.loads(f"value = {cell.strip('`')}")["value"]
            assert json.dumps(value) == json.dumps(field.default), field.encode_name


@pytest.mark.parametrize(("section", "struct"), SECTIONS.items(), ids=SECTIONS)
def test_the_reference_names_all_fields_with_their_defaults(
    section: str, struct: type[msgspec.Struct]
) -> None:
    own = OWN.get(struct)
    fields = [
        field for field in msgspec.structs.fields(struct) if own is None or field.encode_name in own
    ]

    require_same(rows(section), fields)


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_what_both_kinds_have_is_named_once(kind: type[msgspec.Struct]) -> None:
    said = rows("Of every denoiser")
    assert said.pop("kind") == ""
    fields = msgspec.structs.fields(kind)

    require_same(said, [field for field in fields if field.encode_name not in OWN[kind]])


@pytest.mark.parametrize(("name", "write"), MANIFESTS.items(), ids=MANIFESTS)
def test_a_ready_manifest_opens_a_file_of_that_interface(
    tmp_path: Path, name: str, write: Callable[[Path, str], Path]
) -> None:
    section = PAGE.split(f"\n### {name}\n", 1)[1].split("\n### ", 1)[0]
    (text,) = re.findall(r"^```toml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    manifest = parse_manifest(text)
    write(tmp_path, text)
    (tmp_path / "model.onnx").rename(tmp_path / manifest.file)

    denoiser = OnnxDenoiser(tmp_path)
    noise = np.random.default_rng(1).normal(0, 0.1, 200 * denoiser.frame_samples)
    frames = noise.astype(np.float32).reshape(200, -1)
    cleaned = np.array([denoiser.process(frame) for frame in frames])

    assert 20 * np.log10(np.std(cleaned[100:]) / np.std(frames[100:])) < -10
    assert denoiser.replaced_frames == 0


def test_the_page_says_the_delays_of_its_manifests() -> None:
    gtcrn, deep = (
        parse_manifest(text)
        for text in re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    )

    assert (gtcrn.delay_samples, gtcrn.frame_samples, gtcrn.rate_hz) == (256, 256, 16_000)
    assert deep.delay_samples == 960 - 480 + 2 * 480
