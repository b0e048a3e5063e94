"""The callback of a cleaned microphone, without a device: blocks in, blocks out, and a worker that comes when the test says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.clean.live.process import process
from gapless.clean.live.rnnoise_work import RnnoiseWork
from gapless.clean.live.state import (
    AMOUNT,
    BYPASS,
    GATE,
    HEARD,
    INVALID,
    LATE,
    MUTED,
    RATE_HZ,
    RESTS,
    SKIPPED,
    MicState,
    make_state,
    set_latency,
)
from gapless.clean.mic.status import MicOptions, Mode
from gapless.clean.rnnoise import FRAME_SAMPLES
from gapless.realtime.breaker import FULL, OPENED, PATH
from gapless.testing.detectors import clicks, dropouts

# One process compiles its kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("low-delay")]

LoadSpeech = Callable[[str], Samples]


class Microphone:
    """A record, and the model beside it, which works after each block unless it is stalled."""

    def __init__(self, mode: Mode | None, **options: float) -> None:
        self.state: MicState = make_state(MicOptions(mode=mode or "low-delay", **options))  # type: ignore[arg-type]
        self._work: RnnoiseWork | None = None
        self._taken = 0
        self.stalled = False
        if mode is not None:
            self._work = RnnoiseWork(self.state, quality=mode == "quality")
            self.state[0]["has_model"] = 1
            if mode == "quality":
                set_latency(self.state, self._work.delay_samples + FRAME_SAMPLES)

    def hear(self, source: Samples, block: int | Sequence[int] = 128) -> Samples:
        target = np.empty_like(source)
        blocks: Iterator[int] = itertools.cycle([block] if isinstance(block, int) else block)
        start = 0
        while start < len(source):
            end = min(start + next(blocks), len(source))
            process(self.state[0], source[start:end], target[start:end])
            self._catch_up()
            start = end
        return target

    def _catch_up(self) -> None:
        told = self.state[0]["told_by_callback"]
        heard = int(told[HEARD])
        if told[RESTS]:
            self._taken = heard
        while self._work and not self.stalled and heard - self._taken >= FRAME_SAMPLES:
            self._taken = self._work.run(self._taken, 1)

    def tell(self, cell: int, value: int) -> None:
        self.state[0]["told"][cell] = value

    def close(self) -> None:
        if self._work:
            self._work.close()

    @property
    def latency(self) -> int:
        return int(self.state[0]["latency"])


@pytest.fixture
def microphone() -> Iterator[Callable[..., Microphone]]:
    made: list[Microphone] = []

    def make(mode: Mode | None = None, **options: float) -> Microphone:
        made.append(Microphone(mode, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def tone(seconds: float, hz: float = 220.0, level: float = 0.2) -> Samples:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def noise(seconds: float, level: float = 0.05) -> Samples:
    rng = np.random.default_rng(5)
    return (level * rng.standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def voice_like(seconds: float) -> Samples:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pulses = sum(np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 20))
    return (0.1 * pulses * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time_s))).astype(np.float32)


@pytest.mark.parametrize("blocks", [[64], [480], [1], [1000], [7, 128, 333, 96, 8000]], ids=str)
def test_the_split_into_blocks_changes_nothing(
    microphone: Callable[..., Microphone], blocks: list[int]
) -> None:
    source = voice_like(0.4) + noise(0.4)
    whole = microphone().hear(source, 128)
    assert microphone().hear(source, blocks).tobytes() == whole.tobytes()


@pytest.mark.parametrize("told", [(AMOUNT, 0), (BYPASS, 1)], ids=["amount 0", "bypass"])
def test_what_is_not_cleaned_goes_out_bit_for_bit_and_as_late(
    microphone: Callable[..., Microphone], told: tuple[int, int]
) -> None:
    mic = microphone(amount=0.0)
    mic.tell(*told)
    source = noise(0.2)
    heard = mic.hear(source, 100)
    assert heard[192:].tobytes() == source[:-192].tobytes()
    assert not heard[:192].any()


def test_the_declared_latency_is_the_measured_one(
    microphone: Callable[..., Microphone], load_speech: LoadSpeech
) -> None:
    source = np.repeat(load_speech("news.flac")[: 16_000 * 2], 3).astype(np.float32)
    start, end = 48_000, 72_000
    for mode, expected in (("low-delay", 192), ("quality", 1440 + 240 + 128 + 144)):
        mic = microphone(mode)
        heard = mic.hear(source)[start:end]
        assert mic.latency == expected
        alike = [float(heard @ source[start - late : end - late]) for late in range(3000)]
        # RNNoise's high-pass filter moves the peak by a few samples.
        assert abs(int(np.argmax(alike)) - expected) < 24


def test_noise_goes_and_a_voice_stays(
    microphone: Callable[..., Microphone], load_speech: LoadSpeech
) -> None:
    speech = np.repeat(load_speech("news.flac")[: 16_000 * 4], 3).astype(np.float32)
    speech = np.concatenate([np.zeros(RATE_HZ, np.float32), speech])
    hiss = noise(len(speech) / RATE_HZ, 0.01)
    for mode in ("low-delay", "quality"):
        mic = microphone(mode)
        heard = mic.hear(speech + hiss)
        pause = slice(RATE_HZ // 2, RATE_HZ)
        assert heard[pause].std() < 0.15 * hiss[pause].std(), mode
        loud = heard[mic.latency :]
        assert loud.std() > 0.7 * speech[: len(loud)].std(), mode


def test_what_cannot_be_sound_is_repaired_and_counted(
    microphone: Callable[..., Microphone],
) -> None:
    mic = microphone()
    source = voice_like(0.5)
    source[5000:5004] = [np.nan, np.inf, -np.inf, 1e30]
    heard = mic.hear(source)
    assert int(mic.state[0]["told_by_callback"][INVALID]) == 4
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 2.1
    assert heard[-2000:].std() > 0.01


@pytest.mark.parametrize("stall_ms", [1, 5, 20, 100])
def test_a_stall_of_the_model_makes_no_gap_and_leaves_no_delay(
    microphone: Callable[..., Microphone], stall_ms: int
) -> None:
    mic = microphone("quality")
    source = voice_like(3.0)
    before = mic.hear(source[: 2 * RATE_HZ])
    latency, path = mic.latency, mic.state[0]["breaker"]
    mic.stalled = True
    at = 2 * RATE_HZ + stall_ms * RATE_HZ // 1000
    stalled = mic.hear(source[2 * RATE_HZ : at])
    mic.stalled = False
    back = mic.hear(source[at : at + 1200])
    assert int(path[PATH]) == FULL, "the model is heard again within 25 ms"
    rest = mic.hear(source[at + 1200 :])
    heard = np.concatenate([before, stalled, back, rest])[RATE_HZ // 2 :]
    assert mic.latency == latency
    assert clicks(heard, RATE_HZ).size == 0
    assert dropouts(heard, RATE_HZ).size == 0
    if stall_ms >= 20:
        assert int(mic.state[0]["told_by_callback"][LATE]) > 0


def test_a_model_that_is_gone_is_not_waited_for(microphone: Callable[..., Microphone]) -> None:
    mic = microphone("quality")
    mic.hear(voice_like(1.0))
    mic.stalled = True
    heard = mic.hear(voice_like(2.0))
    assert dropouts(heard, RATE_HZ).size == 0
    assert clicks(heard, RATE_HZ).size == 0
    assert int(mic.state[0]["breaker"][OPENED]) == 0, "the low-delay path needs no model"
    mic.stalled = False
    mic.hear(voice_like(1.0))
    assert int(mic.state[0]["told_by_worker"][SKIPPED]) > 0, "what is too old is left out"
    assert int(mic.state[0]["breaker"][PATH]) == FULL


def test_old_sound_never_comes_back(
    microphone: Callable[..., Microphone], load_speech: LoadSpeech
) -> None:
    mic = microphone("quality")
    spoken = mic.hear(np.repeat(load_speech("news.flac")[: 2 * 16_000], 3).astype(np.float32))
    assert np.abs(spoken[RATE_HZ:]).max() > 0.01
    mic.stalled = True
    mic.hear(np.zeros(RATE_HZ, np.float32))
    mic.stalled = False
    assert np.abs(mic.hear(np.zeros(RATE_HZ, np.float32))).max() < 1e-3


def test_a_model_that_is_late_again_and_again_gets_more_time_and_gives_it_back(
    microphone: Callable[..., Microphone],
) -> None:
    mic = microphone("quality")
    mic.hear(voice_like(0.5))
    least = mic.latency
    for _ in range(4):
        mic.stalled = True
        mic.hear(voice_like(0.02))
        mic.stalled = False
        mic.hear(voice_like(0.2))
    assert mic.latency > least
    mic.hear(np.zeros(60 * RATE_HZ, np.float32), 512)
    assert mic.latency <= least + 512 - 128
    assert clicks(mic.hear(voice_like(1.0), 512)[RATE_HZ // 4 :], RATE_HZ).size == 0


def test_latency_that_is_less_than_a_step_does_not_stay(
    microphone: Callable[..., Microphone],
) -> None:
    mic = microphone("quality")
    mic.hear(voice_like(0.5))
    least = mic.latency
    for record in ("latency", "latency_before"):
        mic.state[0][record] = least + 81
    mic.hear(np.zeros(11 * RATE_HZ, np.float32))
    assert mic.latency == least


def test_switches_fade(microphone: Callable[..., Microphone]) -> None:
    mic = microphone("low-delay")
    heard = [mic.hear(tone(0.5))]
    for cell, value in ((AMOUNT, 300_000), (BYPASS, 1), (BYPASS, 0), (MUTED, 1), (MUTED, 0)):
        mic.tell(cell, value)
        heard.append(mic.hear(tone(0.5)))
    assert clicks(np.concatenate(heard)[RATE_HZ // 4 :], RATE_HZ).size == 0
    assert not heard[4][RATE_HZ // 4 :].any(), "muted is silent"


def test_the_gate_closes_behind_a_voice_softly_and_never_to_silence(
    microphone: Callable[..., Microphone], load_speech: LoadSpeech
) -> None:
    speech = np.repeat(load_speech("news.flac")[: 16_000 * 3], 3).astype(np.float32)
    hum = noise(3.0, 0.003)
    source = np.concatenate([speech, np.zeros_like(hum)]) + noise(len(speech) / RATE_HZ + 3, 0.003)
    plain, gated = microphone("low-delay", amount=0.0), microphone("low-delay", amount=0.0)
    gated.tell(GATE, 1)
    open_, closed = plain.hear(source), gated.hear(source)
    after = slice(-RATE_HZ, None)
    assert 0.02 < closed[after].std() / open_[after].std() < 0.1
    assert clicks(closed, RATE_HZ).size == 0
    loud = slice(RATE_HZ, 2 * RATE_HZ)
    assert closed[loud].std() > 0.9 * open_[loud].std()


def test_models_rest_while_nobody_misses_them_and_come_back_without_a_click(
    microphone: Callable[..., Microphone],
) -> None:
    mic = microphone("low-delay")
    mic.hear(voice_like(0.5))
    mic.tell(BYPASS, 1)
    mic.hear(voice_like(1.5))
    assert int(mic.state[0]["told_by_callback"][RESTS]) == 1
    mic.tell(BYPASS, 0)
    heard = mic.hear(voice_like(0.5) + noise(0.5))
    assert int(mic.state[0]["told_by_callback"][RESTS]) == 0
    assert clicks(heard[480:], RATE_HZ).size == 0
