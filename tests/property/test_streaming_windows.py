"""Every frame is new in one window, whatever the split; and windows hold what they say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis.strategies import DrawFn, booleans, composite, integers, lists

from gapless.listen.recogniser.streaming.manifest import EncoderSpec
from gapless.listen.recogniser.streaming.windows import Window, Windows

PAD = -7.0


@composite
def specs(draw: DrawFn) -> EncoderSpec:
    subsampling = draw(integers(1, 4))
    left = subsampling * draw(integers(0, 4))
    return EncoderSpec(
        input="x",
        output="y",
        frame_ms=10.0 * subsampling,
        subsampling=subsampling,
        chunk_frames=subsampling * draw(integers(1, 4)),
        left_frames=left,
        right_frames=draw(integers(0, 9)),
        drop_frames=draw(integers(0, left // subsampling)),
        fill_front=draw(booleans()),
        tail_frames=draw(integers(0, 9)),
        pad=PAD,
    )


def frames_of(n_frames: int) -> npt.NDArray[np.float32]:
    """Frames that bear their numbers."""
    return np.arange(n_frames, dtype=np.float32)[:, None].repeat(2, axis=1)


def cut(spec: EncoderSpec, lengths: list[int]) -> list[Window]:
    """All windows of an utterance that comes in pieces of these lengths."""
    windows = Windows(spec, 2)
    found: list[Window] = []
    at = 0
    for length in lengths:
        found += windows.accept(frames_of(sum(lengths))[at : at + length])
        at += length
    return found + windows.finish()


@pytest.mark.long
@given(specs(), lists(integers(0, 13), max_size=8))
def test_any_split_gives_the_windows_of_the_whole(spec: EncoderSpec, lengths: list[int]) -> None:
    split, whole = cut(spec, lengths), cut(spec, [sum(lengths)])

    assert len(split) == len(whole)
    for one, other in zip(split, whole, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        assert one[1:] == other[1:]


@pytest.mark.long
@given(specs(), integers(0, 60))
def test_every_frame_is_new_in_exactly_one_window(spec: EncoderSpec, n_frames: int) -> None:
    windows = cut(spec, [n_frames])

    total = n_frames + spec.tail_frames if n_frames else 0
    ends = [window.end for window in windows]
    assert ends == [*range(spec.chunk_frames, total, spec.chunk_frames), total][: len(ends)]
    assert len(windows) == -(-total // spec.chunk_frames)


@pytest.mark.long
@given(specs(), integers(1, 60))
def test_windows_have_one_length_and_hold_the_frames_around_the_new_ones(
    spec: EncoderSpec, n_frames: int
) -> None:
    length = spec.left_frames + spec.chunk_frames + spec.right_frames
    for number, window in enumerate(cut(spec, [n_frames])):
        begin = number * spec.chunk_frames - spec.left_frames
        end = number * spec.chunk_frames + spec.chunk_frames + spec.right_frames
        wanted = [float(frame) if 0 <= frame < n_frames else PAD for frame in range(begin, end)]
        if not spec.fill_front and begin < 0:
            wanted = wanted[-begin:] + [PAD] * -begin

        assert window.frames[:, 0].tolist() == wanted
        assert len(window.frames) == length
        first = begin if spec.fill_front else max(begin, 0)
        assert window.n_frames == min(end, n_frames + spec.tail_frames) - first


@pytest.mark.long
@given(specs(), integers(1, 60))
def test_as_many_frames_of_output_are_kept_as_new_frames_came_in(
    spec: EncoderSpec, n_frames: int
) -> None:
    windows = cut(spec, [n_frames])

    total = n_frames + spec.tail_frames
    assert sum(window.keep for window in windows) == -(-total // spec.subsampling)
    outputs = (spec.left_frames + spec.chunk_frames + spec.right_frames) // spec.subsampling
    assert all(window.skip + window.keep <= outputs for window in windows)


@pytest.mark.long
@given(specs(), lists(integers(0, 30), max_size=8))
def test_the_frames_that_are_held_are_bounded(spec: EncoderSpec, lengths: list[int]) -> None:
    windows = Windows(spec, 2)
    for length in lengths:
        windows.accept(frames_of(length))

        assert windows.held < 2 * spec.left_frames + spec.chunk_frames + spec.right_frames + 1
