from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapless.audio.types import LISTEN_RATE_HZ, Samples


@pytest.fixture
def manifest(speech_dir: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((speech_dir / "manifest.json").read_text("utf-8"))
    return entries


def test_the_manifest_lists_every_recording(
    speech_dir: Path, manifest: list[dict[str, Any]]
) -> None:
    recordings = {path.name for path in speech_dir.iterdir() if path.suffix in {".flac", ".wav"}}
    assert {entry["file"] for entry in manifest} == recordings


def test_utterances_are_where_the_manifest_says(
    manifest: list[dict[str, Any]], load_speech: Callable[[str], Samples]
) -> None:
    clean = [entry for entry in manifest if entry["utterances"] and "db" not in entry["file"]]
    assert len(clean) >= 5
    for entry in clean:
        samples = load_speech(entry["file"])
        assert abs(len(samples) / LISTEN_RATE_HZ - entry["seconds"]) < 0.01
        silent = np.ones(len(samples), bool)
        for utterance in entry["utterances"]:
            start, end = (utterance[key] * LISTEN_RATE_HZ // 1000 for key in ("start_ms", "end_ms"))
            assert np.max(np.abs(samples[start:end])) > 0.3
            silent[start - 160 : end + 160] = False
        assert np.max(np.abs(samples[silent])) < 0.02


def test_the_recordings_stay_small(speech_dir: Path) -> None:
    assert sum(path.stat().st_size for path in speech_dir.iterdir()) < 1_500_000


def test_the_sample_of_the_console_is_the_recording_of_several_utterances(speech_dir: Path) -> None:
    sample = files("gapless.serve") / "console" / "sample.flac"
    assert sample.read_bytes() == (speech_dir / "utterances.flac").read_bytes()
