"""Many utterances through one streaming recogniser: real networks, the real engine, nobody's neighbour."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers, lists

from gapless.audio.types import Samples
from gapless.errors import ConfigError, GaplessError, ModelError, ModelNotFoundError, OverloadError
from gapless.infer.inference import Inference
from gapless.infer.open import open_inference
from gapless.listen.recogniser.contract import Hypothesis, RecogniseOptions, Recognition, Result
from gapless.listen.recogniser.guards import OF_WORDS, Guards
from gapless.listen.recogniser.streaming.recogniser import StreamingRecogniser
from gapless.settings import Settings
from gapless.testing.streaming_models import DIGITS, make_babble, make_blast, write_recogniser

pytestmark = pytest.mark.long

PATIENCE_S = 20.0
PLAIN = RecogniseOptions()
BABBLE = make_babble(5, 12_000)
BEAM = '[decode]\nsearch = "beam"\n'
HYBRID = '[ctc]\npart = "ctc"\n[decode]\nsearch = "hybrid"\n'


class Heard:
    """One utterance of a recogniser, fed piece by piece."""

    def __init__(self, recogniser: StreamingRecogniser, options: RecogniseOptions = PLAIN) -> None:
        self._news = threading.Event()
        self.recognition: Recognition = recogniser.open(options, self._news.set).result(timeout=0)

    def result(self) -> Result:
        """End it and wait."""
        self.recognition.finish()
        while not isinstance(news := self.recognition.poll(), Result):
            if news is None:
                assert self._news.wait(PATIENCE_S), "nobody was woken"
                self._news.clear()
        return news


class Bench:
    """An engine over recognisers made on the spot; closed with the test, which leaves no thread behind."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._engine: Inference | None = None

    @property
    def engine(self) -> Inference:
        if self._engine is None:
            options = Settings(models_dir=str(self._folder), repository_poll_ms=0)
            self._engine = self._stack.enter_context(open_inference(options))
        return self._engine

    def open(
        self, name: str, guards: Guards | None = None, *, places: int = 128
    ) -> StreamingRecogniser:
        recogniser = StreamingRecogniser(
            self._folder / name, self.engine, places=places, guards=guards
        )
        self._stack.callback(recogniser.close)
        return recogniser


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, stack)


def hear(recogniser: StreamingRecogniser, sound: Samples, **options: object) -> Result:
    utterance = Heard(recogniser, RecogniseOptions(**options))  # type: ignore[arg-type]
    utterance.recognition.accept(sound)
    return utterance.result()


def feed_in_turns(
    utterances: Sequence[Heard], sounds: Sequence[Samples], leaving: Sequence[int] = ()
) -> None:
    """All of them at a time, each in pieces of another odd length; some leave halfway."""
    at = [0] * len(sounds)
    gone = set()
    while any(place < len(sound) for place, sound in zip(at, sounds, strict=True)):
        for number, (utterance, sound) in enumerate(zip(utterances, sounds, strict=True)):
            piece = 377 + 91 * (number % 17)
            if number in leaving and at[number] > len(sound) // 2 and number not in gone:
                utterance.recognition.cancel()
                gone.add(number)
            elif number not in gone:
                utterance.recognition.accept(sound[at[number] : at[number] + piece])
            at[number] += piece


def test_64_at_a_time_say_what_each_says_alone(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits")
    sounds = [make_babble(seed, 5_000 + 37 * seed) for seed in range(64)]
    alone = [hear(recogniser, sound).text for sound in sounds]
    assert len(set(alone)) > 48, "what they say should tell them apart"
    leaving = range(3, 64, 7)

    utterances = [Heard(recogniser) for _ in sounds]
    feed_in_turns(utterances, sounds, leaving)
    together = {
        number: utterance.result().text
        for number, utterance in enumerate(utterances)
        if number not in leaving
    }

    assert together == {number: alone[number] for number in together}
    assert recogniser.stats().busy == 0


def test_utterances_share_calls_of_the_encoder(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits")
    utterances = [Heard(recogniser) for _ in range(16)]
    feed_in_turns(utterances, [BABBLE] * 16)
    for utterance in utterances:
        utterance.result()

    (encoder,) = (one for one in bench.engine.statistics() if one.name == "digits.encoder")
    assert encoder.calls < encoder.rows / 2


@pytest.mark.parametrize("ctc", [False, True], ids=["transducer", "ctc"])
def test_any_split_gives_the_result_of_the_whole(bench: Bench, tmp_path: Path, ctc: bool) -> None:
    write_recogniser(tmp_path / "digits", ctc=ctc)
    recogniser = bench.open("digits")
    whole = hear(recogniser, BABBLE)
    assert whole.text

    @given(lists(integers(0, 3000), max_size=20))
    @settings(max_examples=6)
    def check(lengths: list[int]) -> None:
        utterance = Heard(recogniser)
        at = 0
        for length in [*lengths, len(BABBLE)]:
            utterance.recognition.accept(BABBLE[at : at + length])
            at += length
        assert utterance.result() == whole

    check()


@pytest.mark.parametrize("part", ["encoder", "joiner"])
@pytest.mark.parametrize("search", ["", HYBRID], ids=["greedy", "hybrid"])
def test_an_utterance_that_breaks_a_network_is_lost_alone(
    bench: Bench, tmp_path: Path, part: str, search: str
) -> None:
    write_recogniser(tmp_path / "digits", fragile=part, more=search)  # type: ignore[arg-type]
    recogniser = bench.open("digits")
    alone = hear(recogniser, BABBLE).text
    utterances = [Heard(recogniser) for _ in range(9)]
    sounds = [BABBLE] * 4 + [np.concatenate([BABBLE[:6000], make_blast(6000)])] + [BABBLE] * 4

    feed_in_turns(utterances, sounds)
    with pytest.raises(ModelError, match="no number"):
        utterances.pop(4).result()

    assert [utterance.result().text for utterance in utterances] == [alone] * 8
    assert hear(recogniser, BABBLE).text == alone, "its place and its thread live on"


def test_a_result_that_comes_too_late_is_not_told(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits", places=2)
    woken = threading.Event()
    gone = recogniser.open(PLAIN, woken.set).result(timeout=0)
    gone.finish()
    assert woken.wait(PATIENCE_S), "the result is there"

    gone.cancel()

    assert gone.poll() is None
    gone.cancel()
    assert recogniser.stats().busy == 0, "its place is given back once"


def test_a_caller_that_cannot_be_woken_does_no_harm(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits")

    def wake() -> None:
        raise RuntimeError("the event loop is closed")

    deaf = recogniser.open(PLAIN, wake).result(timeout=0)
    deaf.accept(BABBLE)
    other = hear(recogniser, BABBLE)

    assert other == hear(recogniser, BABBLE)
    deaf.cancel()


def test_windows_that_find_no_room_in_the_engine_wait(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "roomy")
    write_recogniser(tmp_path / "narrow", waiting=2)
    narrow = bench.open("narrow")
    utterances = [Heard(narrow) for _ in range(12)]

    feed_in_turns(utterances, [BABBLE] * 12)

    expected = hear(bench.open("roomy"), BABBLE).text
    assert [utterance.result().text for utterance in utterances] == [expected] * 12
    (encoder,) = (one for one in bench.engine.statistics() if one.name == "narrow.encoder")
    assert encoder.refused > 0


def test_what_is_open_at_the_close_still_ends(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits", places=4)
    expected = hear(recogniser, BABBLE)
    utterances = [Heard(recogniser) for _ in range(4)]
    late = recogniser.open(PLAIN, lambda: None)
    feed_in_turns(utterances, [BABBLE[:7000]] * 4)

    recogniser.close()

    assert late.cancelled()
    for utterance in utterances:
        utterance.recognition.accept(BABBLE[7000:])
        assert utterance.result() == expected


def test_a_closed_recogniser_leaves_no_thread(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    before = set(threading.enumerate())
    recogniser = bench.open("digits")
    hear(recogniser, BABBLE)
    with_it = {thread.name for thread in threading.enumerate()}

    recogniser.close()

    bench.engine.close()
    assert "gapless-decode" in with_it
    assert set(threading.enumerate()) <= before


def test_closing_the_engine_under_way_loses_the_utterances_and_hangs_nobody(
    bench: Bench, tmp_path: Path
) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits")
    utterances = [Heard(recogniser) for _ in range(8)]
    feed_in_turns(utterances, [np.tile(BABBLE, 4)] * 8)

    bench.engine.close()

    for utterance in utterances:
        try:
            utterance.recognition.accept(BABBLE)
            utterance.result()
        except GaplessError as error:
            assert "closed" in error.message  # noqa: PT017 - those that were over before may still say so
    assert recogniser.stats().busy == 0


@pytest.mark.parametrize(
    ("search", "digits"),
    [(BEAM, ("one", "nine")), (HYBRID, ("zero", "two"))],
    ids=["beam", "hybrid"],
)
def test_hot_words_are_favoured(
    bench: Bench, tmp_path: Path, search: str, digits: tuple[str, ...]
) -> None:
    write_recogniser(tmp_path / "digits", more=search)
    recogniser = bench.open("digits")

    plain = hear(recogniser, BABBLE).text.split()
    favoured = {digit: hear(recogniser, BABBLE, hotwords=(digit,)).text.split() for digit in digits}

    gained = [words.count(digit) - plain.count(digit) for digit, words in favoured.items()]
    assert min(gained) > 0


def test_hot_words_that_cannot_be_spelt_are_ignored(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits")

    assert hear(recogniser, BABBLE, hotwords=("gibberish", "")) == hear(recogniser, BABBLE)


def test_too_many_hot_words_are_refused_before_a_place_is_taken(
    bench: Bench, tmp_path: Path
) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits")

    with pytest.raises(ConfigError, match="hot words are too many"):
        recogniser.open(RecogniseOptions(hotwords=("one",) * 1001), lambda: None)
    assert recogniser.stats().busy == 0


def test_silent_tokens_and_words_that_are_not_sure_give_no_text(
    bench: Bench, tmp_path: Path
) -> None:
    write_recogniser(tmp_path / "all")
    write_recogniser(tmp_path / "sure", more="[decode]\nmin_confidence = 0.8\n")
    recogniser = bench.open("sure")
    every, sure = hear(bench.open("all"), BABBLE), hear(recogniser, BABBLE)

    assert sure.tokens == every.tokens
    assert 0 < len(sure.words) < len(every.words)
    assert [word.text for word in sure.words] == [
        word.text for word in every.words if (word.confidence or 0) >= 0.8
    ]
    dropped = len(every.words) - len(sure.words)
    assert recogniser.suppressed() == {"low_confidence": dropped}
    unguarded = bench.open("sure", Guards((), OF_WORDS))
    assert hear(unguarded, BABBLE).words == every.words
    assert unguarded.suppressed() == {}
    spoken = [token for token in every.tokens if token != len(DIGITS) + 1]
    assert [word.text for word in every.words] == [DIGITS[token - 1] for token in spoken]


def test_other_ways_to_understand_an_utterance_are_different_and_less_likely(
    bench: Bench, tmp_path: Path
) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits")
    plain, several = hear(recogniser, BABBLE), hear(recogniser, BABBLE, n_best=3)

    assert plain.alternatives == ()
    assert several.text == hear(recogniser, BABBLE, n_best=2).text
    assert 1 <= len(several.alternatives) <= 2
    texts = [several.text, *(other.text for other in several.alternatives)]
    assert len(set(texts)) == len(texts)


def test_a_hypothesis_says_how_long_nothing_was_heard(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    utterance = Heard(bench.open("digits"))
    utterance.recognition.accept(np.concatenate([BABBLE, np.zeros(16_000, np.float32)]))
    last: Hypothesis | None = None
    while utterance.recognition.pending_samples:
        news = utterance.recognition.poll()
        last = news if isinstance(news, Hypothesis) else last
    news = utterance.recognition.poll()
    last = news if isinstance(news, Hypothesis) else last
    utterance.recognition.cancel()

    assert last is not None
    assert last.text
    assert last.silent_ms >= 1000 - 40


def test_a_language_that_it_does_not_know_is_refused(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    recogniser = bench.open("digits")

    with pytest.raises(ConfigError, match="does not know the language 'fr'"):
        recogniser.open(RecogniseOptions(language="fr"), lambda: None)

    assert hear(recogniser, BABBLE, language="en-GB").language == "en-GB"
    assert hear(recogniser, BABBLE).language == "en"


def test_samples_that_wait_are_bounded(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    utterance = Heard(bench.open("digits"))

    with pytest.raises(OverloadError, match="600 s of sound wait") as caught:
        utterance.recognition.accept(np.zeros(600 * 16_000 + 1, np.float32))

    assert caught.value.retry_after_ms
    utterance.recognition.cancel()


@pytest.mark.parametrize(
    ("mend", "kind", "says"),
    [
        (("blank = 0", ""), ModelError, "missing required field `blank`"),
        (("blank = 0", "blank = 12"), ModelError, "blank is 12, but there are 12 tokens"),
        (('input = "features"', 'input = "sound"'), ModelError, "has features; use the file's"),
        (('"ph_next"', '"h"'), ModelError, "names the output 'h', but digits.predictor has"),
        (("[transducer]", '[transducer]\njoiner = "none"'), ModelNotFoundError, "digits.none"),
        (("[transducer]\nmax_symbols", "[other]\nmax_symbols"), ModelError, "unknown field"),
    ],
    ids=["no-blank", "blank", "input", "state", "part", "table"],
)
def test_a_folder_that_does_not_fit_its_parts_is_refused_and_says_why(
    bench: Bench, tmp_path: Path, mend: tuple[str, str], kind: type[GaplessError], says: str
) -> None:
    folder = write_recogniser(tmp_path / "digits")
    toml = folder / "recogniser.toml"
    toml.write_text(toml.read_text("utf-8").replace(*mend), "utf-8")

    with pytest.raises(kind, match=says):
        bench.open("digits")


def test_tokens_of_another_model_are_refused(bench: Bench, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "digits")
    tokens = tmp_path / "digits" / "tokens.txt"
    tokens.write_text("".join(tokens.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")

    with pytest.raises(ModelError, match=r"joiner gives \d+ scores, but \d+ tokens"):
        bench.open("digits")


def test_a_folder_without_a_description_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"recogniser.toml cannot be read .*models add"):
        bench.open("nothing")
    assert not (tmp_path / "nothing").exists()
