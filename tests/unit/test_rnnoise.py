from __future__ import annotations

import gc
from collections.abc import Callable
from weakref import ref

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.clean.rnnoise import DELAY_SAMPLES, FRAME_SAMPLES, Rnnoise, load_library
from gapless.errors import ModelError


@pytest.fixture
def sound() -> Samples:
    """A second of a plucked string: something RNNoise changes but does not mute."""
    seconds = np.arange(48_000) / 48_000
    pluck = sum(np.sin(2 * np.pi * 110 * k * seconds) / k for k in range(1, 20))
    return np.asarray(0.2 * pluck * np.exp(-2 * seconds), np.float32)


def clean(state: Rnnoise, samples: Samples) -> Samples:
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return np.concatenate([state.process(frame) for frame in frames])


def test_the_library_agrees_on_the_frame() -> None:
    assert load_library().rnnoise_get_frame_size() == FRAME_SAMPLES


def test_the_output_is_late_by_the_declared_delay(
    make_noise: Callable[[str, int, int], Samples],
) -> None:
    noise = make_noise("white", 48_000, 48_000) * np.float32(0.1)
    cleaned = clean(Rnnoise(), noise)
    size = 2 * len(noise)
    spectrum = np.fft.rfft(cleaned, size) * np.conj(np.fft.rfft(noise, size))
    assert np.argmax(np.fft.irfft(spectrum, size)) == DELAY_SAMPLES


@pytest.mark.long
def test_reset_is_as_good_as_new(sound: Samples) -> None:
    state = Rnnoise()
    first = clean(state, sound)
    assert not np.array_equal(clean(state, sound), first), "it has a memory"
    state.reset()
    assert np.array_equal(clean(state, sound), first)


@pytest.mark.long
def test_states_do_not_hear_each_other(sound: Samples) -> None:
    one, other = Rnnoise(), Rnnoise()
    frames = sound.reshape(-1, FRAME_SAMPLES)
    heard = []
    for frame in frames:
        heard.append(one.process(frame))
        other.process(-frame[::-1])
    assert np.array_equal(np.concatenate(heard), clean(Rnnoise(), sound))


def test_the_frame_given_is_left_as_it_was(sound: Samples) -> None:
    frame = sound[:FRAME_SAMPLES].copy()
    Rnnoise().process(frame)
    assert np.array_equal(frame, sound[:FRAME_SAMPLES])


def test_a_frame_of_another_length_is_refused() -> None:
    with pytest.raises(ModelError, match="frames of 480 samples"):
        Rnnoise().process(np.zeros(512, np.float32))


def test_a_closed_state_is_refused_instead_of_reading_freed_memory() -> None:
    state = Rnnoise()
    state.close()
    state.close()
    with pytest.raises(ModelError, match="closed"):
        state.process(np.zeros(FRAME_SAMPLES, np.float32))
    with pytest.raises(ModelError, match="closed"):
        state.reset()


@pytest.mark.long
def test_a_state_that_nobody_holds_is_freed() -> None:
    state = Rnnoise()
    gone, freed = ref(state), state._free
    assert freed.alive
    del state
    gc.collect()
    assert gone() is None
    assert not freed.alive
