"""Lines of ``mountinfo`` and ``cgroup`` have the form that proc_pid_mountinfo(5) and cgroups(7) give."""

from __future__ import annotations

from pathlib import Path

import pytest

from gapless.tune.cgroup import (
    GroupMemory,
    Mount,
    cpu_quota,
    group_folders,
    group_memory,
    parse_mounts,
)

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def relative(root: Path, folders: tuple[Path, ...]) -> list[str]:
    return [str(folder.relative_to(root)) for folder in folders]


def test_hierarchies_are_found_among_the_mounts() -> None:
    assert parse_mounts(V1 + "nonsense\n") == [
        Mount(frozenset({"cpu", "cpuacct"}), "/", "/sys/fs/cgroup/cpu,cpuacct"),
        Mount(frozenset({"memory"}), "/", "/sys/fs/cgroup/memory"),
        Mount(frozenset({"name=systemd"}), "/", "/sys/fs/cgroup/systemd"),
        Mount(frozenset(), "/", "/sys/fs/cgroup/unified"),
    ]
    spaced = "3 2 0:1 /a\\040b /sys/fs/c\\040g rw - cgroup2 none rw\n"
    assert parse_mounts(spaced) == [Mount(frozenset(), "/a b", "/sys/fs/c g")]


def test_a_group_and_its_parents_are_walked_in_both_versions(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/mountinfo": V1,
            "proc/self/cgroup": "4:memory:/a/b\n3:cpu,cpuacct:/c\n9:name=systemd:/s\n0::/u\n",
        },
    )

    assert relative(root, group_folders(root, "memory")) == [
        "sys/fs/cgroup/memory/a/b",
        "sys/fs/cgroup/memory/a",
        "sys/fs/cgroup/memory",
        "sys/fs/cgroup/unified/u",
        "sys/fs/cgroup/unified",
    ]
    assert relative(root, group_folders(root, "cpu"))[:2] == [
        "sys/fs/cgroup/cpu,cpuacct/c",
        "sys/fs/cgroup/cpu,cpuacct",
    ]


@pytest.mark.parametrize(
    ("mount_root", "path", "folders"),
    [
        ("/", "/", ["sys/fs/cgroup"]),
        ("/", "/pod/box", ["sys/fs/cgroup/pod/box", "sys/fs/cgroup/pod", "sys/fs/cgroup"]),
        ("/docker/1f", "/docker/1f", ["sys/fs/cgroup"]),
        ("/docker/1f", "/docker/1f/own", ["sys/fs/cgroup/own", "sys/fs/cgroup"]),
        ("/docker/1f", "/", ["sys/fs/cgroup"]),
        ("/", "/../../elsewhere", []),
    ],
)
def test_what_a_container_sees_of_the_hierarchy(
    tmp_path: Path, mount_root: str, path: str, folders: list[str]
) -> None:
    mountinfo = V2.replace(" / /sys", f" {mount_root} /sys")
    root = write(tmp_path, {"proc/self/mountinfo": mountinfo, "proc/self/cgroup": f"0::{path}\n"})

    assert relative(root, group_folders(root, "cpu")) == folders


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"a/cpu.max": "150000 100000\n"}, 1.5),
        ({"a/cpu.max": "max 100000\n"}, None),
        ({"a/cpu.max": "max 100000\n", "cpu.max": "400000 100000\n"}, 4.0),
        ({"a/cpu.max": "800000 100000\n", "cpu.max": "50000 100000\n"}, 0.5),
        ({"a/cpu.cfs_quota_us": "-1\n", "a/cpu.cfs_period_us": "100000\n"}, None),
        ({"a/cpu.cfs_quota_us": "250000\n", "a/cpu.cfs_period_us": "100000\n"}, 2.5),
        ({"a/cpu.cfs_quota_us": "250000\n"}, None),
        ({"a/cpu.max": "nonsense\n"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_narrowest_quota_counts(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    root = write(tmp_path, {"proc/self/mountinfo": V2, "proc/self/cgroup": "0::/a\n"})
    write(root / "sys/fs/cgroup", files)

    assert cpu_quota(root) == quota


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({"memory.max": "max\n", "memory.current": "5\n"}, None),
        ({"memory.max": "1000\n", "memory.current": "600\n"}, GroupMemory(1000, 400)),
        (
            {
                "memory.max": "1000\n",
                "memory.current": "600\n",
                "memory.stat": "inactive_file 50\n",
            },
            GroupMemory(1000, 450),
        ),
        ({"memory.max": "1000\n", "memory.current": "2000\n"}, GroupMemory(1000, 0)),
        (
            {
                "memory.limit_in_bytes": "1000\n",
                "memory.usage_in_bytes": "900\n",
                "memory.stat": "inactive_file 7\ntotal_inactive_file 30\n",
            },
            GroupMemory(1000, 130),
        ),
        ({"memory.limit_in_bytes": "9223372036854771712\n", "memory.usage_in_bytes": "9\n"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_what_is_left_below_a_limit(
    tmp_path: Path, files: dict[str, str], memory: GroupMemory | None
) -> None:
    root = write(tmp_path, {"proc/self/mountinfo": V2, "proc/self/cgroup": "0::/a\n"})
    write(root / "sys/fs/cgroup/a", files)

    assert group_memory(root) == memory


def test_the_least_of_all_parents_is_left(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/mountinfo": V2,
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/memory.max": "500\n",
            "sys/fs/cgroup/a/b/memory.current": "100\n",
            "sys/fs/cgroup/a/memory.max": "1000\n",
            "sys/fs/cgroup/a/memory.current": "990\n",
        },
    )

    assert group_memory(root) == GroupMemory(500, 10)


def test_a_system_without_groups_limits_nothing(tmp_path: Path) -> None:
    assert group_folders(tmp_path, "cpu") == ()
    assert cpu_quota(tmp_path) is None
    assert group_memory(tmp_path) is None
