"""Whatever happens to devices and the server, in any order: a virtual microphone works again once there is a way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.testing.fake_sound_server import FakeSound, make_device
from gapless.testing.mic_driver import MicDriver

NAMES = ("usb", "built_in", "array")

happenings = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "plug",
                "unplug",
                "default",
                "kill",
                "restart",
                "remove",
                "deafen",
                "refuse",
                "want",
                "reopen",
            )
        ),
        st.sampled_from(NAMES),
        st.integers(0, 40),
    ),
    max_size=25,
)


def happen(driver: MicDriver, what: str, name: str) -> None:
    sound = driver.sound
    match what:
        case "plug":
            if name not in [device.name for device in sound.devices]:
                sound.plug(make_device(name))
        case "unplug":
            sound.unplug(name)
        case "default":
            sound.set_default(name)
        case "kill":
            sound.kill()
        case "restart":
            sound.restart()
        case "remove":
            if sound.virtuals:
                sound.virtuals[-1].dead = True
        case "deafen":
            sound.listing_fails = not sound.listing_fails
        case "refuse":
            sound.unusable ^= {name}
        case "want":
            driver.supervisor.want(name)
        case "reopen":
            driver.supervisor.reopen()


@pytest.mark.long
@given(happenings, st.booleans())
def test_it_comes_back_and_never_holds_two_of_anything(
    schedule: list[tuple[str, str, int]], streams_die: bool
) -> None:
    sound = FakeSound(make_device("built_in", default=True), streams_die=streams_die)
    driver = MicDriver(sound)
    for what, name, ticks in schedule:
        happen(driver, what, name)
        driver.run(100 * ticks)
        assert sum(stream.alive() for stream in sound.streams) <= 1
        assert sum(virtual.alive() for virtual in sound.virtuals) <= 1

    sound.listing_fails = False
    sound.unusable.clear()
    sound.restart()
    if not sound.devices:
        sound.plug(make_device("usb"))
    driver.run(30_000)

    streams = [stream for stream in sound.streams if stream.alive()]
    virtuals = [virtual for virtual in sound.virtuals if virtual.alive()]
    assert len(streams) == len(virtuals) == 1
    assert driver.supervisor.hearing
    names = {device.name for device in sound.devices}
    wanted = driver.supervisor.wanted
    assert streams[0].input in names
    if wanted in names:
        assert streams[0].input == wanted
    assert streams[0].options.output == virtuals[0].ours

    driver.steps.clear()
    driver.run(20_000)
    assert {type(step).__name__ for _, step in driver.steps} == {"Look"}, "and then it rests"
