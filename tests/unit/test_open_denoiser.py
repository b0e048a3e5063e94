from __future__ import annotations

from pathlib import Path

import pytest

from gapless.clean.onnx.denoiser import OnnxDenoiser
from gapless.clean.open import denoiser_folders, open_denoiser
from gapless.clean.resampled import Resampled
from gapless.clean.rnnoise import Rnnoise
from gapless.errors import ModelError, ModelNotFoundError
from gapless.testing.denoiser_models import GTCRN_MANIFEST, write_dfn_like, write_gtcrn_like


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    write_gtcrn_like(tmp_path / "gtcrn")
    write_dfn_like(tmp_path / "dfn")
    write_dfn_like(tmp_path / ".half-written")
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").touch()
    return tmp_path


def test_what_is_here(models_dir: Path) -> None:
    assert denoiser_folders(models_dir) == {
        "dfn": models_dir / "dfn",
        "gtcrn": models_dir / "gtcrn",
    }
    assert denoiser_folders(models_dir / "nothing") == {}


def test_one_at_the_rate_that_is_asked_for_is_given_as_it_is(models_dir: Path) -> None:
    assert isinstance(open_denoiser("rnnoise", models_dir), Rnnoise)
    assert isinstance(open_denoiser("dfn", str(models_dir)), OnnxDenoiser)
    assert isinstance(open_denoiser("gtcrn", models_dir, rate_hz=16_000), OnnxDenoiser)


def test_one_at_another_rate_is_wrapped(models_dir: Path) -> None:
    denoiser = open_denoiser("gtcrn", models_dir)

    assert isinstance(denoiser, Resampled)
    assert (denoiser.name, denoiser.rate_hz, denoiser.frame_samples) == ("gtcrn", 48_000, 768)
    # Two filters that wait for 32 zero crossings at 16 kHz, and its own 256 samples.
    assert denoiser.delay_samples == 3 * (32 + 256 + 32)


def test_a_rate_that_does_not_fit_is_refused(models_dir: Path) -> None:
    write_gtcrn_like(models_dir / "odd", GTCRN_MANIFEST.replace("16000", "44100"))

    with pytest.raises(ModelError, match="44100 Hz, which does not divide 48000 Hz"):
        open_denoiser("odd", models_dir)


def test_a_name_that_is_not_here_is_told_what_is(models_dir: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="here are: rnnoise, dfn, gtcrn; put") as caught:
        open_denoiser("gtcm", models_dir)
    assert caught.value.param == "model"


@pytest.mark.parametrize("name", ["whisper", ".half-written", "", ".", "..", "dfn/../gtcrn"])
def test_a_name_opens_nothing_but_a_denoiser_of_the_folder(models_dir: Path, name: str) -> None:
    with pytest.raises(ModelNotFoundError):
        open_denoiser(name, models_dir)


def test_a_path_opens_where_the_caller_vouches_for_it(models_dir: Path, tmp_path: Path) -> None:
    path = str(models_dir / "dfn")
    with pytest.raises(ModelNotFoundError):
        open_denoiser(path, tmp_path / "elsewhere")

    denoiser = open_denoiser(path, tmp_path / "elsewhere", allow_paths=True)
    assert denoiser.name == "dfn"
    with pytest.raises(ModelError, match="put a manifest beside"):
        open_denoiser(str(models_dir / "whisper"), models_dir, allow_paths=True)
