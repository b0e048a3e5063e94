"""How much audio a stream has sent, and how much of it still waits.

In: frames as they come, reports of what was heard. Out: jobs of bounded size, the lag, and progress messages.
Invariants: every byte of audio is in exactly one job, but for what was sent twice; the bound on what waits holds for
audio whose length is known only when it is decoded, by an estimate that is replaced as soon as it is.
Thread: the event loop's; no I/O.
"""

from __future__ import annotations

from typing import Final

from gapless.audio.format import AudioFormat
from gapless.serve.stream.messages import ProgressMessage
from gapless.serve.stream.work import Heard, HearJob

JOB_MS: Final = 100
"""Audio in one job: long enough to be cheap, short enough that streams take turns."""

PACKET_MS: Final = 20
"""The usual length of an Opus packet."""

FILE_BYTES_PER_SECOND: Final = 192_000
"""The most that files of the usual kinds take (48 kHz, two channels of 16 bits)."""

SILENCE: Final = {"mulaw": b"\xff", "alaw": b"\xd5"}
"""Bytes that mean silence, where it is not zero (ITU-T G.711)."""

BEHIND_MS: Final = 1000
CAUGHT_UP_MS: Final = 500
"""Lags at which progress is told at once. Two, so that one around the first does not flap."""

PROGRESS_INTERVAL_MS: Final = 1000


class Meter:
    """Counts the audio of one stream.

    What waits is counted in *cost*: bytes, or milliseconds for Opus packets, which cannot be cut.
    """

    def __init__(self, audio: AudioFormat) -> None:
        self._audio = audio
        self._is_packets = audio.encoding == "opus"
        if self._is_packets:
            self._cost_per_second = 1000
        else:
            self._cost_per_second = audio.bytes_per_second or FILE_BYTES_PER_SECOND
        self.job_cost: Final = self._cost_per_second * JOB_MS // 1000
        """Most that one job holds, unless one packet holds more."""
        self.received = 0
        """Bytes received, and those put in the place of what was lost."""
        self._skip_bytes = 0
        """Sent again, and already here."""
        self._waiting_cost = 0
        """In jobs that are not done."""
        self._heard_ms = 0
        self._processed_ms = 0
        self._behind = False
        self._told_at_ms: int | None = None
        self._told_received_ms = 0

    @property
    def position(self) -> int | None:
        """Samples of one channel received so far; None where bytes do not say."""
        frame_bytes = self._audio.frame_bytes
        return None if frame_bytes is None else self.received // frame_bytes

    @property
    def rest_bytes(self) -> int:
        """Bytes received of a sample that is not complete."""
        frame_bytes = self._audio.frame_bytes
        return 0 if frame_bytes is None else self.received % frame_bytes

    @property
    def received_ms(self) -> int:
        """Audio received so far, as far as its length is known."""
        exact = self._audio.frame_bytes is not None
        return self._heard_ms + (self._waiting_ms if exact else 0)

    @property
    def lag_ms(self) -> int:
        """Audio that waits to be processed."""
        return self._heard_ms - self._processed_ms + self._waiting_ms

    @property
    def _waiting_ms(self) -> int:
        return self._waiting_cost * 1000 // self._cost_per_second

    def receive(self, frame: bytes) -> list[HearJob]:
        """Count a frame, and cut it into jobs."""
        skipped = min(self._skip_bytes, len(frame))
        self._skip_bytes -= skipped
        frame = frame[skipped:]
        if not frame:
            return []
        self.received += len(frame)
        if self._is_packets:
            jobs = [HearJob((frame,), PACKET_MS)]
        else:
            size = self.job_cost
            pieces = (frame[start : start + size] for start in range(0, len(frame), size))
            jobs = [HearJob((piece,), len(piece)) for piece in pieces]
        self._waiting_cost += sum(job.cost for job in jobs)
        return jobs

    def missing_ms(self, next_sample: int) -> int:
        """Audio that is lost if the client goes on at ``next_sample``; negative if it sends some again."""
        missing = next_sample - (self.position or 0)
        return missing * 1000 // self._audio.rate_hz

    def seek(self, next_sample: int) -> list[HearJob]:
        """The client goes on at ``next_sample``: pass over what is here, put silence in place of what is lost."""
        offset = next_sample * (self._audio.frame_bytes or 1) - self.received
        self._skip_bytes = max(-offset, 0)
        if offset <= 0:
            return []
        return self.receive(SILENCE.get(self._audio.encoding, b"\0") * offset)

    def processed(self, heard: Heard, cost: int) -> None:
        """A job of ``cost`` is done."""
        self._waiting_cost -= cost
        self._heard_ms = heard.received_ms
        self._processed_ms = heard.processed_ms

    def progress(self, now_ms: int) -> ProgressMessage | None:
        """What to say of it now, if anything."""
        if self._told_at_ms is None:
            self._told_at_ms = now_ms
        lag_ms, received_ms = self.lag_ms, self.received_ms
        crossed = lag_ms < CAUGHT_UP_MS if self._behind else lag_ms >= BEHIND_MS
        due = now_ms - self._told_at_ms >= PROGRESS_INTERVAL_MS
        if not crossed and not (due and received_ms != self._told_received_ms):
            return None
        self._behind ^= crossed
        self._told_at_ms = now_ms
        self._told_received_ms = received_ms
        return ProgressMessage(
            received_ms=received_ms, processed_ms=max(received_ms - lag_ms, 0), lag_ms=lag_ms
        )
