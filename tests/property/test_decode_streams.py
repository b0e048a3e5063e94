"""Laws of all decoders: neither the company of other streams nor the split of the frames matters, and what is settled
stays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.listen.recogniser.decode.beam import BeamTransducer
from gapless.listen.recogniser.decode.contract import Decoder, DecodeState, Frames, Path
from gapless.listen.recogniser.decode.ctc import GreedyCtc
from gapless.listen.recogniser.decode.ctc_beam import BeamCtc
from gapless.listen.recogniser.decode.greedy import GreedyTransducer
from gapless.listen.recogniser.decode.hybrid_beam import BeamHybrid
from gapless.listen.recogniser.decode.hybrid_prefixes import HybridOptions
from gapless.listen.recogniser.decode.scores import log_softmax
from gapless.listen.recogniser.decode.search import BeamOptions
from gapless.testing.transducer import TableHead, TableJoint

pytestmark = pytest.mark.long

N_TOKENS = 5
N_KINDS = 16
OPTIONS = BeamOptions(beam=3, horizon_frames=6)
RNNT = TableJoint(N_TOKENS, n_kinds=N_KINDS, seed=1)
TDT = TableJoint(N_TOKENS, blank=4, durations=(0, 1, 2, 4), fused=True, n_kinds=N_KINDS, seed=2)

LOGPROBS = log_softmax(
    (np.random.default_rng(3).standard_normal((N_KINDS, N_TOKENS)) * 1.5).astype(np.float32)
)

DECODERS: dict[str, Decoder] = {
    "greedy rnnt": GreedyTransducer(RNNT, max_symbols=3),
    "greedy tdt": GreedyTransducer(TDT, max_symbols=3),
    "beam rnnt": BeamTransducer(RNNT, OPTIONS, max_symbols=3),
    "beam tdt": BeamTransducer(TDT, OPTIONS, max_symbols=3),
    "beam hybrid": BeamHybrid(
        RNNT, TableHead(N_TOKENS, n_kinds=N_KINDS, seed=3), HybridOptions(OPTIONS)
    ),
    "greedy ctc": GreedyCtc(0),
    "beam ctc": BeamCtc(0, OPTIONS),
}
any_decoder = pytest.mark.parametrize("name", DECODERS)

PHRASES = st.lists(
    st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple), min_size=1, max_size=3
)


class Stream(NamedTuple):
    kinds: list[int]
    phrases: list[tuple[int, ...]]


def streams(name: str, max_frames: int = 12) -> st.SearchStrategy[Stream]:
    nothing: st.SearchStrategy[list[tuple[int, ...]]] = st.just([])
    phrases = st.one_of(nothing, PHRASES) if name.startswith("beam") else nothing
    kinds = st.lists(st.integers(0, N_KINDS - 1), max_size=max_frames)
    return st.builds(Stream, kinds, phrases)


def frames_for(name: str, kinds: list[int]) -> Frames:
    return LOGPROBS[kinds] if name.endswith("ctc") else RNNT.frames(kinds)


def alone(name: str, stream: Stream) -> DecodeState:
    decoder = DECODERS[name]
    state = decoder.start(stream.phrases)
    decoder.step([(state, frames_for(name, stream.kinds))])
    return state


def plainly(path: Path) -> list[tuple[int, int, int]]:
    return [(e.token, e.frame, e.end_frame) for e in path.emissions]


def assert_same(a: DecodeState, b: DecodeState) -> None:
    assert (a.n_frames, a.n_stable) == (b.n_frames, b.n_stable)
    ours, theirs = a.paths(3), b.paths(3)
    assert [plainly(path) for path in ours] == [plainly(path) for path in theirs]
    for left, right in zip(ours, theirs, strict=True):
        assert left.score == pytest.approx(right.score, abs=1e-4)
        assert [e.logprob for e in left.emissions] == pytest.approx(
            [e.logprob for e in right.emissions], abs=1e-5
        )


@any_decoder
@settings(max_examples=15)
@given(data=st.data())
def test_a_stream_in_company_is_decoded_as_if_alone(name: str, data: st.DataObject) -> None:
    crowd = data.draw(st.lists(streams(name), min_size=1, max_size=5))
    decoder = DECODERS[name]
    states = [decoder.start(stream.phrases) for stream in crowd]

    decoder.step(
        [(s, frames_for(name, stream.kinds)) for s, stream in zip(states, crowd, strict=True)]
    )
    for state, stream in zip(states, crowd, strict=True):
        assert_same(state, alone(name, stream))

    decoder.finish(states)
    for state, stream in zip(states, crowd, strict=True):
        expected = alone(name, stream)
        decoder.finish([expected])
        assert_same(state, expected)


@any_decoder
@settings(max_examples=15)
@given(data=st.data())
def test_neither_the_split_nor_the_interleaving_of_streams_matters(
    name: str, data: st.DataObject
) -> None:
    crowd = data.draw(st.lists(streams(name), min_size=1, max_size=3))
    decoder = DECODERS[name]
    states = [decoder.start(stream.phrases) for stream in crowd]
    left = [stream.kinds for stream in crowd]
    while any(left):
        counts = data.draw(st.lists(st.integers(0, 5), min_size=len(left), max_size=len(left)))
        if not any(counts):
            counts = [1] * len(left)
        decoder.step(
            [
                (state, frames_for(name, kinds[:count]))
                for state, kinds, count in zip(states, left, counts, strict=True)
                if count
            ]
        )
        left = [kinds[count:] for kinds, count in zip(left, counts, strict=True)]

    for state, stream in zip(states, crowd, strict=True):
        assert_same(state, alone(name, stream))


@any_decoder
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_settled_stays(name: str, data: st.DataObject) -> None:
    stream = data.draw(streams(name, max_frames=30))
    decoder = DECODERS[name]
    state = decoder.start(stream.phrases)
    settled: list[int] = []

    def look() -> list[int]:
        paths = state.paths(64)
        assert state.n_stable >= len(settled)
        for path in paths:
            tokens = [emission.token for emission in path.emissions]
            assert tokens[: len(settled)] == settled
        return [emission.token for emission in paths[0].emissions[: state.n_stable]]

    for kind in stream.kinds:
        decoder.step([(state, frames_for(name, [kind]))])
        settled = look()
        assert len(settled) == state.n_stable
    decoder.finish([state])
    look()


@any_decoder
@settings(max_examples=15)
@given(data=st.data())
def test_emissions_are_in_order_and_differences_do_not_outlive_the_horizon(
    name: str, data: st.DataObject
) -> None:
    stream = data.draw(streams(name, max_frames=30))
    state = alone(name, stream)
    path = state.paths()[0]

    frames = [emission.frame for emission in path.emissions]
    assert frames == sorted(frames)
    assert all(e.frame <= e.end_frame and e.logprob <= 1e-6 for e in path.emissions)
    assert all(0 <= frame < len(stream.kinds) for frame in frames)
    old = [frame for frame in frames if frame < len(stream.kinds) - 1 - OPTIONS.horizon_frames]
    assert state.n_stable >= len(old)
