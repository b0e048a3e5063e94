"""The engine as workers of jobs see it, over a scripted recogniser: everything is real but the words.

In: an inference engine, a recogniser, and a gate. Out: ``Ears``. Invariants: sound is decoded and speech found as in
the engine; while the gate is shut, utterances wait for their end, so that a test can look at a recording half heard.
Thread: any.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Final, final

from gapless.audio.types import Samples
from gapless.errors import ModelNotFoundError
from gapless.infer.inference import Inference
from gapless.jobs.hearing import Ears
from gapless.listen.listener import ListenOptions
from gapless.listen.recogniser.contract import (
    Hypothesis,
    RecogniseOptions,
    Recogniser,
    RecogniserInfo,
    Recognition,
    Result,
    Wake,
)
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.testing.recogniser import ScriptedRecogniser


@final
class ScriptedEars:
    """Ears for tests of jobs.

    Args:
        inference: runs the voice detector; stays the caller's.
        recogniser: what says the words, the only one there is; stays the caller's.
    """

    def __init__(self, inference: Inference, recogniser: Recogniser | None = None) -> None:
        self._inference = inference
        self._recogniser = recogniser or ScriptedRecogniser()

    @property
    def inference(self) -> Inference:
        """What was given."""
        return self._inference

    @property
    def listen_options(self) -> ListenOptions:
        """The defaults of the listener."""
        return ListenOptions()

    def recogniser(self, name: str | None = None) -> Recogniser:
        """What was given."""
        if name not in (None, self._recogniser.info.name):
            raise ModelNotFoundError(f"no model {name!r} here; leave it out", param="model")
        return self._recogniser

    def default_model(self) -> Choice:
        """The only one."""
        return Choice(self._recogniser.info.name, "it is the only one")


@final
class GatedRecogniser:
    """A scripted recogniser that stops before the end of an utterance until it is let on.

    Args:
        free: utterances that end without being let on.
    """

    def __init__(self, free: int) -> None:
        self._inner = ScriptedRecogniser()
        self._free = free
        self._lock = threading.Lock()
        """Guards ``_free``."""
        self.opened: Final = self._inner.opened
        self.waits: Final = threading.Event()
        """Set when an utterance waits."""
        self.gate: Final = threading.Event()
        """Set it, and all go on."""

    @property
    def info(self) -> RecogniserInfo:
        """That of the scripted one."""
        return self._inner.info

    def open(self, options: RecogniseOptions, wake: Wake) -> Future[Recognition]:
        """As every recogniser's."""
        opening = self._inner.open(options, wake)
        gated: Future[Recognition] = Future()
        gated.set_result(_Gated(self, opening.result()))
        return gated

    def close(self) -> None:
        """Let all go on, and close."""
        self.gate.set()
        self._inner.close()

    def pass_gate(self) -> None:
        """Wait until the gate is open, or go through as one of those that are free."""
        with self._lock:
            self._free -= 1
            if self._free >= 0:
                return
        self.waits.set()
        self.gate.wait()


class _Gated:
    def __init__(self, owner: GatedRecogniser, inner: Recognition) -> None:
        self._owner = owner
        self._inner = inner

    @property
    def pending_samples(self) -> int:
        return self._inner.pending_samples

    def accept(self, samples: Samples) -> None:
        self._inner.accept(samples)

    def poll(self) -> Hypothesis | Result | None:
        return self._inner.poll()

    def finish(self) -> None:
        self._owner.pass_gate()
        self._inner.finish()

    def cancel(self) -> None:
        self._inner.cancel()


_: type[Ears] = ScriptedEars
