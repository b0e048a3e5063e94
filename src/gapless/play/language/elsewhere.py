"""What TidalCycles, SuperDirt and Strudel have under another name, or where something else does the same.

In: nothing. Out: for each name what to write here. Invariants: no name of ours is in it; what is advised is understood
(``tests/unit/test_language_names.py`` tries all of it). Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_REVERB: Final = "# reverb 0.5 0.3, the room's size and how much is heard"
_DELAY: Final = "# delay 0.25 0.4 0.5, its time in seconds, feedback and how much is heard"
_OUTPUTS: Final = "o2: ... as an output of its own, with its own effects"
_DISTORTION: Final = "# distortion 4"
_OCTAVES: Final = "|+ note 12, an octave up"
_VOICES: Final = '# s "supersaw", which is several voices'
_LOUDNESS: Final = "# gain 0.8"
_BAND: Final = "# bpf 1000 0.7"
_LOW: Final = "# lpf 800 0.9, or # cutoff 800 for each voice"
_HIGH: Final = "# hpf 800 0.9"
_TEMPO: Final = "tempo: 0.5 as a line of its own, or bpm: 120"

ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("room", "size", "sz", "roomsize", "dry", "freeze"), _REVERB),
        **dict.fromkeys(
            (
                *("delaytime", "delayt", "delayfeedback", "delayfb", "dfb", "dt", "lock"),
                *("delayamp", "delaysync"),
            ),
            _DELAY,
        ),
        **dict.fromkeys(("orbit", "channel"), _OUTPUTS),
        **dict.fromkeys(
            ("distort", "dist", "triode", "overdrive", "waveloss", "krush", "kcutoff"), _DISTORTION
        ),
        **dict.fromkeys(("octave", "oct", "octer", "transpose", "trans"), _OCTAVES),
        **dict.fromkeys(("detune", "det", "voice", "unison", "spread"), _VOICES),
        **dict.fromkeys(("vel", "amp", "volume", "vol", "postgain"), _LOUDNESS),
        **dict.fromkeys(("bandf", "bandq", "bpq"), _BAND),
        **dict.fromkeys(("ctf", "lp", "lpq", "lowpass", "filter"), _LOW),
        **dict.fromkeys(("hcutoff", "hresonance", "hpq", "hp", "highpass"), _HIGH),
        **dict.fromkeys(("setcps", "setCps", "setcpm", "setbpm", "cps", "cpm", "bpm"), _TEMPO),
        "squiz": "# ring 300, the nearest that there is",
        "vowel": "# bpf 1000 0.7, the nearest that there is",
        "leslie": "# tremolo 6, the nearest that there is",
        "tremolorate": "# tremolo 4 0.5",
        "tremolodepth": "# tremolo 4 0.5",
        "phaserrate": "# phaser 0.4",
        "phaserdepth": "# phaser 0.4",
        "vib": "# vibrato 5 0.3",
        "crushed": "# crush 8",
        "att": "# attack 0.1",
        "dec": "# decay 0.1",
        "rel": "# release 0.1",
        "sus": "# sustain 0.5",
        "pw": "# width 0.2",
        "bank": 's "808bd"',
        "silence": 's "~", or hush1',
        "density": "fast 2 $ ...",
        "sparsity": "slow 2 $ ...",
        "seq": "fastcat [a, b]",
        "sequence": "fastcat [a, b]",
        "append": "cat [a, b]",
        "overlay": "stack [a, b]",
        "wedge": "timeCat [1, 3] [a, b]",
        "timecat": "timeCat [1, 3] [a, b]",
        "arrange": "ncat [4, 2] [a, b]",
        "someCycles": "someCyclesBy 0.5 (fast 2) $ ...",
        "somecycles": "someCyclesBy 0.5 (fast 2) $ ...",
        "jumble": "shuffle 4 $ ...",
        "echoWith": "off 0.125 (# gain 0.8) $ ...",
        "stutWith": "off 0.125 (# gain 0.8) $ ...",
        "discretise": "segment 8 $ ...",
        "toScale": 'scale "minor" "0 2 4"',
        "voicing": 'note "c4\'min7"',
        "arpeggiate": 'arp "up" $ ...',
        "arpg": 'arp "up" $ ...',
        "set": "# speed 2",
        "fit": "loopAt 1 $ ...",
        "once": "o1: ... as an output",
        "solo": "hush2 as a line, for each of the others",
        "lpenv": "# lpf (xline 3000 200 0.3)",
        "lfo": "# lpf (sine 0.5 * 400 + 600)",
    }
)
"""What to write instead, by name."""
