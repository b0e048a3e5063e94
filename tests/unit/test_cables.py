"""Virtual cables in the device lists of machines that have them, and of machines that have not."""

from __future__ import annotations

import pytest

from gapless.audio.device.cables import Cable, choose_cable, find_cables
from gapless.audio.device.server import Device
from gapless.errors import DeviceError

# Names as PortAudio tells them: of Core Audio, and of WASAPI.
MAC = """
0 in, 2 out: DELL U2515H
2 in, 2 out: BlackHole 2ch
16 in, 16 out: BlackHole 16ch
1 in, 0 out: MacBook Pro Microphone
0 in, 2 out: MacBook Pro Speakers
1 in, 1 out: Microsoft Teams Audio
0 in, 2 out: Speakers + BlackHole
"""
MAC_BARE = """
1 in, 0 out: MacBook Air Microphone
0 in, 2 out: MacBook Air Speakers
2 in, 2 out: ZoomAudioDevice
"""
MAC_AGGREGATE = """
1 in, 0 out: MacBook Pro Microphone
0 in, 2 out: Speakers + BlackHole
2 in, 2 out: BlackHole 2ch and Microphone
"""
MAC_LOOPBACK = """
1 in, 0 out: MacBook Pro Microphone
0 in, 2 out: MacBook Pro Speakers
2 in, 2 out: Loopback Audio 2
"""
WINDOWS = """
0 in, 2 out: Speakers (Realtek(R) Audio)
0 in, 2 out: CABLE In 16ch (VB-Audio Virtual Cable)
0 in, 2 out: CABLE Input (VB-Audio Virtual Cable)
2 in, 0 out: Microphone (HD Webcam C270)
2 in, 0 out: CABLE Output (VB-Audio Virtual Cable)
"""
WINDOWS_BOTH = """
0 in, 2 out: VoiceMeeter Input (VB-Audio VoiceMeeter VAIO)
0 in, 8 out: CABLE-A Input (VB-Audio Cable A)
2 in, 0 out: VoiceMeeter Output (VB-Audio VoiceMeeter VAIO)
2 in, 0 out: CABLE-B Output (VB-Audio Cable B)
2 in, 0 out: CABLE-A Output (VB-Audio Cable A)
"""
WINDOWS_MIXER = """
0 in, 2 out: Voicemeeter AUX Input (VB-Audio Voicemeeter VAIO)
0 in, 2 out: Voicemeeter Input (VB-Audio Voicemeeter VAIO)
2 in, 0 out: Voicemeeter Out A1 (VB-Audio Voicemeeter VAIO)
2 in, 0 out: Voicemeeter Out B1 (VB-Audio Voicemeeter VAIO)
2 in, 0 out: Voicemeeter Out B2 (VB-Audio Voicemeeter VAIO)
"""
WINDOWS_HALF = """
0 in, 2 out: CABLE Input (VB-Audio Virtual Cable)
2 in, 0 out: Microphone (Realtek(R) Audio)
"""


def devices(recorded: str) -> list[Device]:
    found = []
    for line in recorded.strip().splitlines():
        counts, name = line.split(": ")
        for count in counts.split(", "):
            channels, way = count.split()
            if channels != "0":
                found.append(
                    Device(
                        name=name,
                        description=name,
                        direction="input" if way == "in" else "output",
                        channels=int(channels),
                        rate_hz=48_000,
                        latency_ms=None,
                        default=False,
                    )
                )
    return found


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        pytest.param(MAC, Cable("BlackHole", "BlackHole 2ch", "BlackHole 2ch"), id="blackhole"),
        pytest.param(
            MAC_LOOPBACK, Cable("Loopback", "Loopback Audio 2", "Loopback Audio 2"), id="loopback"
        ),
        pytest.param(
            WINDOWS,
            Cable(
                "VB-CABLE",
                "CABLE Input (VB-Audio Virtual Cable)",
                "CABLE Output (VB-Audio Virtual Cable)",
            ),
            id="vb-cable",
        ),
        pytest.param(
            WINDOWS_BOTH,
            Cable(
                "VB-CABLE", "CABLE-A Input (VB-Audio Cable A)", "CABLE-A Output (VB-Audio Cable A)"
            ),
            id="a cable before a mixer, and the ends belong together",
        ),
        pytest.param(
            WINDOWS_MIXER,
            Cable(
                "VoiceMeeter",
                "Voicemeeter Input (VB-Audio Voicemeeter VAIO)",
                "Voicemeeter Out B1 (VB-Audio Voicemeeter VAIO)",
            ),
            id="voicemeeter",
        ),
    ],
)
def test_the_cable_of_a_machine_is_found(recorded: str, expected: Cable) -> None:
    assert choose_cable(devices(recorded)) == expected


def test_all_cables_of_a_machine_are_known() -> None:
    assert [cable.output for cable in find_cables(devices(MAC))] == [
        "BlackHole 2ch",
        "BlackHole 16ch",
    ]
    assert [
        (cable.output.split(" (")[0], cable.input.split(" (")[0])
        for cable in find_cables(devices(WINDOWS_MIXER))
    ] == [
        ("Voicemeeter Input", "Voicemeeter Out B1"),
        ("Voicemeeter AUX Input", "Voicemeeter Out B2"),
    ]


@pytest.mark.parametrize(
    "recorded",
    [
        pytest.param(MAC_BARE, id="none"),
        pytest.param(MAC_AGGREGATE, id="only devices that mention one"),
        pytest.param(WINDOWS_HALF, id="one end"),
        pytest.param("", id="no device at all"),
    ],
)
def test_no_cable_is_found_where_there_is_none(recorded: str) -> None:
    assert find_cables(devices(recorded)) == []


@pytest.mark.parametrize(
    ("platform", "advice"),
    [
        (
            "darwin",
            r"macOS .* install BlackHole \(existential\.audio/blackhole\), .* pick the cable as microphone",
        ),
        (
            "win32",
            r"Windows .* install VB-CABLE \(vb-audio\.com/Cable\), .* pick the cable as microphone",
        ),
        ("linux", "start PipeWire or PulseAudio"),
    ],
)
def test_without_a_cable_it_is_said_what_to_install(platform: str, advice: str) -> None:
    with pytest.raises(DeviceError, match=advice):
        choose_cable(devices(MAC_BARE), platform=platform)
