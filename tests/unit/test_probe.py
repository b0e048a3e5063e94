from __future__ import annotations

from gapless.tune.probe import physical_cpus, usable_cpus


def test_there_is_a_core_and_never_more_cores_than_cpus() -> None:
    assert 1 <= physical_cpus() <= usable_cpus()
