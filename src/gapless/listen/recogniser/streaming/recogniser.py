"""The recogniser that runs on the inference engine: streaming encoders, and offline ones in overlapping windows.

In: the folder of a recogniser (``recogniser.toml``, tokens, parts). Out: recognitions that compute elsewhere, together
with all others, and wake their callers. Invariants: what an utterance says depends neither on the split of its samples
nor on its neighbours, but for the rounding of sums in batches of another size.
Thread: any. Nothing blocks but opening a recogniser, which loads its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, final

import msgspec

from gapless.errors import ConfigError, GaplessError, ModelError
from gapless.infer.inference import Inference
from gapless.listen.recogniser.contract import (
    RecogniseOptions,
    Recogniser,
    RecogniserInfo,
    Recognition,
    Wake,
)
from gapless.listen.recogniser.decode.tokens import Vocabulary
from gapless.listen.recogniser.decode.words import WordOptions
from gapless.listen.recogniser.guards import OF_WORDS, Guards
from gapless.listen.recogniser.places import Places, PlacesStats
from gapless.listen.recogniser.streaming.decoders import open_decoders
from gapless.listen.recogniser.streaming.encoder import Encoder
from gapless.listen.recogniser.streaming.hub import Hub
from gapless.listen.recogniser.streaming.manifest import (
    MANIFEST_FILE,
    RecogniserManifest,
    read_manifest,
)
from gapless.listen.recogniser.streaming.parts import Parts
from gapless.listen.recogniser.streaming.preprocessed import open_features
from gapless.listen.recogniser.streaming.utterance import Utterance
from gapless.listen.recogniser.streaming.wording import Wording
from gapless.settings import GuardName

MOST_WAITING: Final = 64
"""Utterances that may wait for a place, where nothing else is said."""


@final
class StreamingRecogniser:
    """See the module's head. Options that the model cannot use (prompt, temperature, translation) are ignored.

    Hot words that the model's tokens cannot spell are ignored as well; those that they can are searched for with a
    beam that looks far, which costs several times as much as the search that everybody else gets. So are alternatives,
    of which there are no more than the beam is wide.

    Args:
        folder: of the recogniser; its name is the recogniser's.
        inference: runs its parts; they have to be in its library, as ``NAME.PART``.
        places: utterances at a time; never more than the encoder has slots for.
        max_waiting: utterances that may wait for a place.
        guards: against invented text; None: all of them.

    Raises:
        ModelError: the folder is not that of a recogniser, or does not fit its parts.
        GaplessError: a part is not there, or cannot be loaded.
    """

    def __init__(
        self,
        folder: Path,
        inference: Inference,
        *,
        places: int,
        max_waiting: int = MOST_WAITING,
        guards: Guards | None = None,
    ) -> None:
        manifest = read_folder(folder)
        self._guards = guards or Guards(concerned=OF_WORDS)
        vocabulary = Vocabulary.read(
            folder / manifest.tokens, manifest.token_kind, manifest.silent_tokens
        )
        self._info = RecogniserInfo(
            name=folder.name,
            kind="streaming",
            languages=manifest.languages,
            word_times=True,
            owner=manifest.owner,
            licence=manifest.licence,
            description=manifest.description,
            blocks=False,
        )
        if not 0 <= manifest.blank < len(vocabulary):
            raise ModelError(
                f"blank is {manifest.blank}, but there are {len(vocabulary)} tokens in {manifest.tokens}; correct "
                f"{MANIFEST_FILE}",
                param="blank",
            )
        self._vocabulary = vocabulary
        self._parts = Parts(inference, folder.name)
        try:
            self._open_parts(manifest, inference, places, max_waiting)
        except BaseException:
            self._parts.close()
            raise

    @property
    def info(self) -> RecogniserInfo:
        """What it is."""
        return self._info

    def stats(self) -> PlacesStats:
        """Who has a place and who waits."""
        return self._places.stats()

    def suppressed(self) -> dict[GuardName, int]:
        """How many words each guard has dropped."""
        return self._guards.counts()

    def open(self, options: RecogniseOptions, wake: Wake, /) -> Future[Recognition]:
        """Ask for a place, as every recogniser's ``open``."""
        self._require_language(options.language)
        phrases = self._phrases(options.hotwords)
        wide = phrases or options.n_best > 1
        decoder = self._decoders.wide if wide else self._decoders.usual
        state = decoder.start(phrases)

        def begin(place: object) -> Recognition:
            utterance = Utterance(options, wake, lambda: self._places.release(place))
            self._hub.add(utterance, decoder, state)
            return utterance

        return self._places.request(begin)

    def close(self) -> None:
        """Take no more utterances. Those that are open may still end; the parts stay loaded until they have."""
        self._places.close()
        self._hub.close()

    def _open_parts(
        self, manifest: RecogniserManifest, inference: Inference, places: int, max_waiting: int
    ) -> None:
        part = self._parts.open(manifest.encoder.part)
        features = open_features(manifest.features, self._parts)
        encoder = Encoder(inference, part, manifest.encoder, features)
        if part.info.sequences != "none":
            places = min(places, part.info.limits.max_sequences)
        self._places = Places[object](object, lambda _: None, most=places, max_waiting=max_waiting)
        self._decoders = open_decoders(manifest, self._parts, len(self._vocabulary))
        decode = manifest.decode
        wording = Wording(
            self._vocabulary,
            WordOptions(
                frame_ms=manifest.encoder.frame_ms,
                offset_ms=decode.word_offset_ms,
                tail_ms=decode.word_tail_ms,
                min_confidence=decode.min_confidence if self._guards.on("low_confidence") else 0,
            ),
            manifest.languages[0] if len(manifest.languages) == 1 else None,
            self._guards,
        )
        self._hub = Hub(self._info.name, encoder, wording, self._parts.close)

    def _phrases(self, hotwords: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        spelt = (self._vocabulary.encode(phrase) for phrase in hotwords)
        return tuple(phrase for phrase in spelt if phrase)

    def _require_language(self, language: str | None) -> None:
        try:
            self._info.require_language(language)
        except GaplessError as error:
            raise ConfigError(error.message, param="language") from error


def read_folder(folder: Path) -> RecogniserManifest:
    """What the folder of a recogniser says of it.

    Raises:
        ModelError: it says nothing, or something impossible.
    """
    path = folder / MANIFEST_FILE
    try:
        return read_manifest(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); add the model again with `gapless models add`"
        ) from error
    except msgspec.DecodeError as error:
        raise ModelError(
            f"{path} says something impossible: {error}; correct it, see docs/reference/recogniser-toml.md"
        ) from error


_: type[Recogniser] = StreamingRecogniser
