"""Where the time goes: every node has its share, and the shares are the whole."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from gapless.cli.main import main
from gapless.errors import ConfigError
from gapless.play.language.load import load
from gapless.play.profile import PARTS, PerBlock, Profile, profile
from gapless.play.render import open_player
from gapless.play.sound.timed import run_timed

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-live")]

RATE_HZ = 44_100
PROGRAM = """\
bpm: 120
~x: saw 440 # lpf ("800 300") 0.3
~pad: sine 110 # mul 0.1
o1: s "~x(7,17)" # note "c4'min7 f3'min7" # delay 0.334 0.3
o2: s "bd*8"
o3: ~pad
"""


@pytest.fixture(scope="module")
def measured() -> Profile:
    return profile(load(PROGRAM), RATE_HZ, rate_hz=RATE_HZ, block=256)


def test_it_is_measured_in_whole_blocks(measured: Profile) -> None:
    assert measured.blocks == RATE_HZ // 256
    assert measured.budget_ns == round(256 * 1e9 / RATE_HZ)
    assert measured.clock_ns > 0


def test_the_parts_are_the_whole(measured: Profile) -> None:
    assert tuple(measured.parts) == PARTS
    assert all(part.mean_ns > 0 for part in measured.parts.values())
    assert sum(part.share for part in measured.parts.values()) == pytest.approx(1)
    assert sum(part.mean_ns for part in measured.parts.values()) == pytest.approx(
        measured.whole.mean_ns
    )
    assert measured.whole.share == pytest.approx(1)
    assert measured.sound.share == pytest.approx(1 - measured.parts["patterns"].share)


def test_nodes_and_outputs_are_the_sound(measured: Profile) -> None:
    quantum_ns = measured.sound.mean_ns * 64 / 256
    for ones in (
        [(one.quantum_ns, one.share) for one in measured.nodes],
        [(one.quantum_ns, one.share) for one in measured.outputs],
    ):
        assert sum(share for _, share in ones) == pytest.approx(measured.sound.share)
        assert sum(each_ns for each_ns, _ in ones) == pytest.approx(quantum_ns)
        assert ones == sorted(ones, reverse=True)


def test_each_node_is_named_once(measured: Profile) -> None:
    named = [(node.place, node.unit) for node in measured.nodes]
    assert len(set(named)) == len(named)
    with open_player(load(PROGRAM)) as player:
        assert len(named) == len(player.graph.order)
    assert {
        ("mix", "mix"),
        ("o1/left", "delay"),
        ("o1/voices0/bank", "voices"),
        ("o1/voices0/~x", "instances"),
        ("o2/voices0/bank", "voices"),
        ("~pad/0", "sine"),
        ("~pad/left", "copy"),
    } <= set(named)
    assert {one.name for one in measured.outputs} == {"mix", "o1", "o2", "~pad"}


def test_percentiles_grow(measured: Profile) -> None:
    for one in (measured.sound, measured.whole, *measured.parts.values()):
        assert one.p50_ns <= one.p95_ns <= one.p99_ns <= one.max_ns


def test_what_is_measured_is_what_is_rendered() -> None:
    """The kernel that reads the clock makes the sound that the other one makes."""
    with open_player(load(PROGRAM)) as rendered, open_player(load(PROGRAM)) as timed:
        expected = rendered.read(4096)
        timed.scheduler.advance(timed.graph, 4096)
        calls_ns = np.zeros(len(timed.graph.order), np.int64)
        heard = []
        for _ in range(4096 // 64):
            run_timed(timed.graph.image, timed.builder.clock, 1, calls_ns)
            heard.append(np.stack(timed.graph.mixer.channels))
    assert np.abs(expected).max() > 0.05
    assert np.allclose(np.concatenate(heard, axis=1), expected, atol=1e-7)
    assert (calls_ns > 0).all()


@pytest.mark.parametrize(
    ("late_blocks", "patterns_ns", "holds"),
    [
        pytest.param(0, 1e6, True, id="in time"),
        pytest.param(1, 1e6, False, id="a late block"),
        pytest.param(0, 6e6, False, id="late patterns"),
    ],
)
def test_it_holds_if_sound_and_patterns_are_in_time(
    measured: Profile, late_blocks: int, patterns_ns: float, *, holds: bool
) -> None:
    parts = {**measured.parts, "patterns": PerBlock(0, 0, 0, 0, patterns_ns, 0.5)}
    assert msgspec.structs.replace(measured, parts=parts, late_blocks=late_blocks).holds is holds


@pytest.mark.parametrize("block", [0, 32, 100])
def test_a_block_is_some_quanta(block: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 64"):
        profile(load(PROGRAM), RATE_HZ, rate_hz=RATE_HZ, block=block)


def test_too_long_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most"):
        profile(load(PROGRAM), 8000 * 3601, rate_hz=8000)


def run(*arguments: str, said: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["profile", *arguments], input=said)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_says_where_the_time_goes(tmp_path: Path) -> None:
    (tmp_path / "beat.ph").write_text(PROGRAM)
    code, stdout, stderr = run(str(tmp_path / "beat.ph"), "--cycles", "1/4", "--block", "256")
    assert (code, stderr) == (0, "")
    assert f"{RATE_HZ // 2 // 256} blocks of 256 frames" in stdout
    for said in (*PARTS, "o1/voices0/~x", "P99 of budget", "~pad", "of a block's time"):
        assert said in stdout


def test_a_long_table_ends_with_the_rest() -> None:
    chain = "o1: sine 440" + " # lpf 900 0.2" * 20
    code, stdout, _ = run("--code", chain, "--duration", "0.1")
    assert code == 0
    # The sine, 20 filters and the mix.
    assert "6 more" in stdout


def test_all_figures_as_json() -> None:
    code, stdout, _ = run("-", "--duration", "0.1", "--json", said='o1: s "bd*4"\n')
    assert code == 0
    found = msgspec.json.decode(stdout)
    assert isinstance(found["holds"], bool)
    assert found["used"] == found["sound"]["p99_ns"] / found["budget_ns"]
    assert {node["unit"] for node in found["nodes"]} == {"voices", "mix"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param((), "give one program", id="nothing"),
        pytest.param(("a.ph", "--code", "o1: sine 440"), "give one program", id="two"),
        pytest.param(("no-such.ph",), "cannot read", id="no file"),
        pytest.param(("--code", "o1: sine 440", "--cycles", "x"), "no number", id="cycles"),
        pytest.param(("--code", "o1: sine 440", "--block", "100"), "multiple", id="block"),
        pytest.param(("--code", "o1: sine ("), "--code:1:", id="mistake"),
    ],
)
def test_wrong_usage_says_what_to_do(arguments: tuple[str, ...], expected: str) -> None:
    code, stdout, stderr = run(*arguments)
    assert code != 0
    assert expected in stdout + stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"late_blocks": 0}, "would hold", id="in time"),
        pytest.param({"late_blocks": 3}, "3 of 172 blocks", id="some late"),
        pytest.param({"late_blocks": 3}, "would click", id="some late, in a word"),
        pytest.param({"late_blocks": 99, "budget_ns": 1}, "would crackle", id="most late"),
        pytest.param({"budget_ns": 1, "late_blocks": 0}, "beats would come late", id="patterns"),
    ],
)
def test_the_last_line_is_the_verdict(
    measured: Profile, changes: dict[str, int], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = msgspec.structs.replace(measured, budget_ns=10**9)
    found = msgspec.structs.replace(found, **changes)
    monkeypatch.setattr("gapless.play.profile.profile", lambda *_arguments, **_named: found)
    code, stdout, _ = run("--code", "o1: sine 440")
    assert code == 0
    assert expected in stdout.splitlines()[-1]
