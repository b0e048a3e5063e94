"""``recogniser.toml``: what a recogniser's folder says of itself.

    NAME/
      recogniser.toml      this
      tokens.txt           "token id" per line
      encoder/             each part is a model of the repository (``NAME.encoder``): manifest.toml and 1/model.onnx
      predictor/ joiner/   or decoder_joint/, or ctc/

In: TOML. Out: a ``RecogniserManifest``. Invariants: everything that the recogniser does follows from it; what a profile
(NeMo, sherpa-onnx ...) means is written out in it once, when the model is added. The engine keeps the encoder's
states, which its part's manifest names (``[[state]]``); those of the prediction network are named here, for a search
branches. A tensor whose batch axis is not in front in the file says so in its part's manifest (``axis``).
Thread: any (immutable data).

The encoder sees windows of feature frames: window ``k`` is frames ``k * chunk - left`` to ``k * chunk + chunk +
right``, filled up at both ends of the utterance (see ``windows.py``). This one shape is the chunk of a causal network
(no context), the chunk with cached pre-encoder frames (``left``), the chunk with look-ahead (``right``), and the buffer
of an offline one (both).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

MANIFEST_FILE: Final = "recogniser.toml"

Frames: TypeAlias = Annotated[int, Meta(ge=0, le=100_000)]
SomeFrames: TypeAlias = Annotated[int, Meta(ge=1, le=100_000)]
Layout: TypeAlias = Literal["time_major", "feature_major"]


class EncoderSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the encoder is fed."""

    part: str = "encoder"
    input: str
    """Name of the features' input."""
    layout: Layout = "time_major"
    """``time_major``: [batch, frames, mels]; ``feature_major``: [batch, mels, frames]. Of the output likewise."""
    output_layout: Layout = "time_major"
    length_input: str | None = None
    """Input that takes the number of frames in the window that are not filling."""
    output: str
    chunk_frames: SomeFrames
    """New feature frames of each window; a multiple of ``subsampling``."""
    left_frames: Frames = 0
    right_frames: Frames = 0
    fill_front: bool = True
    """Whether the first windows are filled up in front, as a network with cached frames wants it. False: they begin
    with the utterance's first frame, and all filling is behind, where ``length_input`` tells the network of it."""
    tail_frames: Frames = 0
    """Frames of filling that are heard behind the utterance's last frame, for a network that answers late."""
    pad: float = 0.0
    """What fills windows up at the ends of the utterance."""
    subsampling: SomeFrames
    """Feature frames behind one frame of output."""
    drop_frames: Frames = 0
    """Frames of output in front that belong to the left context."""
    frame_ms: Annotated[float, Meta(gt=0, le=10_000)]
    """Length of one frame of output."""

    def __post_init__(self) -> None:
        """Refuse what does not go together.

        Raises:
            ValueError: a chunk is no whole number of output frames, or more is dropped than the left context gives.
        """
        if self.chunk_frames % self.subsampling:
            raise ValueError(
                f"chunk_frames is {self.chunk_frames}; make it a multiple of subsampling, {self.subsampling}"
            )
        if self.drop_frames * self.subsampling > self.left_frames:
            raise ValueError(
                f"drop_frames is {self.drop_frames}; no more than left_frames / subsampling belong to the left context"
            )


class TransducerSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the prediction and joint networks are asked. Either both parts, or one that is both."""

    predictor: str | None = "predictor"
    joiner: str | None = "joiner"
    fused: str | None = None
    """Part that takes encoder frames, tokens and states, and gives logits and states (NeMo's ``decoder_joint``)."""
    frame_input: str = "encoded"
    predicted_input: str = "predicted"
    """Of the joiner; not of a fused part."""
    token_input: str = "token"  # noqa: S105
    token_context: Annotated[int, Meta(ge=1, le=64)] = 1
    """Last tokens that the predictor is given: 1 with states of its own, 2 for a stateless one."""
    first_tokens: tuple[int, ...] = ()
    """What the predictor is given before any token; empty: blanks."""
    token_length_input: str | None = None
    states: tuple[tuple[str, str], ...] = ()
    """Input and output of each state of the prediction network; they begin as zeros."""
    predicted_output: str = "predicted"
    logits_output: str = "logits"
    durations: tuple[Annotated[int, Meta(ge=0, le=1000)], ...] = ()
    """TDT: what the last logits stand for."""
    max_symbols: Annotated[int, Meta(ge=1, le=1000)] = 10
    """Tokens per frame, at most."""


class CtcSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where CTC's log-probabilities come from."""

    part: str | None = None
    """A head on the encoder's output; None: the encoder's output is the log-probabilities (or logits)."""
    input: str = "encoded"
    output: str = "log_probs"


class HybridSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a search over both heads weighs them."""

    transducer_share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Of the transducer's log-probability in the score of a text; the rest is CTC's."""
    token_bonus: float = 0.0
    """Added to the score for each token: longer texts are less probable."""
    blank_offset: float = 0.0
    """Added to the transducer's logit of the blank."""
    margin: Annotated[float, Meta(gt=0)] = 4.0
    """Texts that are further behind the best one are dropped, but for utterances with hot words or alternatives."""


class FeatureSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which features the encoder takes."""

    preset: Literal["gapless", "kaldi", "nemo"] = "gapless"
    n_mels: Annotated[int, Meta(ge=1, le=1024)] = 40
    part: str | None = None
    """A preprocessor network (waveforms and lengths to features) in place of our own log-mel."""
    normalise: Literal["none", "per_window"] = "none"
    """``per_window``: each mel to mean 0 and deviation 1 over the window's real frames (NeMo's ``per_feature``)."""


class DecodeSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How words are found."""

    search: Literal["greedy", "beam", "hybrid"] = "greedy"
    """``hybrid``: a beam over the transducer and CTC, for an encoder that has both."""
    beam: Annotated[int, Meta(ge=1, le=64)] = 4
    min_confidence: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Words below it are dropped."""
    word_offset_ms: float = 0.0
    """Added to the times of words: negative for a model that answers late."""
    word_tail_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    """How long the sound of a word's last token lasts at least; not for TDT, which says so itself."""


class RecogniserManifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One recogniser."""

    profile: str
    """Where it comes from: ``gapless``, ``nemo``, ``fastconformer``, ``zipformer``, ``ctc``."""
    languages: tuple[str, ...] = ()
    owner: str = "local"
    licence: str = "see the model's own terms"
    description: str = ""
    tokens: Annotated[str, Meta(pattern=r"^[^/\\]+$")] = "tokens.txt"
    token_kind: Literal["words", "pieces", "characters"] = "pieces"  # noqa: S105
    blank: Annotated[int, Meta(ge=0)]
    silent_tokens: tuple[str, ...] = ("<unk>",)
    """Tokens that give no text."""
    features: FeatureSpec = FeatureSpec()
    encoder: EncoderSpec
    transducer: TransducerSpec | None = None
    ctc: CtcSpec | None = None
    """Where there is a transducer too, that one is used, or both (``search = "hybrid"``)."""
    hybrid: HybridSpec = HybridSpec()
    decode: DecodeSpec = DecodeSpec()

    def __post_init__(self) -> None:
        """Refuse a search for which a head is missing.

        Raises:
            ValueError: it is.
        """
        if self.decode.search == "hybrid" and (
            self.ctc is None or self.transducer is None or self.transducer.durations
        ):
            raise ValueError(
                "search is hybrid; that needs both [ctc] and a [transducer] without durations"
            )


def read_manifest(text: str) -> RecogniserManifest:
    """Read ``recogniser.toml``.

    Raises:
        msgspec.ValidationError: it does not say what it must.
    """
    return msgspec.toml.decode(text, type=RecogniserManifest)
