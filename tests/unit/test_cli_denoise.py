from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gapless.audio.files import open_audio, read_audio, write_audio
from gapless.audio.types import DENOISE_RATE_HZ, Samples
from gapless.cli.main import main
from gapless.testing.denoiser_models import write_gtcrn_like


def level(path: Path) -> float:
    """Root mean square of the second half of a recording."""
    samples = np.concatenate(list(read_audio(path, DENOISE_RATE_HZ)))
    return float(np.sqrt(np.mean(samples[len(samples) // 2 :] ** 2)))


def test_noise_is_removed_as_far_as_asked_and_the_length_stays(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, DENOISE_RATE_HZ + 123).astype(np.float32)
    source = tmp_path / "noise.wav"
    write_audio(source, [noise], DENOISE_RATE_HZ)
    levels = {}
    for amount in ("0", "0.5", "1"):
        target = tmp_path / f"{amount}.flac"
        result = CliRunner().invoke(main, ["denoise", str(source), str(target), "--amount", amount])
        assert (result.exit_code, result.output) == (0, "")
        assert sum(map(len, read_audio(target, DENOISE_RATE_HZ))) == len(noise)
        with open_audio(target) as cleaned:
            assert cleaned.info.rate_hz == DENOISE_RATE_HZ
        levels[amount] = level(target)

    assert abs(levels["0"] / level(source) - 1) < 0.001
    assert levels["0.5"] < 0.8 * levels["0"]
    assert levels["1"] < 0.3 * levels["0"]


def test_a_kind_of_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "silence.wav"
    write_audio(source, [np.zeros(4800, np.float32)], DENOISE_RATE_HZ)

    result = CliRunner().invoke(main, ["denoise", str(source), str(tmp_path / "clean.xyz")])

    assert result.exit_code == 1
    assert "name a file that ends in .wav" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["silence.wav"]


@pytest.mark.long
def test_another_model_is_taken_by_its_name_or_path(tmp_path: Path) -> None:
    models = tmp_path / "models"
    folder = write_gtcrn_like(models / "gtcrn")
    noise = np.random.default_rng(1).normal(0, 0.05, DENOISE_RATE_HZ * 3 + 123).astype(np.float32)
    source = tmp_path / "noise.wav"
    write_audio(source, [noise], DENOISE_RATE_HZ)
    outputs: list[Samples] = []
    for name in ("gtcrn", str(folder)):
        target = tmp_path / f"{len(outputs)}.wav"
        command = [
            "denoise",
            str(source),
            str(target),
            "--model",
            name,
            "--models-dir",
            str(models),
        ]
        result = CliRunner().invoke(main, command)
        assert (result.exit_code, result.output) == (0, "")
        outputs.append(np.concatenate(list(read_audio(target, DENOISE_RATE_HZ))))

    assert np.array_equal(outputs[0], outputs[1])
    assert len(outputs[0]) == len(noise)
    assert level(tmp_path / "0.wav") < 0.3 * level(source)


def test_a_model_that_is_not_here_is_told(tmp_path: Path) -> None:
    source, target = tmp_path / "silence.wav", tmp_path / "clean.wav"
    write_audio(source, [np.zeros(4800, np.float32)], DENOISE_RATE_HZ)
    command = ["denoise", str(source), str(target), "--model", "gtcrn"]

    result = CliRunner().invoke(main, [*command, "--models-dir", str(tmp_path)])

    assert result.exit_code == 1
    assert "no denoiser 'gtcrn' is here; here are: rnnoise" in result.stderr
    assert not target.exists()
