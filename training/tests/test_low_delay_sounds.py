"""Noises, rooms and speech that the low-delay denoiser is trained on."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from commands_en.speech import family
from low_delay import noises, rooms, speech, splits
from low_delay.recordings import listed, recorded
from low_delay.shaping import RATE_HZ, coloured, harmonics, seconds_of

SECOND = RATE_HZ


@pytest.mark.parametrize("name", sorted(noises.MAKERS))
def test_a_noise_has_its_level_and_depends_on_the_seed_only(name: str) -> None:
    first, again, other = (
        noises.make(name, 2 * SECOND, np.random.default_rng(seed), "train") for seed in (1, 1, 2)
    )
    assert first.shape == (2 * SECOND,)
    assert np.isfinite(first).all()
    assert np.sqrt(np.mean(first**2)) == pytest.approx(1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_family_can_be_made_and_the_held_out_ones_are_heard_in_the_test_only() -> None:
    assert {*noises.MAKERS, "babble"} == {*splits.FAMILIES, *splits.HELD_OUT}
    assert not set(splits.FAMILIES) & set(splits.HELD_OUT)
    assert set(splits.families("test")) > set(splits.HELD_OUT)
    for split in ("train", "validation"):
        assert not set(splits.families(split)) & set(splits.HELD_OUT)


def test_no_language_or_speaker_of_the_test_is_in_another_split() -> None:
    for split in ("train", "validation"):
        assert not set(splits.LANGUAGES["test"]) & set(splits.LANGUAGES[split])
        theirs = {family(voice) for voice in splits.VOICES[split]}
        assert not theirs & {family(voice) for voice in splits.VOICES["test"]}
    names = [speaker.name for speaker in listed().speakers]
    assert len(set(names)) == len(names)


def test_people_in_training_ask_only_to_be_named() -> None:
    licences = {package.name: package.licence for package in listed().packages}
    trained_on = {licences[s.package] for s in listed().speakers if s.split == "train"}
    assert trained_on == {"MIT", "BSD-2-Clause", "CC-BY-3.0"}


def test_pink_noise_falls_by_3_db_an_octave() -> None:
    power = np.abs(np.fft.rfft(coloured(8 * SECOND, 0.5, np.random.default_rng(3)))) ** 2
    hz = np.fft.rfftfreq(8 * SECOND, 1 / RATE_HZ)
    low, high = (power[(hz > edge) & (hz < 2 * edge)].mean() for edge in (500, 4000))
    assert 10 * np.log10(low / high) == pytest.approx(9, abs=0.3)


def test_harmonics_are_where_they_should_be() -> None:
    tone = harmonics(seconds_of(SECOND), 100, np.array([1.0, 0.0, 0.5]), np.random.default_rng(1))
    spectrum = np.abs(np.fft.rfft(tone)) / (SECOND / 2)
    np.testing.assert_allclose(spectrum[[100, 200, 300]], [1, 0, 0.5], atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_a_room_starts_with_the_direct_sound_and_decays_as_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    room = rooms.draw_room(rng)
    whole = rooms.response(room, 1.0, rng)
    assert whole[0] == 1.0
    # Schroeder's integral between 10 and 30 dB, times three.
    left_db = 10 * np.log10(np.cumsum(whole[::-1] ** 2)[::-1])
    left_db -= left_db[1]
    fell = [np.flatnonzero(left_db < level)[0] for level in (-10, -30)]
    assert 3 * (fell[1] - fell[0]) / RATE_HZ == pytest.approx(room.rt60_s, rel=0.5)


def test_the_early_part_is_the_first_50_ms_and_a_fade() -> None:
    rng = np.random.default_rng(2)
    whole = rooms.response(rooms.draw_room(rng), 2.0, rng)
    early = rooms.early_part(whole)
    keep = int(0.05 * RATE_HZ)
    np.testing.assert_array_equal(early[:keep], whole[:keep])
    assert early.size == int(0.06 * RATE_HZ)
    assert early[-1] == 0


def test_what_is_above_the_edge_follows_the_speech() -> None:
    rng = np.random.default_rng(4)
    narrow = coloured(SECOND, 0.0, rng).astype(np.float32)
    spectrum = np.fft.rfft(narrow)
    spectrum[11000:] = 0
    narrow = np.fft.irfft(spectrum).astype(np.float32)
    narrow[SECOND // 2 :] = 0
    wide = speech.widened(narrow, 11000, rng)
    added = np.abs(np.fft.rfft(wide - narrow))
    assert added[12000:20000].mean() > 30 * added[:9000].mean()
    quiet = np.abs(wide[SECOND // 2 + 480 :])
    assert quiet.max() < 0.01 * np.abs(wide - narrow).max()


def test_synthetic_speech_has_the_length_and_a_voice_of_its_split() -> None:
    said = speech.synthetic(random.Random(1), "test", SECOND)
    assert said.samples.shape == (SECOND,)
    assert np.abs(said.samples).max() == pytest.approx(0.5)
    accent, _, variant = said.speaker.partition("+")
    assert accent in splits.LANGUAGES["test"]
    assert variant in {"invented", *splits.VOICES["test"]}


def test_a_person_is_taken_from_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"low_delay\.fetch"):
        recorded("test", tmp_path)
    tone = (10000 * np.sin(np.arange(3 * SECOND) / 20)).astype(np.int16)
    for speaker in listed().speakers:
        np.savez(tmp_path / f"{speaker.name}.npz", samples=tone, offsets=[0, SECOND, 3 * SECOND])
    said = speech.person(random.Random(3), "test", 4 * SECOND, tmp_path)
    assert said.kind == "person"
    assert said.speaker in {s.name for s in listed().speakers if s.split == "test"}
    assert said.samples.shape == (4 * SECOND,)
    assert np.abs(said.samples).max() == pytest.approx(0.5)
