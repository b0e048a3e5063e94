from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gapless.tune.facts import Facts
from gapless.tune.files import listed
from gapless.tune.probe import is_rotational, physical_cpus, read_facts, usable_cpus

MIB = 1024**2


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


SERVER = {
    "proc/self/status": "Name:\tpython\nVmRSS:\t   40960 kB\nCpus_allowed_list:\t0-5\n",
    "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "proc/self/cgroup": "0::/kubepods.slice/box\n",
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU @ 2.5GHz\nflags\t\t: fpu sse4_2 avx2 fma avx\n\n"
    "processor\t: 1\nmodel name\t: Another\n",
    "proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nSwapTotal: 1024 kB\n",
    "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA A10\nIRQ: 4\n",
    "sys/devices/system/cpu/online": "0-7\n",
    "sys/devices/system/node/online": "0-1\n",
    "sys/fs/cgroup/kubepods.slice/box/cpu.max": "450000 100000\n",
    "sys/fs/cgroup/kubepods.slice/box/memory.max": "1073741824\n",
    "sys/fs/cgroup/kubepods.slice/box/memory.current": "268435456\n",
    **{
        f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 4},{n % 4 + 4}\n"
        for n in range(8)
    },
}


def test_a_server_is_read(tmp_path: Path) -> None:
    root = write(tmp_path, SERVER)

    facts = read_facts(root=root, env={})

    assert facts == Facts(
        system=facts.system,
        arch=facts.arch,
        cpu_model="Some CPU @ 2.5GHz",
        cpus_online=8,
        cpus_affinity=6,
        cpu_quota=4.5,
        physical_cores=4,
        simd=("sse4.2", "avx", "fma", "avx2"),
        memory_total_bytes=8192 * MIB,
        memory_available_bytes=4096 * MIB,
        memory_limit_bytes=1024 * MIB,
        memory_limit_available_bytes=768 * MIB,
        own_memory_bytes=40 * MIB,
        swap_total_bytes=MIB,
        numa_nodes=2,
        gpus=("NVIDIA A10",),
        container="kubernetes",
    )
    assert (facts.cpus, facts.cores) == (4, 4)
    assert (facts.memory_bytes, facts.available_bytes) == (1024 * MIB, 768 * MIB)
    assert facts.free_share == 0.5
    assert (usable_cpus(root), physical_cpus(root)) == (4, 4)


def test_a_limit_larger_than_the_machine_is_none(tmp_path: Path) -> None:
    big = {"sys/fs/cgroup/kubepods.slice/box/memory.max": f"{2**40}\n"}
    facts = read_facts(root=write(tmp_path, SERVER | big), env={})

    assert facts.memory_limit_bytes is None
    assert facts.available_bytes == 4096 * MIB


def test_a_board_names_itself_and_its_instructions(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd crc32 asimddp\n",
            "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        },
    )
    facts = read_facts(root=root, env={})

    assert facts.cpu_model == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts.simd == ("neon", "dotprod")


def test_a_system_that_tells_nothing_is_unknown_and_has_a_cpu(tmp_path: Path) -> None:
    facts = read_facts(root=tmp_path, env={})

    for name in (
        "cpu_model",
        "cpu_quota",
        "physical_cores",
        "simd",
        "memory_total_bytes",
        "memory_available_bytes",
        "memory_limit_bytes",
        "own_memory_bytes",
        "swap_total_bytes",
        "numa_nodes",
        "gpus",
        "disk_free_bytes",
        "disk_rotational",
        "container",
    ):
        assert getattr(facts, name) is None, name
    assert (facts.memory_bytes, facts.available_bytes, facts.free_share) == (None, None, None)
    assert facts.pressure == "calm"
    assert facts.cpus >= facts.cores >= 1


@pytest.mark.parametrize(
    ("files", "env", "container"),
    [
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {}, "podman"),
        ({"proc/self/cgroup": "0::/lxc/box\n"}, {}, "lxc"),
        ({"proc/self/cgroup": "4:memory:/docker/1f\n"}, {}, "docker"),
        ({".dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"proc/self/cgroup": "0::/user.slice\n"}, {}, None),
    ],
    ids=str,
)
def test_signs_of_a_container(
    tmp_path: Path, files: dict[str, str], env: dict[str, str], container: str | None
) -> None:
    assert read_facts(root=write(tmp_path, files), env=env).container == container


@pytest.mark.parametrize(
    ("files", "gpus"),
    [
        ({"proc/meminfo": ""}, ()),
        ({"proc/meminfo": "", "dev/nvidia0": "", "dev/nvidia1": ""}, ("NVIDIA", "NVIDIA")),
        ({"proc/meminfo": "", "dev/nvidiactl": ""}, ()),
        ({"proc/meminfo": "", "dev/kfd": ""}, ("AMD",)),
    ],
    ids=str,
)
def test_gpus_are_those_with_a_driver(
    tmp_path: Path, files: dict[str, str], gpus: tuple[str, ...]
) -> None:
    assert read_facts(root=write(tmp_path, files), env={}).gpus == gpus


def test_a_disk_tells_whether_it_turns(tmp_path: Path) -> None:
    disk = write(
        tmp_path, {"block/sda/queue/rotational": "1\n", "block/sda/sda1/start": "2048\n"}
    ).joinpath("block/sda")
    link = tmp_path / "8:1"
    link.symlink_to(disk / "sda1")

    assert is_rotational(disk) is True
    assert is_rotational(link) is True
    assert is_rotational(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-3,8\n", (0, 1, 2, 3, 8)), ("5", (5,)), ("", ()), ("none", ()), ("1-", (1,))],
)
def test_lists_of_the_kernel(text: str, numbers: tuple[int, ...]) -> None:
    assert listed(text) == numbers


def test_there_is_a_core_and_never_more_cores_than_cpus() -> None:
    assert 1 <= physical_cpus() <= usable_cpus()


@pytest.mark.skipif(sys.platform != "linux", reason="the files are Linux's")
def test_this_machine_is_read(tmp_path: Path) -> None:
    facts = read_facts(tmp_path / "not" / "yet")

    assert facts.cpus_affinity == len(os.sched_getaffinity(0))
    assert facts.cpus <= facts.cpus_affinity
    assert (facts.memory_total_bytes or 0) > (facts.available_bytes or 0) > 0
    assert (facts.own_memory_bytes or 0) > 0
    assert (facts.disk_free_bytes or 0) > 0
    assert facts.simd is not None


@pytest.mark.skipif(sys.platform != "linux", reason="the affinity is Linux's")
def test_one_cpu_of_the_affinity_is_one_that_counts() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from gapless.tune.probe import *\n"
        "print(usable_cpus(), physical_cpus(), read_facts().cpus)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout.split() == ["1", "1", "1"]
