"""How the buffer between a microphone's clock and a loudspeaker's behaves, as a stream was asked for.

In: what a stream was asked for. Out: options of the buffer, or that there can be none. Invariants: a stream without an
input has one clock, and no buffer. Thread: any.
"""

from __future__ import annotations

from gapless.audio.device.server import StreamOptions
from gapless.errors import DeviceError
from gapless.realtime.elastic import ElasticOptions
from gapless.realtime.fill import FillOptions


def elastic_options(options: StreamOptions) -> ElasticOptions:
    """The same in samples. More than half of what may wait is never kept on purpose."""
    per_ms = options.rate_hz / 1000
    most = min(round(options.max_fill_ms * per_ms), options.cap_samples // 2)
    return ElasticOptions(
        rate_hz=options.rate_hz,
        cap_samples=options.cap_samples,
        fade_samples=options.crossfade_samples,
        fill=FillOptions(
            min_reserve_samples=min(round(options.min_fill_ms * per_ms), most),
            max_reserve_samples=most,
        ),
    )


def require_fit(options: StreamOptions) -> None:
    """See that what a stream is asked for goes through such a buffer, or needs none.

    Raises:
        DeviceError: it takes a buffer of two channels, or one behind a loudspeaker.
    """
    if options.input != "" and options.output_channels != 1:
        raise DeviceError(
            "this sound server plays two channels only without an input; take no input, or PipeWire or JACK"
        )
    if options.input == "" and options.monitor:
        raise DeviceError(
            "on this sound server what has no input plays on one device; take no monitor, or PipeWire or JACK"
        )
