"""What Wyoming's clients learn, and what they mean."""

from __future__ import annotations

import pytest
from wyoming.event import Event

from gapless.errors import GaplessError, ModelNotFoundError, ProtocolError
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.serve.language import base_language
from gapless.serve.wyoming.info import choose, describe
from gapless.serve.wyoming.messages import Audio, Transcribe, read

# The library still imports a module that Python will drop.
pytestmark = pytest.mark.filterwarnings("ignore:'audioop' is deprecated")


def info(name: str, *languages: str) -> RecogniserInfo:
    return RecogniserInfo(
        name=name,
        kind="streaming",
        languages=languages,
        word_times=True,
        owner="somebody",
        licence="MIT",
        description=f"Hears {name}.",
    )


MODELS = [info("commands-en", "en"), info("german", "de", "nl"), info("everything")]


def test_home_assistant_finds_the_languages_of_all_models_in_the_first_program() -> None:
    from wyoming.info import Info

    found = Info.from_event(Event("info", describe(MODELS)))
    (program,) = found.asr
    assert [(model.name, model.languages, model.installed) for model in program.models] == [
        ("commands-en", ["en"], True),
        ("german", ["de", "nl"], True),
        ("everything", [], True),
    ]
    assert program.installed
    assert program.supports_transcript_streaming
    assert program.requires_external_vad
    assert [*found.tts, *found.wake, *found.intent, *found.handle] == []


@pytest.mark.parametrize(
    ("name", "language", "expected"),
    [
        (None, None, "commands-en"),
        (None, "en", "commands-en"),
        (None, "nl", "german"),
        (None, "fi", "everything"),
        ("german", None, "german"),
        ("german", "de", "german"),
        ("gapless", "de", "german"),
        ("default", None, "commands-en"),
        ("", None, "commands-en"),
    ],
)
def test_a_model_is_found_by_its_name_or_by_the_language(
    name: str | None, language: str | None, expected: str
) -> None:
    assert choose(MODELS, name, language).name == expected


@pytest.mark.parametrize(
    ("name", "language", "kind"),
    [
        ("latin", None, ModelNotFoundError),
        ("german", "en", ProtocolError),
        (None, "fi", ProtocolError),
    ],
)
def test_no_model_hears_what_it_does_not_know(
    name: str | None, language: str | None, kind: type[GaplessError]
) -> None:
    with pytest.raises(kind, match=";"):
        choose(MODELS[:2], name, language)


@pytest.mark.parametrize(
    ("tag", "language"),
    [("en-US", "en"), ("en_GB", "en"), ("DE", "de"), ("", None), (None, None), ("-", None)],
)
def test_a_language_is_the_first_part_of_its_tag(tag: str | None, language: str | None) -> None:
    assert base_language(tag) == language


def test_names_and_terms_are_words_to_expect_as_many_as_fit() -> None:
    wish = read(
        {"transcript_names": ["Ada", "", "x" * 101], "transcript_terms": ["lamp"] * 200, "new": 1},
        Transcribe,
    )
    assert wish.hotwords == ("Ada", *["lamp"] * 99)
    assert read({}, Transcribe).hotwords is None


@pytest.mark.parametrize(("width", "encoding"), [(2, "pcm_s16le"), (4, "pcm_s32le")])
def test_samples_of_two_and_four_bytes_are_taken(width: int, encoding: str) -> None:
    assert read({"rate": 22_050, "width": width, "channels": 2}, Audio).encoding == encoding


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"rate": 16_000, "width": 1, "channels": 1},
        {"rate": 7999, "width": 2, "channels": 1},
        {"rate": 16_000, "width": 2, "channels": 0},
        {"rate": "16000", "width": 2, "channels": 1},
    ],
)
def test_other_audio_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match=";"):
        assert read(data, Audio).encoding
