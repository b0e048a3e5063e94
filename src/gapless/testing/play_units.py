"""A small catalogue of units that are described and never sound, for tests of the language.

In: nothing. Out: units by name. Invariants: none of them is compiled. Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gapless.play.sound.unit import Input, Unit, catalogue

_IN: Final = Input("in", None, "sound")
_LEVELS: Final = tuple(Input(name, None, "signal") for name in "ab")


def _never(pointer: Any) -> None:
    """Nothing, for it is never called."""


def _described(name: str, *inputs: Input, outputs: int = 1) -> Unit:
    return Unit(name, _never, fields=[], inputs=inputs, doc=name, outputs=outputs)


FAKE_UNITS: Final[Mapping[str, Unit]] = catalogue(
    [
        *(_described(name, *_LEVELS) for name in ("add", "sub", "mul", "div")),
        _described("neg", _IN),
        _described("sine", Input("hz", 440.0, "Hz"), Input("phase", 0.0, "periods")),
        _described("saw", Input("hz", 440.0, "Hz")),
        _described("noise"),
        _described("lpf", _IN, Input("hz", 1000.0, "cutoff, Hz"), Input("q", 0.7, "width")),
        _described("bitcrush", _IN, Input("bits", 8.0, "of a sample")),
        _described("range", _IN, Input("low", 0.0, "least"), Input("high", 1.0, "most")),
        _described("gate", _IN, Input("threshold_db", None, "below which nothing is heard")),
        _described("pan2", _IN, Input("pos", 0.0, "-1 left, 1 right"), outputs=2),
        _described(
            "delay",
            _IN,
            Input("time_s", 0.25, "s"),
            Input("feedback", 0.3, "share"),
            Input("mix", 0.5, "share"),
        ),
        _described(
            "reverb",
            _IN,
            Input("in2", 0.0, "sound, right"),
            Input("room", 0.5, "size"),
            Input("mix", 0.3, "share"),
            outputs=2,
        ),
    ]
)
"""As in the real catalogue; ``gate`` has an argument that must be given."""
