"""Both heads as one, with the graphs that ship, on the sounds that ship."""

from __future__ import annotations

from pathlib import Path

import gapless
import msgspec
import numpy as np
from gapless.listen.recogniser.streaming.manifest import read_manifest

from commands_en.decode import Model
from commands_en.hybrid import OPTIONS, HybridStream, recognise_by_both
from commands_en.sounds import decode

PACKAGE = Path(gapless.__file__).parent
FOLDER = PACKAGE / "listen" / "recogniser" / "carried" / "commands-en"
SOUNDS = PACKAGE / "testing" / "sounds" / "commands-en"


def test_what_is_said_is_heard_in_pieces_as_at_once() -> None:
    model = Model(FOLDER)
    chosen = msgspec.json.decode((SOUNDS / "sounds.json").read_bytes())[:5]
    for sound in chosen:
        samples = np.pad(decode(SOUNDS / sound["file"]), (0, 4000))
        stream = HybridStream(model)
        for piece in np.array_split(samples, 37):
            stream.push(piece)
        whole = recognise_by_both(model, samples)
        assert " ".join(word.word for word in whole) == sound["text"]
        assert [(one.word, one.at_ms) for one in stream.words] == [
            (one.word, one.at_ms) for one in whole
        ]


def test_what_is_evaluated_is_what_ships() -> None:
    hybrid = read_manifest((FOLDER / "recogniser.toml").read_text("utf-8")).hybrid

    assert (hybrid.transducer_share, hybrid.token_bonus, hybrid.blank_offset, hybrid.margin) == (
        OPTIONS.transducer_share,
        OPTIONS.token_bonus,
        OPTIONS.blank_offset,
        OPTIONS.margin,
    )
