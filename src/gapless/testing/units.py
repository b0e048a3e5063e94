"""A unit of the synthesiser by itself: arrays in, arrays out.

In: values of its inputs. Out: what it gives. Invariants: as in a graph, a quantum at a time. Thread: any.
"""

from __future__ import annotations

import ctypes
from typing import final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.play.sound.unit import QUANTUM, Unit


@final
class Bench:
    """One unit that goes on from call to call.

    Args:
        unit: which.
        rate_hz: of its samples.
    """

    def __init__(self, unit: Unit, rate_hz: float = 44_100.0) -> None:
        self.unit = unit
        self.record = unit.make(rate_hz)
        self._inputs = np.zeros((max(len(unit.inputs), 1), QUANTUM), np.float32)
        self._outputs = np.zeros((unit.outputs, QUANTUM), np.float32)
        self.clock = np.zeros(1, np.int64)
        for number in range(len(unit.inputs)):
            self.record["inputs"][0, number] = self._inputs[number].ctypes.data
        for number in range(unit.outputs):
            self.record["outputs"][0, number] = self._outputs[number].ctypes.data
        self.record["clock"] = self.clock.ctypes.data
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(unit.address)

    def run(self, n_samples: int, **inputs: float | npt.ArrayLike) -> Samples:
        """Let it sound.

        Args:
            n_samples: rounded up to whole quanta.
            **inputs: a number, or an array of as many samples; ``in_`` is the input ``in``. What is not said is
                its default.

        Returns:
            float32 [n], or [2, n] if it has two outputs.
        """
        n_quanta = -(-n_samples // QUANTUM)
        given = {name.rstrip("_"): value for name, value in inputs.items()}
        curves = []
        for one in self.unit.inputs:
            value = given.pop(one.name, one.default)
            curve = np.zeros(n_quanta * QUANTUM, np.float32)
            filled = np.asarray(0.0 if value is None else value, np.float32)
            if filled.ndim:
                curve[: len(filled)] = filled[: len(curve)]
            else:
                curve[:] = filled
            curves.append(curve)
        if given:
            raise ValueError(f"{self.unit.name} has no input {', '.join(given)}")
        out = np.empty((self.unit.outputs, n_quanta * QUANTUM), np.float32)
        for start in range(0, n_quanta * QUANTUM, QUANTUM):
            for number, curve in enumerate(curves):
                self._inputs[number] = curve[start : start + QUANTUM]
            self._call(self.record.ctypes.data)
            out[:, start : start + QUANTUM] = self._outputs
            self.clock += QUANTUM
        return out[0] if self.unit.outputs == 1 else out
