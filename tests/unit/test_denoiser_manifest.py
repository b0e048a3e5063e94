from __future__ import annotations

from pathlib import Path

import pytest

from gapless.clean.onnx.manifest import (
    MAX_BYTES,
    SpectralManifest,
    WaveformManifest,
    parse_manifest,
    read_manifest,
)
from gapless.errors import ModelError
from gapless.testing.denoiser_models import DFN_MANIFEST, GTCRN_MANIFEST


def test_the_two_kinds() -> None:
    spectral, waveform = parse_manifest(GTCRN_MANIFEST), parse_manifest(DFN_MANIFEST)

    assert isinstance(spectral, SpectralManifest)
    assert (spectral.frame_samples, spectral.delay_samples) == (256, 256)
    assert isinstance(waveform, WaveformManifest)
    assert (waveform.frame_samples, waveform.delay_samples) == (480, 1440)


def test_look_ahead_is_part_of_the_delay() -> None:
    manifest = parse_manifest("lookahead_frames = 2\n" + GTCRN_MANIFEST)

    assert manifest.delay_samples == 512 - 256 + 2 * 256


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "spectral"', 'kind = "magic"', "Invalid value 'magic'"),
        ('kind = "spectral"', "", "missing required field `kind`"),
        ("rate_hz = 16000", "rate_hz = 16000\nrate = 1", "unknown field `rate`"),
        ("rate_hz = 16000", "rate_hz = 0", "`int` >= 1000"),
        ("rate_hz = 16000", 'rate_hz = 16000\nfile = "../x.onnx"', "matching regex"),
        ("hop = 256", "hop = 257", "it is 256 at most"),
        ("n_fft = 512", "n_fft = 513", "it must be even"),
        ("sqrt-hann", "kaiser", "Invalid enum value 'kaiser'"),
        ('["mix"]', '["re", "im"]', "cannot name 'parts'"),
        ('["mix"]', '["a", "b", "c"]', "names 3 tensors"),
        ('["mix"]', "[]", "names 0 tensors"),
        ('"parts"] }\noutput', '"parts"], values = "magnitude" }\noutput', "cannot name 'parts'"),
        ('"frames", "parts"] }', '"frames"] }', "must name 'parts' once"),
        ('"frames", "parts"] }', '"bins", "parts"] }', "must name 'bins' once, not 2 times"),
        ('"frames", "parts"] }', '"samples", "parts"] }', "cannot name 'samples'"),
        ('values = "spectrum"', 'values = "noise"', "Invalid enum value 'noise'"),
        ('"frames", "parts"], values', '"frames"], values', "must name 'parts' once"),
        ('input = "tra_cache"', 'input = "tra_cache", shape = [0]', "`int` >= 1"),
        ("[", "(", "Invalid"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(old: str, new: str, says: str) -> None:
    assert old in GTCRN_MANIFEST
    with pytest.raises(ModelError, match=r"^denoiser.toml: ") as caught:
        parse_manifest(GTCRN_MANIFEST.replace(old, new))
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("frame_samples = 480\n", "", "missing required field `frame_samples`"),
        ("delay_samples = 1440\n", "", "missing required field `delay_samples`"),
        ('axes = ["samples"]', 'axes = ["bins"]', "must name 'samples' once"),
        ('axes = ["samples"]', 'axes = ["samples", "bins"]', "cannot name 'bins'"),
    ],
)
def test_a_waveform_is_of_samples(old: str, new: str, says: str) -> None:
    assert old in DFN_MANIFEST
    with pytest.raises(ModelError) as caught:
        parse_manifest(DFN_MANIFEST.replace(old, new))
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\xff\xfe", "is not UTF-8"), (b"#" * (MAX_BYTES + 1), "shorten it")],
    ids=["bytes", "long"],
)
def test_a_file_that_is_no_text_or_too_long_is_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "denoiser.toml").write_bytes(content)

    with pytest.raises(ModelError, match=says):
        read_manifest(tmp_path)
