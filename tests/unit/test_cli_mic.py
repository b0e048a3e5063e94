"""The commands: options to a plan, one process that runs and others that speak to it, and services."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.status import MicOptions
from gapless.cli import mic as mic_module
from gapless.cli.main import main
from gapless.cli.mic_options import RunOptions, make_plan
from gapless.settings import describe_settings

NOTHING = RunOptions(
    input=None,
    output=False,
    play_to=None,
    name=None,
    server=None,
    monitor=False,
    mode=None,
    model=None,
    block=None,
    amount=None,
    gate=None,
    config=None,
)


@pytest.fixture(autouse=True)
def private_folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Not pytest's folder: a socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="gapless-") as folder:
        for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.setenv(variable, folder)
        monkeypatch.setenv("GAPLESS_CONFIG", "")
        yield


def mic(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["mic", *arguments])


def test_options_and_settings_make_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPLESS_MIC_AMOUNT", "0.5")
    monkeypatch.setenv("GAPLESS_MIC_LATE_BLOCKS", "9")
    plans: list[MicPlan] = []
    monkeypatch.setattr(mic_module, "_run", lambda plan, **_how: plans.append(plan))

    result = mic("--input", "usb", "--mode", "quality", "--block", "128", "--gate", "--monitor")

    assert (result.exit_code, result.output) == (0, "")
    plan = plans[0]
    assert (plan.name, plan.kind, plan.device) == ("Gapless Microphone", "microphone", "usb")
    assert (plan.block, plan.monitor, plan.server) == ("128", True, None)
    assert (plan.engine.mode, plan.engine.gate) == ("quality", True)
    assert (plan.engine.amount, plan.engine.breaker_late_blocks) == (0.5, 9)


def test_what_one_hears_is_a_speaker(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[MicPlan] = []
    monkeypatch.setattr(mic_module, "_run", lambda plan, **_how: plans.append(plan))

    mic("--output", "--play-to", "headphones", "--server", "jack")

    assert (plans[0].name, plans[0].kind) == ("Gapless Speaker", "speaker")
    assert (plans[0].device, plans[0].server) == ("headphones", "jack")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--output", "--input", "usb"], "leave out --input"),
        (["--output", "--monitor"], "leave out --monitor"),
        (["--play-to", "headphones"], "add --output"),
        (["--name", " "], "is no name for a device"),
        (["--name", "a\nb"], "is no name for a device"),
        (["--amount", "2"], "--amount"),
        (["--block", "64"], "--block"),
        (["--amount", "0.5", "status"], "--amount stands before status"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(arguments: list[str], part: str) -> None:
    result = mic(*arguments)

    assert result.exit_code == 2
    assert part in result.stderr


@pytest.mark.parametrize(
    ("arguments"),
    [["status"], ["set", "amount", "0.5"], ["bypass"], ["mute", "on"], ["stop"]],
    ids=lambda arguments: arguments[0],
)
def test_if_none_runs_it_says_how_to_start_one(arguments: list[str]) -> None:
    result = mic(*arguments)

    assert result.exit_code == 1
    assert result.stderr == (
        "gapless: no virtual microphone runs here; start one with: gapless mic\n"
    )


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("amount", "2", "a number from 0 to 1"),
        ("amount", "much", "a number from 0 to 1"),
        ("bypass", "perhaps", "on, off or toggle"),
        ("block", "64", "auto, 128, 256 or 512"),
    ],
)
def test_a_value_that_cannot_be_is_wrong_usage(key: str, value: str, part: str) -> None:
    result = mic("set", key, value)

    assert result.exit_code == 2
    assert f"{key} = {value!r} is not usable: expected: {part}" in result.stderr


CHILD = """
import sys
from gapless.cli import mic as mic_module
from gapless.clean.mic.status import MicOptions
from gapless.cli.main import main
from gapless.clean.mic.running import RunningMic
from gapless.testing.fake_mic_engine import FakeMicEngine
from gapless.testing.fake_sound_server import FakeSound, make_device

sound = FakeSound(make_device("built_in", default=True))
mic_module._make = lambda plan: RunningMic(plan, open_engine=FakeMicEngine, find_server=sound.find)
try:
    main(["mic", *sys.argv[1:]])
finally:
    print("closed:", sound.virtuals[0].closed, flush=True)
"""


class Child:
    """``gapless mic`` on fakes, in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.first = [self.process.stdout.readline() for _ in range(4)]

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def child() -> Iterator[Child]:
    one = Child()
    yield one
    one.process.kill()
    one.process.communicate()


@pytest.mark.long
def test_one_runs_and_others_speak_to_it(child: Child) -> None:
    assert "PipeWire is here" in child.first[0]
    assert "choose “Gapless Microphone” as the microphone" in child.first[2]
    assert "hearing Built In" in child.first[3]

    status = mic("status")
    assert status.exit_code == 0
    assert f"“Gapless Microphone” runs (process {child.process.pid}" in status.stdout
    assert msgspec.json.decode(mic("status", "--json").stdout)["device"] == "built_in"

    assert mic("set", "amount", "0.5").stdout == "“Gapless Microphone”: amount 0.5\n"
    assert mic("set", "mode", "quality").stdout == "“Gapless Microphone”: mode quality\n"
    assert mic("bypass").stdout == "“Gapless Microphone”: bypass on\n"
    assert mic("bypass").stdout == "“Gapless Microphone”: bypass off\n"
    assert mic("mute", "on").stdout == "“Gapless Microphone”: mute on\n"
    assert mic("status", "--name", "Other").exit_code == 1

    again = mic()
    assert again.exit_code == 1
    assert "“Gapless Microphone” is already running" in again.stderr

    assert mic("stop").stdout == "“Gapless Microphone” has ended\n"
    code, out, err = child.end()
    assert (code, err) == (0, "")
    assert out.endswith("closed: True\n")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_removes_the_device(child: Child, number: signal.Signals) -> None:
    child.process.send_signal(number)

    code, out, err = child.end()

    assert (code, err) == (0, "")
    assert out.endswith("closed: True\n")


def test_a_plan_takes_the_models_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPLESS_MODELS_DIR", str(tmp_path))

    assert make_plan(NOTHING).engine.models_dir == str(tmp_path)


EVERY_SETTING = {
    "mic_mode": "quality",
    "mic_model": "other",
    "mic_amount": "0.25",
    "mic_block": "512",
    "mic_gate": "true",
    "mic_gate_hang_over_ms": "111",
    "mic_late_blocks": "7",
    "mic_suspension_ms": "33",
    "mic_model_timeout_ms": "44",
    "mic_cap_samples": "9600",
    "mic_crossfade_samples": "480",
    "mic_min_fill_ms": "2.5",
    "mic_max_fill_ms": "80",
}


def test_every_setting_of_the_group_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_plan(NOTHING)
    for name, value in EVERY_SETTING.items():
        monkeypatch.setenv(f"GAPLESS_{name.upper()}", value)

    plan = make_plan(NOTHING)

    assert set(EVERY_SETTING) == {info.name for info in describe_settings() if info.group == "mic"}
    assert plan.block != before.block
    same = {
        field
        for field in MicOptions.__struct_fields__
        if getattr(plan.engine, field) == getattr(before.engine, field)
    }
    assert same == {"models_dir"}
    assert (plan.engine.breaker_pause_ms, plan.engine.model_timeout_ms) == (33, 44)
    assert (plan.engine.min_fill_ms, plan.engine.max_fill_ms) == (2.5, 80)


def test_defaults_of_the_settings_are_those_of_the_engine() -> None:
    assert msgspec.structs.replace(make_plan(NOTHING).engine, models_dir="") == MicOptions()


def test_a_largest_fill_below_the_least_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPLESS_MIC_MIN_FILL_MS", "50")

    result = mic()

    assert result.exit_code == 2
    assert "mic_max_fill_ms (40.0) must not be smaller than mic_min_fill_ms (50.0)" in result.stderr
