"""The decoders of a recogniser: which search its manifest asks for, over which heads.

In: the manifest, the parts, how many tokens there are. Out: a decoder for most utterances, and one for those with hot
words or alternatives, which need a beam. Invariants: both take the encoder's frames; heads that score other tokens than
there are were refused. Thread: any; opening blocks while parts are loaded.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gapless.errors import ModelError
from gapless.infer.contract import DYNAMIC, TensorInfo
from gapless.listen.recogniser.decode.beam import BeamTransducer
from gapless.listen.recogniser.decode.contract import Decoder, Joint
from gapless.listen.recogniser.decode.ctc import GreedyCtc
from gapless.listen.recogniser.decode.ctc_beam import BeamCtc
from gapless.listen.recogniser.decode.greedy import GreedyTransducer
from gapless.listen.recogniser.decode.hybrid_beam import BeamHybrid
from gapless.listen.recogniser.decode.hybrid_prefixes import HybridOptions
from gapless.listen.recogniser.decode.search import BeamOptions
from gapless.listen.recogniser.streaming.head import CtcHead, HeadedDecoder
from gapless.listen.recogniser.streaming.joint import open_joint
from gapless.listen.recogniser.streaming.manifest import (
    MANIFEST_FILE,
    CtcSpec,
    HybridSpec,
    RecogniserManifest,
    TransducerSpec,
)
from gapless.listen.recogniser.streaming.parts import Parts


class Decoders(NamedTuple):
    """Of a recogniser."""

    usual: Decoder
    wide: Decoder
    """Looks at more, and takes hot words."""


def open_decoders(manifest: RecogniserManifest, parts: Parts, n_tokens: int) -> Decoders:
    """Open the heads that a recogniser's search needs, and the search.

    Raises:
        ModelError: the manifest names neither a transducer nor CTC, or does not fit the parts.
        GaplessError: a part is not there, or cannot be loaded.
    """
    decode, transducer, ctc = manifest.decode, manifest.transducer, manifest.ctc
    options = BeamOptions(beam=decode.beam)
    if transducer is not None:
        joint = _open_joint(manifest, transducer, parts, n_tokens)
        if decode.search == "hybrid" and ctc is not None:
            head = _open_head(manifest, ctc, parts, n_tokens)
            return _hybrid(joint, head, options, manifest.hybrid)
        most = transducer.max_symbols
        beam: Decoder = BeamTransducer(joint, options, max_symbols=most)
        greedy: Decoder = GreedyTransducer(joint, max_symbols=most)
    elif ctc is not None:
        head = _open_head(manifest, ctc, parts, n_tokens)
        beam = HeadedDecoder(head, BeamCtc(manifest.blank, options))
        greedy = HeadedDecoder(head, GreedyCtc(manifest.blank))
    else:
        raise ModelError(
            f"{MANIFEST_FILE} describes neither a transducer nor CTC; add one of the tables"
        )
    return Decoders(beam if decode.search == "beam" else greedy, beam)


def _hybrid(joint: Joint, head: CtcHead, options: BeamOptions, spec: HybridSpec) -> Decoders:
    wide = HybridOptions(options, spec.transducer_share, spec.token_bonus, spec.blank_offset)
    usual = msgspec.structs.replace(wide, margin=spec.margin)
    return Decoders(BeamHybrid(joint, head, usual), BeamHybrid(joint, head, wide))


def _open_joint(
    manifest: RecogniserManifest, spec: TransducerSpec, parts: Parts, n_tokens: int
) -> Joint:
    joint = open_joint(spec, parts, blank=manifest.blank, layout=manifest.encoder.output_layout)
    part, n_scores = spec.fused or str(spec.joiner), n_tokens + len(spec.durations)
    _require_scores(manifest, parts.open(part).output(spec.logits_output), part, n_scores)
    return joint


def _open_head(manifest: RecogniserManifest, spec: CtcSpec, parts: Parts, n_tokens: int) -> CtcHead:
    encoder = manifest.encoder
    if spec.part is None:
        axis = 0 if encoder.output_layout == "feature_major" else -1
        scores = parts.open(encoder.part).output(encoder.output)
        _require_scores(manifest, scores, encoder.part, n_tokens, axis)
        return CtcHead(spec, None)
    part = parts.open(spec.part)
    head = CtcHead(spec, part)
    _require_scores(manifest, part.output(spec.output), spec.part, n_tokens)
    return head


def _require_scores(
    manifest: RecogniserManifest, scores: TensorInfo, part: str, n_wanted: int, axis: int = -1
) -> None:
    """Refuse a network that scores more or fewer tokens than there are.

    Raises:
        ModelError: it does.
    """
    n_scores = (scores.shape or (DYNAMIC,))[axis]
    if n_scores not in (DYNAMIC, n_wanted):
        raise ModelError(
            f"{part} gives {n_scores} scores, but {n_wanted} tokens and durations are described; use the "
            f"{manifest.tokens} that belongs to it",
            param="tokens",
        )
