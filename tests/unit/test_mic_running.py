"""A microphone that runs, on fakes: ticks are called by hand but where its own thread is what is tested."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gapless.audio.device.server import SoundServer
from gapless.clean.mic.control import Change
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.remembered import Remembered, recall
from gapless.clean.mic.report import SILENCE_DB
from gapless.clean.mic.running import RunningMic
from gapless.clean.mic.status import MicOptions
from gapless.errors import MissingDependencyError, ModelError
from gapless.testing.clock import ManualClock
from gapless.testing.fake_mic_engine import FakeMicEngine
from gapless.testing.fake_sound_server import FakeSound, make_device

USB = make_device("usb_mic", description="USB Microphone")
BUILT_IN = make_device("built_in", default=True, description="Built-in Audio")


class Bench:
    """A microphone on fakes, with a clock that goes by hand."""

    def __init__(
        self, sound: FakeSound | None = None, state: Path | None = None, **plan: object
    ) -> None:
        self.sound = sound or FakeSound(USB, BUILT_IN)
        self.clock = ManualClock(start_ms=1_000)
        self.engines: list[FakeMicEngine] = []
        self.running = RunningMic(
            msgspec.convert({"name": "Mic", **plan}, MicPlan),
            open_engine=self.open_engine,
            find_server=self.sound.find,
            state_file=state,
            clock_ms=self.clock,
            wall_s=lambda: 0.0,
        )

    def open_engine(self, options: MicOptions) -> FakeMicEngine:
        self.engines.append(FakeMicEngine(options))
        return self.engines[-1]

    def run(self, ms: int) -> list[str]:
        for _ in range(ms // 100):
            self.running.tick()
            self.running.sample()
            self.clock.advance(100)
        return [happening.text for happening in self.running.take_happenings()]


def test_the_report_says_what_runs() -> None:
    bench = Bench(device="usb")
    bench.run(1_000)

    report = bench.running.report()

    assert report.running
    assert (report.name, report.kind, report.server) == ("Mic", "microphone", "PipeWire")
    assert (report.device, report.device_description) == ("usb_mic", "USB Microphone")
    assert report.wanted == "usb"
    assert report.stream.block_frames == 256
    assert report.engine.reduction_db == 12.0
    assert report.events[-1].text == "hearing USB Microphone"


def test_a_report_is_json_whatever_the_levels_are() -> None:
    bench = Bench()
    bench.engines[0].say(
        input_rms_db=float("-inf"), output_rms_db=-200.0, reduction_db=float("nan")
    )

    engine = msgspec.json.decode(msgspec.json.encode(bench.running.sample().engine))

    assert engine["input_rms_db"] == engine["output_rms_db"] == SILENCE_DB
    assert engine["reduction_db"] == 0.0


def test_switches_reach_the_engine() -> None:
    bench = Bench()

    bench.running.apply(Change(amount=0.25, bypass="on", gate="toggle", mute="toggle"))
    first = bench.running.report().engine
    bench.running.apply(Change(bypass="toggle", mute="off"))
    second = bench.running.report().engine

    assert (first.amount, first.bypass, first.gate, first.muted) == (0.25, True, True, True)
    assert (second.amount, second.bypass, second.gate, second.muted) == (0.25, False, True, False)


def test_the_device_is_changed_and_remembered(tmp_path: Path) -> None:
    state = tmp_path / "state" / "mic.json"
    bench = Bench(state=state)
    bench.run(200)
    assert recall(state) == Remembered(wanted=None, last="built_in")

    bench.running.apply(Change(device="usb"))
    bench.run(200)

    assert bench.sound.stream.input == "usb_mic"
    assert recall(state) == Remembered(wanted="usb", last="usb_mic")

    again = Bench(state=state)
    again.run(200)
    assert again.sound.stream.input == "usb_mic"

    again.running.apply(Change(device="default"))
    again.run(200)
    assert again.sound.stream.input == "built_in"
    assert recall(state).wanted is None


def test_what_was_asked_for_at_the_start_wins_over_what_is_remembered(tmp_path: Path) -> None:
    state = tmp_path / "mic.json"
    Bench(state=state, device="usb").run(200)

    bench = Bench(state=state, device="default")
    bench.run(200)

    assert bench.sound.stream.input == "built_in"


def test_a_state_that_cannot_be_written_is_told_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    said = Bench(state=tmp_path / "file" / "mic.json").run(1_000)

    assert sum(text.startswith("the device is not remembered") for text in said) == 1


def test_another_block_size_takes_a_new_stream_and_the_same_device() -> None:
    bench = Bench()
    bench.run(200)

    bench.running.apply(Change(block="512"))
    bench.run(1_000)

    assert [stream.options.block_frames for stream in bench.sound.streams] == [256, 512]
    assert bench.sound.streams[0].closed
    assert len(bench.sound.virtuals) == 1
    assert bench.running.report().block == "512"


def test_another_mode_takes_a_new_engine_that_is_set_like_the_old_one() -> None:
    bench = Bench()
    bench.run(200)
    bench.running.apply(Change(amount=0.5, bypass="on"))

    bench.running.apply(Change(mode="quality"))
    said = bench.run(1_000)

    old, new = bench.engines
    assert old.closed
    assert new.started
    assert not new.closed
    assert (new.status().mode, new.status().amount, new.status().bypass) == ("quality", 0.5, True)
    assert bench.sound.streams[0].closed
    assert bench.sound.stream.native_block is new.block
    assert bench.sound.stream.alive()
    assert "mode: quality" in said


def test_a_mode_whose_model_cannot_run_changes_nothing() -> None:
    bench = Bench(engine={"model": "broken"})
    bench.run(200)

    bench.running.apply(Change(mode="quality"))
    said = bench.run(1_000)

    assert said[-1].startswith("the mode stays as it is: the model cannot run")
    assert bench.engines[1].closed
    assert not bench.engines[0].closed
    assert len(bench.sound.streams) == 1


def test_blocks_become_longer_if_the_machine_cannot_keep_up() -> None:
    bench = Bench()
    bench.run(3_000)
    assert bench.sound.stream.block_frames == 256

    bench.sound.stream.xruns = 50
    said = bench.run(2_000)

    assert bench.sound.stream.block_frames == 512
    assert "too many blocks came late: they have 512 frames from now on" in said


def test_what_changes_in_the_engine_is_told() -> None:
    bench = Bench()
    bench.run(200)
    bench.engines[0].say(path="dry", opened=1)

    said = bench.run(3_000)

    assert "heard now: not cleaned, the model is too slow" in said


def test_the_speaker_is_connected_the_other_way_round() -> None:
    sound = FakeSound(BUILT_IN, make_device("speakers", "output", default=True))
    bench = Bench(sound, kind="speaker")
    bench.run(200)

    options = sound.stream.options
    assert (options.input, options.output) == ("gapless.speaker", "speakers")
    assert sound.virtuals[0].kind == "speaker"


def test_closing_removes_everything() -> None:
    bench = Bench()
    bench.run(200)

    bench.running.close()
    bench.running.close()

    assert bench.sound.stream.closed
    assert bench.sound.virtuals[0].closed
    assert bench.engines[0].closed


def on_its_own_thread(bench: Bench) -> RunningMic:
    """With a clock that goes by itself as often as it is looked at."""
    bench.running._clock_ms = lambda: bench.clock.advance(1)
    return bench.running


def test_it_runs_on_its_own_thread_until_it_is_stopped() -> None:
    bench = Bench()
    with closing(on_its_own_thread(bench)) as running:
        running.start()
        while not bench.engines[0].started:
            assert not running.wait(0.01)
        running.stop()
        assert running.wait(1)

    assert bench.sound.stream.closed
    assert bench.sound.virtuals[0].closed


def test_a_model_that_cannot_run_ends_it_with_its_error() -> None:
    bench = Bench(engine={"model": "broken"})
    running = on_its_own_thread(bench)
    running.start()
    assert running.wait(10)

    with pytest.raises(ModelError, match="cannot run"):
        running.close()

    assert bench.sound.virtuals[0].closed
    assert bench.engines[0].closed


def test_a_package_that_is_missing_ends_it_with_its_error() -> None:
    def find(_wanted: str | None) -> SoundServer:
        raise MissingDependencyError("sounddevice is not installed; add it")

    bench = Bench()
    bench.running._connection._find_server = find
    running = on_its_own_thread(bench)
    running.start()
    assert running.wait(10)

    with pytest.raises(MissingDependencyError, match="sounddevice"):
        running.close()


def test_many_who_change_it_at_once_do_not_disturb_it() -> None:
    bench = Bench()
    with closing(on_its_own_thread(bench)) as running:
        running.start()

        def press() -> None:
            for _ in range(200):
                running.apply(Change(bypass="toggle"))

        threads = [threading.Thread(target=press) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # An even number of toggles, none of them lost.
    assert not bench.engines[0].status().bypass
