"""The thread beside the callback, and which model it runs.

In: the record that the callback works on. Out: what a model makes of it. Invariants: a model that fails, is too slow,
or is too much for the memory gives way to RNNoise, and is tried again later; nothing of that stops the sound. RNNoise
runs without Python, so a busy interpreter does not stop it; models of ONNX Runtime are called from Python. Thread:
starts its own.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Final, final

import numpy as np

from gapless.clean.contract import FrameDenoiser
from gapless.clean.live.rnnoise_work import RnnoiseWork
from gapless.clean.live.state import FAR, STOP, MicState, set_latency
from gapless.clean.live.work import STOPPED, heard_so_far, next_frame, note_work, put_sound
from gapless.clean.mic.status import MicOptions
from gapless.clean.open import open_denoiser
from gapless.errors import ConfigError, MissingDependencyError, ModelError
from gapless.realtime.clock import now_ns
from gapless.tune.pressure import memory_pressure

RNNOISE: Final = "rnnoise"
TIMEOUTS: Final = 3
"""Frames in a row that may take longer than the time-out."""
TRY_AGAIN: Final = 1000
"""Frames of RNNoise, 10 ms each, before the model that gave way is tried again."""
LOOK_AT_MEMORY: Final = 100
"""Frames between two looks."""
PRIORITY: Final = 10
"""Of real-time threads; sound servers use 88 and less for theirs."""


@final
class Worker:
    """Runs a model beside one callback."""

    def __init__(self, state: MicState, options: MicOptions) -> None:
        self._state = state
        self._options = options
        self._model: FrameDenoiser | None = None
        self._rnnoise: RnnoiseWork | None = None
        self._thread: threading.Thread | None = None
        self.name = ""
        """Of the model that runs; empty: none does."""
        self.error = ""
        """Why the model that was asked for does not run."""

    def start(self) -> None:
        """Load what is asked for, warm it up, and begin.

        Raises:
            ConfigError: the low-delay mode takes another model than RNNoise.
            ModelError: there is no such model, or it does not run.
            MissingDependencyError: quality mode, and RNNoise is not installed.
        """
        quality = self._options.mode == "quality"
        if not quality and self._options.model != RNNOISE:
            raise ConfigError(
                f"the low-delay mode cannot use the model {self._options.model!r}; "
                "use --mode quality, or leave the model out",
                param="mic_model",
            )
        try:
            self._rnnoise = RnnoiseWork(self._state, quality=quality)
        except MissingDependencyError as error:
            if quality and self._options.model == RNNOISE:
                raise
            # The low-delay path cleans without it, only less well.
            self.error = str(error)
        if self._options.model != RNNOISE:
            self._model = open_denoiser(self._options.model, self._options.models_dir)
        runs = self._model or self._rnnoise
        if runs is None:
            return
        self.name = runs.name
        if quality:
            set_latency(self._state, runs.delay_samples + runs.frame_samples)
        self._state[0]["has_model"] = 1
        self._thread = threading.Thread(target=self._run, name="gapless-mic", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and free the models. Idempotent."""
        self._state[0]["orders"][STOP] = 1
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        for model in (self._model, self._rnnoise):
            if model is not None:
                model.close()
        self._model = self._rnnoise = None

    def _run(self) -> None:
        _prefer_this_thread()
        taken = heard_so_far(self._state[0])
        while taken != STOPPED:
            if self._model is not None:
                self.name = self._model.name
                taken = self._run_model(self._model, taken)
            if taken != STOPPED and self._rnnoise is not None:
                self.name = self._rnnoise.name
                taken = self._rnnoise.run(taken, FAR if self._model is None else TRY_AGAIN)

    def _run_model(self, model: FrameDenoiser, taken: int) -> int:
        """Until it must stop, or the model gives way; what ``next_frame`` said last."""
        state = self._state[0]
        frame = np.empty(model.frame_samples, np.float32)
        late = frames = 0
        model.reset()
        while (until := next_frame(state, taken, frame)) != STOPPED:
            began_ns = now_ns()
            try:
                clean = model.process(frame)
            except ModelError as error:
                self.error = str(error)
                return until
            put_sound(state, until - model.delay_samples, clean)
            took_ms = note_work(state, until, began_ns) / 1e6
            taken, frames = until, frames + 1
            late = late + 1 if took_ms > self._options.model_timeout_ms else 0
            self.error = ""
            if late == TIMEOUTS:
                self.error = f"{model.name} took {took_ms:.0f} ms for a frame; use a smaller model"
                return until
            if frames % LOOK_AT_MEMORY == 0 and memory_pressure() == "critical":
                self.error = f"{model.name} rests because the memory is nearly full"
                return until
        return STOPPED


def _prefer_this_thread() -> None:
    """Ask for a real-time priority, as sound servers have; without the right to it, all goes on as it was."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
