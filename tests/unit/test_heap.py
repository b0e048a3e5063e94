from __future__ import annotations

import pytest

from gapless.infer.onnx.heap import private_bytes, trim_heap

MIB = 1024 * 1024


def test_what_a_process_takes_and_gives_back_shows() -> None:
    before = private_bytes()
    if before is None:
        pytest.skip("the system does not tell")
    taken = bytearray(b"x" * (64 * MIB))
    with_it = private_bytes()
    del taken
    trim_heap()
    after = private_bytes()
    assert with_it is not None
    assert after is not None
    assert with_it - before > 60 * MIB
    assert after - before < 4 * MIB
