from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.progress import TaskID

from gapless.audio.files import write_audio
from gapless.cli.hearing import Recording, Stopped, hear_files
from gapless.cli.main import main
from gapless.cli.progress import FileBars
from gapless.engine import Engine
from gapless.settings import Settings

WORDS = "are you doing today"
"""What PocketSphinx hears in telephone.wav; the first word, how, is lost on the telephone."""


@pytest.fixture
def telephone(speech_dir: Path) -> Path:
    """A short recording with one utterance."""
    return speech_dir / "telephone.wav"


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(
        main,
        ["transcribe", "--decoders", "2", *map(str, arguments)],
        input=stdin,
        env={"GAPLESS_CONFIG": ""},
    )


@pytest.mark.long
def test_files_come_out_in_order_and_a_bad_one_stops_no_other(
    telephone: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("this is no sound")

    result = run("--json", text, telephone, "nowhere.wav", telephone)

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [Path(line["file"]).name for line in lines] == [
        "text.wav",
        "telephone.wav",
        "nowhere.wav",
        "telephone.wav",
    ]
    assert [line["error"]["code"] for line in lines[::2]] == ["invalid_audio", "not_found"]
    assert lines[1]["text"] == lines[3]["text"] == WORDS
    assert [word["text"] for word in lines[1]["utterances"][0]["words"]] == WORDS.split()
    assert result.stderr == ""


@pytest.mark.long
def test_text_goes_to_the_screen_with_a_heading_for_each_of_several(
    telephone: Path,
) -> None:
    result = run(telephone, "nowhere.wav")

    assert result.exit_code == 1
    assert result.stdout == f"==> {telephone} <==\n{WORDS}\n"
    assert result.stderr == "nowhere.wav: there is no file nowhere.wav; check its name\n"


@pytest.mark.long
def test_standard_input_becomes_subtitles_in_a_folder(telephone: Path, tmp_path: Path) -> None:
    stdin = telephone.read_bytes()

    result = run("-", "--format", "srt", "-o", f"{tmp_path}/subs/", stdin=stdin)

    assert (result.exit_code, result.output) == (0, "")
    cue = (tmp_path / "subs" / "stdin.srt").read_text()
    assert cue.startswith("1\n00:00:00,")
    assert cue.endswith(f"\n{WORDS}\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Missing argument 'FILE...'"),
        (["-", "-"], "standard input can be heard once"),
        (["a.wav", "--json", "-o", "out"], "--json goes to standard output"),
        (["a.wav", "b/a.wav", "-o", "out/"], "would both be written to"),
        (["a.wav", "--model", "nobody"], "the model 'nobody' of the settings is not here"),
        (["a.wav", "--denoise", "2"], "denoise = '2' from --denoise is not usable"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_heard(arguments: list[str], complaint: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.long
def test_closing_the_results_early_stops_what_runs_and_begins_nothing_more(tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    write_audio(long, (np.zeros(8000, np.float32) for _ in range(900)), 8000)
    begun = threading.Event()
    names: list[str] = []

    class Watched(FileBars):
        """Notes which files are begun."""

        def begin(self, name: str) -> TaskID:
            names.append(name)
            begun.set()
            return super().begin(name)

    with Engine(Settings(decoders=1, save=False)) as engine, Watched(2) as bars:
        recordings: list[Recording] = [("first", str(long)), ("second", str(long))]
        hearings = hear_files(engine, recordings, jobs=1, words=True, bars=bars)
        first = next(hearings)
        assert begun.wait(60)
        hearings.close()

    assert isinstance(first.exception(0), Stopped)
    assert names == ["first"]
