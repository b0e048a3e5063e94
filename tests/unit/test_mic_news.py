"""What the engine does in plain words, and how long blocks are."""

from __future__ import annotations

import pytest

from gapless.clean.mic.block_choice import LADDER, BlockChoice
from gapless.clean.mic.engine_news import COUNT_EVERY_MS, LASTING_MS, EngineNews
from gapless.clean.mic.status import MicOptions
from gapless.testing.fake_mic_engine import FakeMicEngine


@pytest.fixture
def engine() -> FakeMicEngine:
    return FakeMicEngine(MicOptions())


def test_a_path_is_told_once_it_lasts(engine: FakeMicEngine) -> None:
    news = EngineNews()
    engine.say(path="cheaper")

    told = [news.look(engine.status(), ms) for ms in range(0, 2 * LASTING_MS, 100)]

    assert told.count(["heard now: the quick model, the full one is late"]) == 1
    assert told.count([]) == len(told) - 1
    engine.say(path="full")
    assert news.look(engine.status(), 2_000) == []
    assert news.look(engine.status(), 3_000) == ["heard now: the full model"]


def test_dry_and_half_open_are_one_thing(engine: FakeMicEngine) -> None:
    news = EngineNews()
    told = []
    for ms in range(0, 5_000, 100):
        engine.say(path="dry" if ms % 200 else "half-open", opened=ms // 200)
        told += news.look(engine.status(), ms)

    assert [line for line in told if "heard now" in line] == [
        "heard now: not cleaned, the model is too slow"
    ]


def test_short_ones_are_counted_now_and_then(engine: FakeMicEngine) -> None:
    news = EngineNews()
    told = []
    for ms in range(0, 2 * COUNT_EVERY_MS, 100):
        engine.say(opened=1 + ms // 1_000)
        told += news.look(engine.status(), ms)

    assert told == [
        "the model was late: once the sound passed as it is for a moment",
        "the model was late: 10 times the sound passed as it is for a moment",
    ]


def test_a_model_that_fails_and_comes_back(engine: FakeMicEngine) -> None:
    news = EngineNews()
    engine.say(model_error="it is broken; pull it again")
    assert news.look(engine.status(), 0) == ["the model failed: it is broken; pull it again"]
    assert news.look(engine.status(), 100) == []
    engine.say(model_error="")
    assert news.look(engine.status(), 200) == ["the model works again"]


def test_samples_that_are_no_sound_are_told_once(engine: FakeMicEngine) -> None:
    news = EngineNews()
    engine.say(invalid_samples=3)
    assert len(news.look(engine.status(), 0)) == 1
    engine.say(invalid_samples=99)
    assert news.look(engine.status(), 100) == []


def test_auto_begins_short_and_grows_while_blocks_are_late() -> None:
    choice = BlockChoice("auto", "low-delay")
    frames = [choice.frames]
    for round_ms in range(0, 60_000, 10_000):
        choice.opened(round_ms)
        for ms in range(round_ms, round_ms + 9_000, 500):
            if choice.judge((ms - round_ms) // 50, ms):
                frames.append(choice.frames)
                break

    assert frames == [size for size in LADDER if size >= 256]


def test_few_late_blocks_change_nothing() -> None:
    choice = BlockChoice("auto", "quality")
    choice.opened(0)

    assert not any(choice.judge(ms // 2_000, ms) for ms in range(0, 600_000, 500))
    assert choice.frames == 512


def test_the_first_second_does_not_count() -> None:
    choice = BlockChoice("auto", "low-delay")
    choice.opened(0)

    assert not choice.judge(500, 900)
    assert not any(choice.judge(500, ms) for ms in range(1_000, 30_000, 500))


def test_a_number_stays() -> None:
    choice = BlockChoice("128", "quality")
    choice.opened(0)

    assert not any(choice.judge(ms, ms) for ms in range(0, 30_000, 500))
    assert choice.frames == 128
