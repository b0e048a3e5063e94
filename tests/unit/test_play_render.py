"""Programs as samples: onsets, blocks, stems, loudness."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from gapless.audio.files import open_audio, read_audio
from gapless.cli.main import main
from gapless.errors import ConfigError
from gapless.play.language.load import load
from gapless.play.levels import Meter
from gapless.play.overload import no_room
from gapless.play.remarks import Remarks
from gapless.play.render import open_player, render
from gapless.play.sound import trigger
from gapless.testing.detectors import find_flaws

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-live")]

RATE_HZ = 44_100
SHOWN = """\
bpm: 120
~x: saw 440 # lpf ("800 <300 500 200 999>" $ fast "<3 19 3 3 2 8 9>")
o1: s "~x(7,17)" # note "c4'min7 f3'min7" # delay 0.334 0.3 # reverb 0.9 0.1
o2: s "bd(4,17)"
o3: s "808lt(4,17,2)"
"""


def test_the_same_bytes_whatever_the_block() -> None:
    program = load(SHOWN)
    heard = []
    for block in (64, 512, 1000):
        with open_player(program) as player:
            heard.append(np.concatenate(list(player.blocks(RATE_HZ, block)), axis=1))
    assert np.abs(heard[0]).max() > 0.1
    assert heard[0].tobytes() == heard[1].tobytes() == heard[2].tobytes()


def test_onsets_are_right_to_the_sample() -> None:
    """Of drums: where the bank starts its voices, in cycles of two seconds."""
    cycle = 2 * RATE_HZ
    for name, steps in (("o2", (0, 4, 8, 12)), ("o3", (2, 6, 10, 15))):
        with open_player(load(SHOWN)) as player:
            (voices,) = [one for one in player.graph.voices if one.output == name]
            record = voices.banks[()].record[0]
            player.read(3 * cycle)
            taken = int(record["taken"][0])
            found = [int(record["queue"][n % trigger.CAPACITY]["at"]) for n in range(taken)]
        expected = [
            round(Fraction(step, 17) * cycle) + n * cycle for n in range(3) for step in steps
        ]
        assert found[: len(expected)] == expected


def test_a_chord_starts_a_copy_for_each_tone() -> None:
    with open_player(load(SHOWN)) as player:
        (voices,) = [one for one in player.graph.voices if one.output == "o1"]
        record = voices.instruments["~x", ()].record[0]
        player.read(2 * RATE_HZ)
        assert int(record["taken"][0]) >= 28
        assert int(record["stolen"]) == 0


def test_stems_sum_up_to_the_mix() -> None:
    with open_player(load(SHOWN), stems=True) as player:
        heard = player.read(RATE_HZ)
    assert heard.shape == (2 + 2 * 3, RATE_HZ)
    assert np.allclose(
        heard[:2],
        heard[2::2][:3].sum(axis=0) * [[1], [0]] + heard[3::2][:3].sum(axis=0) * [[0], [1]],
        atol=1e-5,
    )


def test_the_python_face_renders() -> None:
    heard = render('o1: s "bd*4"\n', cycles=1)
    assert heard.shape == (2 * RATE_HZ, 2)
    assert heard.flags.c_contiguous
    assert np.isfinite(heard).all()


@pytest.mark.parametrize("said", [{}, {"cycles": 1, "seconds": 1.0}, {"seconds": 0.0}])
def test_a_length_is_needed(said: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"cycles|length"):
        render('o1: s "bd"\n', **said)  # type: ignore[arg-type]


def test_a_bus_in_its_own_input_is_an_echo() -> None:
    heard = render("~a: impulse 1 + (~a * 0.5)\nout: ~a\n", seconds=0.1)[:, 0]
    loud = np.flatnonzero(heard > 1e-3)
    assert (np.diff(loud[:4]) == 64).all(), "a quantum later each time"
    assert heard[loud[1]] == pytest.approx(0.5 * heard[loud[0]], rel=1e-4)


def test_peaks_are_kept_as_they_are() -> None:
    assert np.abs(render("o1: sine 440 * 3\n", seconds=0.1)).max() == pytest.approx(3, rel=1e-3)


TAILED = """\
bpm: 120
o1: s "bd*4" # reverb 0.8 0.5
o2: sine 220 * 0.3
"""


def test_a_tail_is_what_rings_when_nothing_begins_any_more() -> None:
    length = RATE_HZ + 7
    whole = render(TAILED, seconds=length / RATE_HZ, tail_s=2.0)
    assert np.array_equal(whole[:length], render(TAILED, seconds=length / RATE_HZ))
    tail = whole[length:]
    assert len(tail) == 2 * RATE_HZ
    loud = np.abs(tail[: 2 * RATE_HZ]).reshape(-1, RATE_HZ // 5, 2).max(axis=(1, 2))
    assert loud[1] > 0.005, "the reverb rings"
    assert (np.diff(loud) < 0).all(), "and nothing else begins"
    assert loud[-1] < loud[1] / 4
    for channel in whole[RATE_HZ // 2 + 3000 :].T:
        assert not find_flaws(channel, RATE_HZ).any()


def test_what_begins_behind_the_end_is_not_heard() -> None:
    """An event in the last sample, and one at the end."""
    text = 'bpm: 120\no1: s "hh*4"\n'
    beat = RATE_HZ // 2
    with open_player(load(text)) as player:
        (voices,) = player.graph.voices
        record = voices.banks[()].record
        for _ in player.blocks(beat + 1, tail_samples=beat):
            pass
        assert int(record["started"][0]) == 2
    with open_player(load(text)) as player:
        (voices,) = player.graph.voices
        record = voices.banks[()].record
        for _ in player.blocks(beat, tail_samples=beat):
            pass
        assert int(record["started"][0]) == 1


def test_a_tail_is_the_same_whatever_the_block() -> None:
    heard = []
    for block in (64, 512, 1000):
        with open_player(load(TAILED), stems=True) as player:
            parts = list(player.blocks(RATE_HZ // 3, block, tail_samples=RATE_HZ // 3))
            heard.append(np.concatenate(parts, axis=1))
    assert heard[0].tobytes() == heard[1].tobytes() == heard[2].tobytes()
    mix, stems = heard[0][:2], heard[0][2:].reshape(2, 2, -1)
    assert np.allclose(mix, stems.sum(axis=0), atol=1e-5)


@pytest.mark.parametrize("tail_s", [-1.0, float("nan"), 1e9])
def test_a_tail_that_is_no_length_is_refused(tail_s: float) -> None:
    with pytest.raises(ConfigError, match="tail_s"):
        render('o1: s "bd"\n', seconds=0.1, tail_s=tail_s)


def test_an_end_that_is_over_is_refused() -> None:
    with open_player(load(TAILED)) as player:
        player.read(100)
        with pytest.raises(ConfigError, match="has been rendered"):
            player.end_at(50)


@pytest.mark.parametrize("side", ["pan2 -1", "pan2 1"])
def test_a_sidechain_listens_to_both_sides(side: str) -> None:
    text = f"~k: saw 60 # {side}\no1: sine 440 * 0.5 # sidechain_compressor ~k -40 20\n"
    heard = np.abs(render(text, seconds=0.5)[RATE_HZ // 4 :]).max()
    assert heard < 0.2
    alone = np.abs(render(text.replace("saw 60", "saw 60 * 0"), seconds=0.5)[RATE_HZ // 4 :]).max()
    assert alone == pytest.approx(0.5, rel=0.01)


def test_what_has_two_sides_is_placed_by_its_middle() -> None:
    heard = render("o1: sine 440 # pan2 1 # pan2 -1\n", seconds=0.1)
    assert np.abs(heard[:, 0]).max() == pytest.approx(0.5, rel=0.01)


def test_events_without_room_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger, "post", lambda _record, _orders: 0)
    remarks = Remarks()
    with open_player(load('o1: s "hh*4"\n'), remarks=remarks) as player:
        player.read(2 * RATE_HZ)
    assert [one.text for one in remarks.take()] == [no_room(player.scheduler.refused).text]
    assert player.scheduler.refused >= 4


def test_levels_are_those_of_the_sound() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    sine = 0.5 * np.sin(2 * np.pi * 997 * time_s) + 0.01
    meter = Meter(RATE_HZ, 2)
    for block in np.array_split(np.stack([sine, sine], axis=1).astype(np.float32), 7):
        meter.take(block)
    levels = meter.levels()
    assert levels.seconds == pytest.approx(1.0)
    assert levels.rms_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.02)
    assert levels.peak_db == pytest.approx(20 * np.log10(0.51), abs=0.01)
    assert levels.dc == pytest.approx(0.01, abs=1e-4)
    assert levels.clipped_samples == 0


def test_a_peak_between_samples_is_a_true_peak() -> None:
    """A sine at a quarter of the rate, whose samples lie 45 degrees beside its peaks."""
    sine = np.sin(np.pi / 2 * np.arange(RATE_HZ) + np.pi / 4).astype(np.float32)
    meter = Meter(RATE_HZ, 1)
    meter.take(sine[:, np.newaxis])
    levels = meter.levels()
    assert levels.peak_db == pytest.approx(-3.01, abs=0.01)
    assert levels.true_peak_db > -0.2


def run(*arguments: str, said: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["render", *arguments], input=said)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_a_stereo_recording_and_says_how_loud_it_is(tmp_path: Path) -> None:
    (tmp_path / "beat.ph").write_text(SHOWN)
    out = tmp_path / "beat.flac"
    code, stdout, stderr = run(str(tmp_path / "beat.ph"), str(out), "--cycles", "1", "--json")
    assert (code, stderr) == (0, "")
    levels = msgspec.json.decode(stdout)
    assert levels["seconds"] == 2.0
    assert levels["rms_db"] < levels["peak_db"] <= levels["true_peak_db"]
    with open_audio(out) as audio:
        assert audio.info.channels == 2
        assert audio.info.rate_hz == RATE_HZ


def test_normalised_means_a_true_peak_of_minus_one(tmp_path: Path) -> None:
    out = tmp_path / "beat.wav"
    code, stdout, _ = run(
        "--code", 'o1: s "bd*2" # gain 0.2', str(out), "--duration", "1", "--normalize", "--json"
    )
    assert code == 0
    assert msgspec.json.decode(stdout)["true_peak_db"] == pytest.approx(-1, abs=0.05)


def test_seconds_may_follow_in_which_it_rings_out(tmp_path: Path) -> None:
    out = tmp_path / "echo.wav"
    echo = 'o1: s "~ ~ ~ bd" # delay 0.7 0.9 0.9\n'
    code, _, _ = run("-", str(out), "--cycles", "1", "--tail", "1", said=echo)
    assert code == 0
    heard = np.concatenate(list(read_audio(out, RATE_HZ)))
    assert len(heard) == 3 * RATE_HZ
    assert np.abs(heard[2 * RATE_HZ :]).max() > 0.01


def test_stems_are_files_of_their_own(tmp_path: Path) -> None:
    code, stdout, _ = run("-", str(tmp_path / "b.wav"), "--cycles", "1", "--stems", said=SHOWN)
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "b-o1.wav",
        "b-o2.wav",
        "b-o3.wav",
        "b.wav",
    ]
    assert "b-o2.wav" in stdout


def test_a_mistake_is_shown_where_it_is_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "bad.ph").write_text('bpm: 120\no1: s "bd(3,8"\n')
    code, _, stderr = run(str(tmp_path / "bad.ph"), str(tmp_path / "bad.wav"))
    assert code == 1
    assert "bad.ph:2:" in stderr
    assert "^" in stderr
    assert not (tmp_path / "bad.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("--help",), "gapless render", id="help"),
        pytest.param(("only.ph",), "a file to write", id="nothing to write"),
        pytest.param(("no-such.ph", "out.wav"), "cannot read", id="no file"),
        pytest.param(("--code", "o1: sine 440", "out.xyz"), "cannot write", id="kind of file"),
        pytest.param(
            ("--code", "o1: sine 440", "o.wav", "--cycles", "x"), "no number", id="cycles"
        ),
    ],
)
def test_wrong_usage_says_what_to_do(arguments: tuple[str, ...], expected: str) -> None:
    _, stdout, stderr = run(*arguments)
    assert expected in stdout + stderr
