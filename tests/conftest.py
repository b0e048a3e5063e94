"""What all tests share: speech, noise, reproducible random cases, and the versions in the header."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeAlias

import av
import numpy as np
import pytest
import structlog
from hypothesis import settings as hypothesis_settings

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.infer.inference import Inference
from gapless.infer.open import open_inference
from gapless.settings import Settings

SPEECH_DIR = Path(__file__).parent / "data" / "speech"

LoadSpeech: TypeAlias = Callable[[str], Samples]
Noise: TypeAlias = Literal["white", "pink", "hum"]
MakeNoise: TypeAlias = Callable[[Noise, int, int], Samples]


def send_logs_to_pytest() -> None:
    """Log lines of servers that run in the tests' process are shown with the test that fails, and only then."""
    structlog.reset_defaults()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


send_logs_to_pytest()

# The same cases on every machine: what fails anywhere fails everywhere. No database: nothing is left behind.
hypothesis_settings.register_profile("gapless", derandomize=True, deadline=None, database=None)
hypothesis_settings.load_profile("gapless")


def pytest_report_header() -> str:
    """The versions that results may depend on."""
    packages = ("numpy", "numba", "onnxruntime", "pocketsphinx", "av")
    return ", ".join([f"{name} {version(name)}" for name in packages]) + (
        f", sqlite {sqlite3.sqlite_version}"
    )


@pytest.fixture(scope="session", autouse=True)
def no_models_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's data folder is an empty one: models that somebody pulled would be the default, and not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands set up logging for their process, which here is the tests'."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    send_logs_to_pytest()


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """The folder of recordings; its README.md and manifest.json say what each holds."""
    return SPEECH_DIR


@pytest.fixture(scope="session")
def load_speech() -> LoadSpeech:
    """Decodes a recording by file name: float32 [n_samples], 16 kHz, mono."""

    def load(name: str) -> Samples:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=LISTEN_RATE_HZ)
        with av.open(str(SPEECH_DIR / name)) as container:
            frames = [*container.decode(audio=0), None]
            parts = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]
        return np.concatenate(parts)

    return load


@pytest.fixture(scope="session")
def inference() -> Iterator[Inference]:
    """The engine over the models that Gapless carries, shared by all tests that only use it."""
    with open_inference(Settings(models_dir="/nowhere", repository_poll_ms=0)) as engine:
        yield engine


@pytest.fixture(scope="session")
def make_noise() -> MakeNoise:
    """Makes noise of standard deviation 1, always the same: kind, number of samples, rate in Hz."""

    def make(kind: Noise, n_samples: int, rate_hz: int) -> Samples:
        chance = np.random.default_rng(20)
        if kind == "hum":
            seconds = np.arange(n_samples) / rate_hz
            noise = sum(np.sin(2 * np.pi * 50 * k * seconds) / k for k in (1, 2, 3, 5))
        else:
            noise = chance.standard_normal(n_samples)
        if kind == "pink":
            hz = np.fft.rfftfreq(n_samples, 1 / rate_hz)
            noise = np.fft.irfft(np.fft.rfft(noise) / np.sqrt(np.maximum(hz, 20)), n_samples)
        return np.asarray(noise / np.std(noise), np.float32)

    return make
