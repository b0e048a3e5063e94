from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import cast

import msgspec
import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.clean.amount import USUAL_AMOUNT
from gapless.errors import InvalidAudioError, MissingDependencyError, StoreError
from gapless.listen.events import Final
from gapless.listen.listener import Listener, ListenOptions
from gapless.listen.recogniser.contract import RecogniseOptions
from gapless.serve.stream.hearing import Hearing, Keeper, listen_options_of
from gapless.serve.stream.messages import HearingOptions, StreamOptions, VoiceMessage
from gapless.serve.stream.work import (
    ConfigureJob,
    EndJob,
    Finished,
    FinishJob,
    Heard,
    HearJob,
    NotKept,
    Opened,
    OpenJob,
)
from gapless.settings import Settings
from gapless.store.contract import (
    SessionRecord,
    Store,
)
from gapless.testing.conversation import Conversation
from gapless.testing.services import ScriptedServices
from gapless.transcript import Utterance

LoadSpeech = Callable[[str], Samples]

RECORD = SessionRecord("s1", "stream", "scripted", 0)


class FullDisk:
    """As much of a store in memory as a stream needs, which fails for as long as it is told to."""

    def __init__(self) -> None:
        self.failing = False
        self.sessions: list[str] = []
        self.utterances: list[str] = []
        self.ended: dict[str, int] = {}

    def _write(self) -> None:
        if self.failing:
            raise StoreError("the disk is full; make room")

    def begin_session(self, session: SessionRecord) -> None:
        self._write()
        self.sessions.append(session.id)

    def add_utterance(self, session_id: str, utterance: Utterance) -> None:
        self._write()
        self.utterances.append(utterance.utt)

    def end_session(self, session_id: str, *, ended_at_ms: int, audio_ms: int) -> None:
        self._write()
        self.ended[session_id] = audio_ms


@pytest.fixture
def disk() -> FullDisk:
    return FullDisk()


@pytest.fixture
def services(disk: FullDisk) -> Iterator[ScriptedServices]:
    with ScriptedServices(Settings(), store=cast("Store", disk)) as made:
        yield made


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> bytes:
    return (load_speech("utterances.flac") * 32_767).astype("<i2").tobytes()


def utterance(utt: str) -> Utterance:
    return Utterance(utt, "hello", 0, 900)


def hear(hearing: Hearing, *jobs: OpenJob | HearJob | ConfigureJob | EndJob) -> Heard:
    """The result of the last job, with the events of all."""
    results = [hearing.do(job) for job in jobs]
    heard = [hearing.keep(result) for result in results if isinstance(result, Heard)]
    events = tuple(event for result in heard for event in result.events)
    return msgspec.structs.replace(heard[-1], events=events)


# --- keeping --------------------------------------------------------------------------------------


def test_a_transcript_begins_with_its_first_words(disk: FullDisk) -> None:
    keeper = Keeper(cast("Store", disk), RECORD)
    assert keeper.finish(1000) is None
    assert disk.sessions == []

    assert keeper.keep(utterance("u1")) is None
    assert keeper.finish(2000) == "s1"
    assert (disk.sessions, disk.utterances, disk.ended) == (["s1"], ["u1"], {"s1": 2000})


def test_what_could_not_be_kept_is_kept_later_and_in_order(disk: FullDisk) -> None:
    keeper = Keeper(cast("Store", disk), RECORD)
    disk.failing = True
    failures = [keeper.keep(utterance(utt)) for utt in ("u1", "u2")]
    disk.failing = False

    assert all(isinstance(failure, StoreError) for failure in failures)
    assert keeper.keep(utterance("u3")) is None
    assert disk.utterances == ["u1", "u2", "u3"]
    assert keeper.finish(3000) == "s1"


def test_the_end_is_the_last_chance_to_keep_what_is_missing(disk: FullDisk) -> None:
    keeper = Keeper(cast("Store", disk), RECORD)
    disk.failing = True
    keeper.keep(utterance("u1"))
    disk.failing = False

    assert keeper.finish(1000) == "s1"
    assert disk.utterances == ["u1"]


def test_a_transcript_that_was_never_kept_has_no_name(disk: FullDisk) -> None:
    keeper = Keeper(cast("Store", disk), RECORD)
    disk.failing = True
    keeper.keep(utterance("u1"))

    assert keeper.finish(1000) is None


@pytest.mark.long
def test_finals_are_in_the_store_before_they_are_reported(
    services: ScriptedServices, disk: FullDisk, speech: bytes
) -> None:
    hearing = Hearing(services, "s1")

    heard = hear(hearing, OpenJob(StreamOptions()), HearJob((speech,), 0), EndJob())
    finished = hearing.do(FinishJob())

    told = [event.utterance.utt for event in heard.events if isinstance(event, Final)]
    assert told != []
    assert disk.utterances == told
    assert finished == Finished(len(speech) // 32, "s1")


@pytest.mark.long
def test_a_final_that_the_store_refuses_is_reported_behind_a_word_of_it(
    services: ScriptedServices, disk: FullDisk, speech: bytes
) -> None:
    disk.failing = True
    hearing = Hearing(services, "s1")

    heard = hear(hearing, OpenJob(StreamOptions()), HearJob((speech,), 0))

    kinds = [type(event) for event in heard.events if isinstance(event, Final | NotKept)]
    assert kinds[:2] == [NotKept, Final]


@pytest.mark.parametrize(("save", "keeps"), [(None, True), (True, True), (False, False)])
def test_a_client_decides_whether_it_is_kept(
    services: ScriptedServices, save: bool | None, keeps: bool
) -> None:
    assert Hearing(services, "s1").do(OpenJob(StreamOptions(save=save))) == Opened(
        "scripted", keeps=keeps
    )


# --- hearing --------------------------------------------------------------------------------------


def test_what_came_before_a_bad_frame_is_heard(services: ScriptedServices) -> None:
    hearing = Hearing(services, "s1")
    good = np.zeros(1600, np.float32).tobytes()
    bad = np.full(1600, np.nan, np.float32).tobytes()

    heard = hear(hearing, OpenJob(StreamOptions(encoding="pcm_f32le")), HearJob((good, bad), 0))

    assert heard.received_ms == 100
    assert isinstance(heard.error, InvalidAudioError)


@pytest.mark.long
def test_a_change_that_cannot_be_made_leaves_everything_as_it_was(
    services: ScriptedServices, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing = Hearing(services, "s1")
    hear(hearing, OpenJob(StreamOptions(words=False)), HearJob((speech[:64_000],), 0))

    def refuse(listener: Listener, options: ListenOptions) -> None:
        raise MissingDependencyError("no RNNoise here; install it")

    with monkeypatch.context() as patch:
        patch.setattr(Listener, "configure", refuse)
        refused = hear(hearing, ConfigureJob(HearingOptions(words=True)))
    heard = hear(hearing, HearJob((speech[64_000:],), 0), EndJob())

    assert isinstance(refused.error, MissingDependencyError)
    finals = [event for event in (*refused.events, *heard.events) if isinstance(event, Final)]
    assert finals != []
    assert all(final.utterance.words == () for final in finals)


def test_closing_a_hearing_that_was_never_opened_is_harmless(services: ScriptedServices) -> None:
    hearing = Hearing(services, "s1")

    hearing.close()
    assert not hearing.busy


# --- options --------------------------------------------------------------------------------------


def test_what_a_client_does_not_ask_for_stays_as_the_server_has_it() -> None:
    base = ListenOptions(denoise=0.3, recognise=RecogniseOptions(language="de", hotwords=("a",)))

    assert listen_options_of(base, StreamOptions()) == base


def test_what_a_client_asks_for_is_done() -> None:
    asked = StreamOptions(
        language="en",
        interim=False,
        words=False,
        endpointing_ms=900,
        denoise=0.7,
        hotwords=("gapless",),
        n_best=3,
        sample_rate=48_000,
    )

    options = listen_options_of(ListenOptions(), asked)

    assert options.rate_hz == 48_000
    assert options.denoise == 0.7
    assert options.segment.endpointing_ms == 900
    assert options.recognise == RecogniseOptions(
        language="en", hotwords=("gapless",), words=False, partials=False, n_best=3
    )


@pytest.mark.parametrize(
    ("base", "asked", "amount"),
    [
        (0.0, None, 0.0),
        (0.3, None, 0.3),
        (0.3, "off", 0.0),
        (0.3, "on", 0.3),
        (0.0, "on", USUAL_AMOUNT),
        (0.3, 0.8, 0.8),
    ],
)
def test_on_means_as_much_as_the_server_is_set_to_or_the_usual(
    base: float, asked: float | str | None, amount: float
) -> None:
    options = msgspec.convert({"denoise": asked}, StreamOptions)

    assert listen_options_of(ListenOptions(denoise=base), options).denoise == amount


def test_compressed_streams_are_heard_at_the_rate_they_are_decoded_to() -> None:
    options = listen_options_of(ListenOptions(), StreamOptions(encoding="auto", sample_rate=8000))

    assert options.rate_hz == 48_000


@pytest.mark.long
def test_a_voice_is_told_with_all_its_features(services: ScriptedServices, speech: bytes) -> None:
    with closing(Conversation(services, StreamOptions(voice=True))) as conversation:
        messages = conversation.send(speech)

    voices = [message for message in messages if isinstance(message, VoiceMessage)]
    assert {voice.utt for voice in voices} >= {"u1", "u2"}
    assert all(len(voice.elp) == 3 and 0 <= voice.flux_position <= 9 for voice in voices)
    assert any(voice.pitch_hz for voice in voices)
