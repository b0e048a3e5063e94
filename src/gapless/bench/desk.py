"""A desk with a microphone on it, in a PipeWire of its own that nobody sees: a sound goes in, another program hears it.

In: a block function. Out: its stream, between a microphone into which a probe plays and a virtual one that the probe
hears. Invariants: nothing of the machine's own sound is touched, and nothing is left. Thread: main.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final

from gapless.audio.types import Samples
from gapless.bench.lag import EARLY, MOST_LAG, lags_samples
from gapless.bench.probe import RATE_HZ, Ear, Speaker, lead_samples
from gapless.errors import DeviceError

if TYPE_CHECKING:
    from gapless.audio.device.server import Stream
    from gapless.realtime.native import NativeBlock
    from gapless.testing.sound_servers import PipeWireServer

MICROPHONE: Final = "desk"
HEARS_S: Final = 4000.0
"""That the ear keeps: an hour and more. Memory is only taken for what was heard."""
START_S: Final = 20.0
"""Until links are made and sound comes, at most."""
SETTLE_S: Final = 0.3
"""From the first sound on; links are made one after the other."""
POLL_S: Final = 0.02


@contextmanager
def pipewire_of_our_own(block_frames: int) -> Iterator[PipeWireServer]:
    """A server that this process and its children find, and no other; with blocks of one length."""
    from gapless.testing.sound_servers import PipeWireServer

    with PipeWireServer() as server, server.here():
        server.ask("pw-metadata", "-n", "settings", "0", "clock.force-quantum", str(block_frames))
        yield server


def listen_for_lags(
    ear: Ear, played: Callable[[int, int], Samples], seconds: float, piece_s: float
) -> list[int]:
    """Listen, and tell by how much what is heard lies behind what is played, of each loud piece.

    Args:
        ear: hears it.
        played: what was played between two positions of the ear.
        seconds: of all pieces.
        piece_s: of each.

    Raises:
        DeviceError: nothing of what was played was heard.
    """
    start, end = ear.listen(seconds + (MOST_LAG + EARLY) / RATE_HZ)
    heard = ear.heard(start + MOST_LAG, end - EARLY)
    lags = lags_samples(played(start, end), heard, round(piece_s * RATE_HZ))
    if not lags:
        raise DeviceError("nothing of what was played was heard; is the machine too busy?")
    return lags


class Desk:
    """Everything on it, connected.

    Args:
        stream: what is measured.
        speaker: plays into its microphone.
        ear: hears its virtual one.
    """

    def __init__(self, stream: Stream, speaker: Speaker, ear: Ear) -> None:
        self.stream: Final = stream
        self.speaker: Final = speaker
        self.ear: Final = ear

    def played(self, start: int, end: int) -> Samples:
        """What the speaker played between two positions of the ear."""
        lead = lead_samples(self.speaker, self.ear, self.stream.block_frames, (start, end))
        return self.speaker.played(start + lead, end + lead)

    def lags_samples(self, seconds: float, piece_s: float) -> list[int]:
        """Listen, and tell by how much what is heard lies behind what is played, of each loud piece.

        Raises:
            DeviceError: nothing of what was played was heard.
        """
        return listen_for_lags(self.ear, self.played, seconds, piece_s)

    def wait_for_sound(self) -> None:
        """Wait until the ear hears something.

        Raises:
            DeviceError: it hears nothing.
        """
        looked, give_up_s = 0, time.monotonic() + START_S
        while True:
            position = self.ear.position
            if self.ear.heard(looked, position).any():
                break
            if time.monotonic() > give_up_s:
                raise DeviceError("the desk stays silent; is the machine too busy?")
            looked = position
            time.sleep(POLL_S)
        time.sleep(SETTLE_S)


@contextmanager
def desk(block: NativeBlock, sound: Samples, block_frames: int) -> Iterator[Desk]:
    """A microphone into which ``sound`` is played, ``block`` behind it, and an ear that hears what comes of it.

    Args:
        block: to measure.
        sound: float32 [n] at 48 kHz, played again and again.
        block_frames: of all.

    Raises:
        DeviceError: no sound comes through.
        MissingDependencyError: PipeWire is not installed.
    """
    from gapless.audio.device.pipewire import PipeWire
    from gapless.audio.device.server import StreamOptions

    with pipewire_of_our_own(block_frames) as server, ExitStack() as opened:
        # No circle is closed anywhere: in one, PipeWire stands still.
        silence, microphone, elsewhere = map(
            server.microphone, ("silence", MICROPHONE, "elsewhere")
        )
        pipewire = PipeWire()
        virtual = opened.enter_context(closing(pipewire.open_virtual("microphone", "Bench")))

        def open_(client: str, hears: str, plays: str, runs: NativeBlock) -> Stream:
            options = StreamOptions(
                client=client, input=hears, output=plays, block_frames=block_frames
            )
            return opened.enter_context(closing(pipewire.open_stream(options, runs)))

        speaker, ear = Speaker(sound), Ear(HEARS_S)
        stream = open_("Bench", microphone.name, virtual.ours, block)
        open_("Speaker", silence.name, microphone.sink, speaker.block)
        open_("Ear", virtual.name, elsewhere.sink, ear.block)
        made = Desk(stream, speaker, ear)
        made.wait_for_sound()
        yield made
