from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from gapless.errors import ConfigError
from gapless.settings import Settings
from gapless.tune.simd import choose_instructions

COMPILE = """
import os, sys
from gapless.cli.options import load
load()
assert "numba" not in sys.modules
import numpy as np
from gapless.dsp.kernel import kernel

@kernel
def add(x, y):
    for i in range(len(x)):
        x[i] += y[i]

add(np.ones(64, np.float32), np.ones(64, np.float32))
compiled = add.overloads[add.signatures[0]].library
print(compiled.codegen.magic_tuple()[1])
print("zmm" in compiled.get_asm_str(), "ymm" in compiled.get_asm_str())
"""


def compile_with(simd: str, cache: Path) -> tuple[str, bool]:
    """The processor that a kernel is compiled for, and whether it has registers wider than SSE's."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_CPU", "GAPLESS"))
    }
    environment |= {
        "GAPLESS_SIMD": simd,
        "GAPLESS_CONFIG": "",
        "XDG_CACHE_HOME": str(cache),
        "NUMBA_DISABLE_JIT": "0",
    }
    file = cache / "program.py"
    file.write_text(COMPILE)
    ran = subprocess.run(
        [sys.executable, file],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    processor, wide = ran.stdout.splitlines()
    return processor, "True" in wide


@pytest.mark.long
def test_without_simd_kernels_are_compiled_for_any_processor(tmp_path: Path) -> None:
    for simd in ("true", "false"):
        (tmp_path / simd).mkdir()

    own, own_wide = compile_with("true", tmp_path / "true")
    generic, generic_wide = compile_with("false", tmp_path / "false")

    assert generic == "generic"
    assert not generic_wide
    assert own != "generic"
    if platform.machine() == "x86_64" and "avx2" in Path("/proc/cpuinfo").read_text():
        assert own_wide


def test_the_variables_are_left_alone_unless_asked() -> None:
    env: dict[str, str] = {}

    choose_instructions(Settings(), env)

    assert env == {}


def test_what_is_chosen_already_is_fine() -> None:
    env = {"NUMBA_CPU_NAME": "generic"}

    choose_instructions(Settings(simd=False), env)

    assert env == {"NUMBA_CPU_NAME": "generic"}


def test_it_is_an_error_when_kernels_are_loaded_already() -> None:
    pytest.importorskip("numba")

    with pytest.raises(ConfigError, match="comes too late"):
        choose_instructions(Settings(simd=False), {})
