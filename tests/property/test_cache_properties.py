from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from gapless.cache.entry import GONE, IN_MAIN, IN_SMALL, PINNED, Entry, Mark, weigh
from gapless.cache.frame import HEADER_BYTES, Framed, pack, unpack
from gapless.cache.key import digest, tensor_parts
from gapless.cache.s3fifo import MOST_HITS, S3Fifo

Parts = st.lists(st.binary(max_size=20), max_size=5)


@pytest.mark.long
@given(Parts, Parts)
def test_different_parts_have_different_keys(first: list[bytes], second: list[bytes]) -> None:
    assert (digest(*first) == digest(*second)) == (first == second)


@pytest.mark.long
@given(st.binary(min_size=1, max_size=40), st.data())
def test_where_parts_are_divided_counts(whole: bytes, data: st.DataObject) -> None:
    cuts = st.integers(0, len(whole))
    one, other = data.draw(cuts), data.draw(cuts)
    equal = digest(whole[:one], whole[one:]) == digest(whole[:other], whole[other:])
    assert equal == (one == other)


Tensors = st.dictionaries(
    st.text(max_size=5),
    scalar_dtypes().flatmap(
        lambda kind: arrays(kind, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    ),
    max_size=3,
)


@pytest.mark.long
@settings(max_examples=30)
@given(Tensors, Tensors)
def test_different_tensors_have_different_keys(
    first: dict[str, np.ndarray], second: dict[str, np.ndarray]
) -> None:
    def state(tensors: dict[str, np.ndarray]) -> object:
        return {
            name: (array.dtype.str, array.shape, array.tobytes()) for name, array in tensors.items()
        }

    equal = digest(*tensor_parts(first)) == digest(*tensor_parts(second))
    assert equal == (state(first) == state(second))


@pytest.mark.long
@settings(max_examples=30)
@given(Tensors)
def test_order_and_layout_of_tensors_do_not_count(tensors: dict[str, np.ndarray]) -> None:
    other = {name: tensors[name].copy(order="F") for name in reversed(list(tensors))}
    assert digest(*tensor_parts(tensors)) == digest(*tensor_parts(other))


Texts = st.lists(st.one_of(st.binary(max_size=4), st.text(max_size=4)), max_size=4)


@pytest.mark.long
@given(Texts, Texts)
def test_different_texts_have_different_keys(
    first: list[bytes | str], second: list[bytes | str]
) -> None:
    def key(values: list[bytes | str]) -> bytes:
        array = np.empty(len(values), object)
        array[:] = values
        return digest(*tensor_parts({"text": array}))

    assert (key(first) == key(second)) == (first == second)


Stamps = st.binary(min_size=16, max_size=16)


@pytest.mark.long
@given(st.binary(max_size=100), st.integers(0, 2**40), st.integers(1, 2**40), Stamps, st.booleans())
def test_a_frame_comes_back(
    value: bytes, fresh_ms: int, more_ms: int, stamp: bytes, negative: bool
) -> None:
    framed = Framed(value, fresh_ms, fresh_ms + more_ms, negative)
    frame = pack(framed, stamp)
    assert unpack(frame, stamp, 0) == framed
    assert unpack(frame, stamp, fresh_ms + more_ms) is None
    assert unpack(frame, bytes(byte ^ 1 for byte in stamp), 0) is None


@pytest.mark.long
@given(st.binary(min_size=1, max_size=30), st.data())
def test_a_damaged_value_is_none(value: bytes, data: st.DataObject) -> None:
    frame = bytearray(pack(Framed(value, 1, 2, negative=False), bytes(16)))
    place = data.draw(st.integers(HEADER_BYTES, len(frame) - 1))
    frame[place] ^= data.draw(st.integers(1, 255))
    assert unpack(bytes(frame), bytes(16), 0) is None
    assert unpack(bytes(frame[:place]), bytes(16), 0) is None


@given(st.binary(max_size=60))
def test_anything_may_be_unpacked(frame: bytes) -> None:
    unpack(frame, bytes(16), 0)


Step = st.one_of(
    st.tuples(
        st.just("put"), st.integers(0, 15), st.integers(0, 600), st.booleans(), st.integers(1, 30)
    ),
    st.tuples(st.just("hit"), st.integers(0, 15)),
    st.tuples(st.just("drop"), st.integers(0, 15)),
    st.tuples(st.just("shrink"), st.integers(0, 6000)),
    st.tuples(st.just("clear")),
)


@pytest.mark.long
@given(st.lists(Step, max_size=120))
def test_whatever_is_done_what_is_kept_fits_and_is_right(steps: list[tuple[object, ...]]) -> None:
    core, mark, values = S3Fifo(6000), Mark("v"), dict[bytes, bytes]()
    for now, (what, *rest) in enumerate(steps):
        match what, rest:
            case "put", [int(number), int(size), bool(pinned), int(ttl)]:
                key, value = digest(b"%d" % number), bytes([now % 256]) * size
                until = float(now + ttl)
                entry = Entry(key, value, mark, weigh(key, value), until, until, negative=False)
                kept = core.put(entry, float(now), pinned=pinned)
                assert kept == (key in core.entries)
                values[key] = value
            case "hit", [int(number)]:
                found = core.entries.get(digest(b"%d" % number))
                if found is not None:
                    found.hits = min(found.hits + 1, MOST_HITS)
            case "drop", [int(number)]:
                found = core.entries.get(digest(b"%d" % number))
                if found is not None:
                    core.drop(found)
                    assert found.value == b""
            case "shrink", [int(budget)]:
                core.budget_bytes = budget
                while core.shrink(float(now), 3):
                    pass
                core.budget_bytes = 6000
            case "clear", []:
                core.clear()
        assert core.bytes == sum(entry.weight for entry in core.entries.values())
        assert core.bytes <= core.budget_bytes
        queued = [
            entry.key
            for place in (IN_SMALL, IN_MAIN)
            for entry in core._queues[place]
            if entry.place != GONE
        ]
        loose = [entry.key for entry in core.entries.values() if entry.place == PINNED]
        assert sorted(queued + loose) == sorted(core.entries)
        for key, entry in core.entries.items():
            assert entry.value == values[key]
            assert entry.weight == weigh(key, entry.value)
