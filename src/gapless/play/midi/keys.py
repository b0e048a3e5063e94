"""Keys that play an instrument of a performance.

In: messages of a keyboard. Out: voices, each at the sample that is computed when its key goes down, so that all are
equally late, by the device's blocks. Invariants: the voices have an output of their own beside those of the program,
fed by nobody else; what is held ends with its key, by its release. Thread: the MIDI library's; one.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final, NamedTuple, final

import numpy as np

from gapless.play.graph import Graph, Voices
from gapless.play.live.performance import Performance
from gapless.play.live.wall_clock import WallClock
from gapless.play.midi.keyboard import Action, Keyboard, Press
from gapless.play.pattern import Event, Pattern
from gapless.play.program import Controls, Played
from gapless.play.samples.sound import Sound
from gapless.play.schedule import Scheduler
from gapless.play.sound import trigger
from gapless.play.time import Span
from gapless.play.voices import triggers_of

OUTPUT: Final = "keys"
MIDDLE_C: Final = 60
LONGEST_S: Final = 600
"""For which a key is held at most: a message that was lost must not sound for ever."""
RELEASE_S: Final = 0.15


class KeyCounts(NamedTuple):
    """What became of keys."""

    played: int
    missed: int
    """That nothing could play: there is no such instrument, or its sound is not loaded yet."""


@final
class Keys:
    """Plays what is pressed; close it.

    Args:
        performance: on which.
        times: of its samples.
        name: of the instrument, as ``s`` says it.

    Raises:
        ConfigError: the program has no room for another output.
    """

    def __init__(self, performance: Performance, times: WallClock, name: str) -> None:
        self._performance = performance
        self._times = times
        self._name = name
        self._keyboard = Keyboard()
        self._sounds: dict[int, tuple[Sound | None, Sound | None]] = {}
        """By key: what its last two voices read."""
        self._played = self._missed = 0
        sound, _, number = name.partition(":")
        performance.sounds.request(sound, int(number) if number.isdecimal() else 0)
        performance.player.beside({OUTPUT: Played(_never(name))})

    def take(self, message: bytes, now_ns: int) -> None:
        """Do what a message says, of any kind."""
        self._do(self._keyboard.take(message), self._times.computed_at(now_ns))

    def counts(self) -> KeyCounts:
        """So far."""
        return KeyCounts(self._played, self._missed)

    def close(self) -> None:
        """Nothing is played any more; what is held is released."""
        self._do(self._keyboard.release_all(), self._performance.player.position)
        self._performance.player.beside({})

    def _do(self, actions: list[Action], at: int) -> None:
        if not actions:
            return

        def post(_: Scheduler, graph: Graph) -> None:
            voices = next((one for one in graph.voices if one.output == OUTPUT), None)
            if voices is not None:
                for action in actions:
                    self._post(voices, action, at)

        self._performance.player.in_step(post)

    def _post(self, voices: Voices, action: Action, at: int) -> None:
        order = np.zeros(1, trigger.TRIGGER)
        if isinstance(action, Press):
            node = self._begin(voices, action, at, order[0])
            self._played += node is not None
            self._missed += node is None
            nodes = [] if node is None else [node]
        else:
            order["kind"] = trigger.RELEASE
            nodes = [*voices.banks.values(), *voices.instruments.values()]
        order["at"], order["cut"] = at, 1 + action.key
        for node in nodes:
            trigger.post(node.record, order)

    def _begin(self, voices: Voices, press: Press, at: int, order: Any) -> Any:
        """Fill in the order of a voice; who plays it."""
        rate_hz = self._performance.sounds.rate_hz
        second = Span(Fraction(0), Fraction(1))
        controls: Controls = {
            "s": self._name,
            "note": press.number - MIDDLE_C,
            # As of General MIDI devices: half the velocity is 12 dB less.
            "gain": (press.velocity / 127) ** 2,
            "release": RELEASE_S,
        }
        voice = triggers_of(
            Event(second, second, controls),
            at,
            rate_hz,
            self._performance.sounds,
            order,
            instruments={name for name, _ in voices.instruments},
        )
        if voice is None:
            return None
        # Till its key comes up; a sample that is shorter ends by itself.
        order["hold"] = LONGEST_S * rate_hz
        _, last = self._sounds.get(press.key, (None, None))
        self._sounds[press.key] = (last, voice.sound)
        if voice.kind == trigger.INSTANCE:
            return voices.instruments.get((voice.name, ()))
        return voices.banks[()]


def _never(name: str) -> Pattern[Controls]:
    """A pattern that says which instrument there is to be, and never starts a voice."""
    return Pattern(lambda span: [Event(None, span, {"s": name})])
