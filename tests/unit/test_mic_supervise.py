"""The supervisor as a plain state machine, driven over a fake sound system on a clock of the test."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gapless.clean.mic.device_choice import choose_device
from gapless.clean.mic.supervise import RETRY_MOST_MS, Find
from gapless.testing.fake_sound_server import FakeSound, make_device
from gapless.testing.mic_driver import MicDriver

USB = make_device("usb_mic", description="USB Microphone")
BUILT_IN = make_device("built_in", default=True, description="Built-in Audio")
SPEAKERS = make_device("speakers", "output", default=True)
HEADPHONES = make_device("headphones", "output")


def test_it_makes_the_device_and_hears_the_default() -> None:
    driver = MicDriver(FakeSound(USB, BUILT_IN))

    said = driver.run(100)

    assert said == [
        "PipeWire is here",
        "other programs can pick “Mic” as their microphone now",
        "hearing Built-in Audio",
    ]
    stream = driver.sound.stream
    assert (stream.options.input, stream.options.output) == ("built_in", "gapless.microphone")
    assert driver.supervisor.hearing


def test_it_rests_while_all_is_well() -> None:
    driver = MicDriver(FakeSound(BUILT_IN))
    driver.run(100)
    driver.steps.clear()

    assert driver.run(60_000) == []
    assert len(driver.steps) == 30  # looks at the devices, nothing else
    assert len(driver.sound.streams) == 1


@pytest.mark.parametrize("streams_die", [False, True], ids=["pipewire-like", "pulseaudio-like"])
def test_an_unplugged_microphone_is_replaced_and_comes_back(streams_die: bool) -> None:
    driver = MicDriver(FakeSound(USB, BUILT_IN, streams_die=streams_die), wanted="usb")
    assert driver.run(100)[-1] == "hearing USB Microphone"

    driver.sound.unplug("usb_mic")
    said = driver.run(1_000)

    assert said[-2:] == [
        "USB Microphone is gone",
        "“usb” is not there: hearing Built-in Audio until it is back",
    ]
    assert driver.sound.stream.input == "built_in"

    driver.sound.plug(USB)
    assert driver.run(1_500) == ["hearing USB Microphone"]
    assert driver.sound.stream.input == "usb_mic"
    assert len(driver.sound.virtuals) == 1
    assert driver.sound.virtuals[0].alive()


def test_without_any_microphone_it_waits_and_keeps_the_device() -> None:
    driver = MicDriver(FakeSound(BUILT_IN))
    driver.run(100)

    driver.sound.unplug("built_in")
    said = driver.run(30_000)

    assert said == [
        "Built-in Audio is gone",
        "there is no microphone; plug one in, it is used at once",
    ]
    assert not driver.supervisor.hearing
    assert driver.sound.virtuals[0].alive()

    driver.sound.plug(USB)
    assert driver.run(1_500) == ["hearing USB Microphone"]
    assert driver.supervisor.hearing


def test_it_follows_the_default() -> None:
    driver = MicDriver(FakeSound(USB, BUILT_IN))
    driver.run(100)

    driver.sound.set_default("usb_mic")

    assert driver.run(2_500) == ["hearing USB Microphone"]
    assert len(driver.sound.streams) == 1


def test_our_own_device_as_the_default_changes_nothing() -> None:
    driver = MicDriver(FakeSound(USB, BUILT_IN))
    driver.run(100)

    driver.sound.set_default(None)  # ours is never listed

    assert driver.run(5_000) == []
    assert driver.sound.stream.input == "built_in"


def test_after_a_start_with_our_own_device_as_the_default_the_last_one_is_used() -> None:
    sound = FakeSound(BUILT_IN, USB)
    sound.set_default(None)
    driver = MicDriver(sound, last="usb_mic")

    driver.run(100)

    assert driver.sound.stream.input == "usb_mic"


def test_a_server_that_restarts_is_found_again() -> None:
    driver = MicDriver(FakeSound(BUILT_IN))
    driver.run(100)

    driver.sound.kill()
    said = driver.run(20_000)
    assert said == [
        "the stream has ended; it is opened again",
        "“Mic” is gone, as after a restart of PipeWire",
        "no sound server runs here; start one with: systemctl --user start pipewire",
    ]

    driver.sound.restart()
    said = driver.run(RETRY_MOST_MS + 100)

    assert said[-1] == "hearing Built-in Audio"
    assert driver.sound.stream.alive()
    assert driver.sound.virtuals[-1].alive()
    assert len(driver.sound.virtuals) == 2


def test_waits_double_up_to_a_bound_and_no_other_server_is_asked_for() -> None:
    driver = MicDriver(FakeSound(BUILT_IN))
    driver.run(100)
    driver.sound.kill()
    driver.steps.clear()

    driver.run(60_000)

    tries = [at for at, step in driver.steps if isinstance(step, Find)]
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits == sorted(waits)
    assert waits[0] <= 600
    assert waits[-1] == RETRY_MOST_MS
    assert driver.sound.asked_for[0] is None
    assert set(driver.sound.asked_for[1:]) == {"pipewire"}


def test_a_server_that_is_not_there_at_the_start_is_waited_for() -> None:
    sound = FakeSound(BUILT_IN)
    sound.kill()
    driver = MicDriver(sound)
    assert driver.run(10_000) == [
        "no sound server runs here; start one with: systemctl --user start pipewire"
    ]

    sound.restart()

    assert driver.run(RETRY_MOST_MS + 100)[-1] == "hearing Built-in Audio"


def test_a_server_that_does_not_list_its_devices_keeps_its_stream() -> None:
    driver = MicDriver(FakeSound(BUILT_IN))
    driver.run(100)

    driver.sound.listing_fails = True

    assert driver.run(60_000) == []
    assert driver.sound.stream.alive()
    assert driver.sound.virtuals[0].alive()


def test_a_server_that_lists_nothing_and_has_no_stream_is_left() -> None:
    driver = MicDriver(FakeSound(BUILT_IN, streams_die=True))
    driver.run(100)
    driver.sound.listing_fails = True
    driver.sound.unplug("built_in")

    said = driver.run(5_000)

    assert said[1].startswith("PipeWire is gone: PipeWire does not say which devices there are")
    assert driver.sound.virtuals[0].closed


def test_a_virtual_device_that_somebody_removed_is_made_again() -> None:
    driver = MicDriver(FakeSound(BUILT_IN))
    driver.run(100)

    driver.sound.virtuals[0].dead = True
    said = driver.run(3_000)

    assert said[0].startswith("“Mic” is gone")
    assert len(driver.sound.virtuals) == 2
    assert driver.sound.streams[0].closed
    assert driver.sound.stream.alive()


def test_a_device_that_cannot_be_opened_is_passed_over_for_a_while() -> None:
    sound = FakeSound(USB, BUILT_IN)
    sound.unusable.add("usb_mic")
    driver = MicDriver(sound, wanted="usb")

    said = driver.run(2_000)

    assert said[-2:] == [
        "usb_mic cannot be opened; is another program using it?",
        "“usb” is not there: hearing Built-in Audio until it is back",
    ]
    sound.unusable.clear()
    assert driver.run(12_000) == ["hearing USB Microphone"]


def test_an_only_device_that_cannot_be_opened_is_tried_again() -> None:
    sound = FakeSound(BUILT_IN)
    sound.unusable.add("built_in")
    driver = MicDriver(sound)
    driver.run(30_000)
    assert sound.streams == []

    sound.unusable.clear()

    assert driver.run(RETRY_MOST_MS + 100) == ["hearing Built-in Audio"]


def test_another_device_on_request() -> None:
    driver = MicDriver(FakeSound(USB, BUILT_IN))
    driver.run(100)

    driver.supervisor.want("usb")
    assert driver.run(200) == ["hearing USB Microphone"]

    driver.supervisor.want(None)
    assert driver.run(200) == ["hearing Built-in Audio"]
    assert len(driver.sound.streams) == 1


def test_reopening_takes_one_new_stream_and_keeps_the_device() -> None:
    driver = MicDriver(FakeSound(BUILT_IN))
    driver.run(100)

    driver.supervisor.reopen()
    driver.run(1_000)

    assert len(driver.sound.streams) == 2
    assert driver.sound.streams[0].closed
    assert driver.sound.virtuals[0].alive()


def test_a_speaker_plays_what_others_play_and_moves_with_the_default() -> None:
    driver = MicDriver(FakeSound(BUILT_IN, SPEAKERS, HEADPHONES), "speaker")
    assert driver.run(100)[-1] == "playing on Speakers"
    options = driver.sound.stream.options
    assert (options.input, options.output) == ("gapless.speaker", "speakers")

    driver.sound.set_default("headphones")

    assert driver.run(2_500) == ["playing on Headphones"]
    assert driver.sound.stream.output == "headphones"
    assert driver.sound.streams[0].closed


def test_a_speaker_survives_the_loss_of_its_output() -> None:
    driver = MicDriver(FakeSound(SPEAKERS, HEADPHONES), "speaker", wanted="headphones")
    driver.run(100)

    driver.sound.unplug("headphones")
    driver.run(2_000)
    assert driver.sound.stream.output == "speakers"

    driver.sound.plug(HEADPHONES)
    driver.run(2_000)
    assert driver.sound.stream.output == "headphones"


@pytest.mark.parametrize(
    ("wanted", "last", "expected"),
    [
        (None, None, "b"),
        ("a", None, "a"),
        ("MICRO", None, "a"),
        ("nothing", "c", "b"),
        ("micro", "c", "c"),
    ],
    ids=["default", "name", "part", "missing", "part-last"],
)
def test_the_choice_of_a_device(wanted: str | None, last: str | None, expected: str) -> None:
    devices = [
        make_device("out", "output"),
        make_device("a", description="Microphone 1"),
        make_device("b", default=True, description="Array"),
        make_device("c", description="Microphone 2"),
    ]

    chosen = choose_device(devices, "input", wanted=wanted, last=last)

    assert chosen is not None
    assert chosen.name == expected


def test_no_device_is_chosen_where_there_is_none() -> None:
    assert choose_device([SPEAKERS], "input", wanted=None, last=None) is None


def test_a_microphone_that_is_back_before_anybody_looked_is_heard_again() -> None:
    driver = MicDriver(FakeSound(BUILT_IN))
    driver.run(100)

    driver.sound.unplug("built_in")
    driver.sound.plug(BUILT_IN)
    said = driver.run(1_000)

    assert said == ["Built-in Audio is gone", "hearing Built-in Audio"]
    assert driver.sound.stream.input == "built_in"
    assert len(driver.sound.streams) == 1
