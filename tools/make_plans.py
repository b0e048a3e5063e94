"""Write the plan of every machine in tests/data/machines beside its facts.

    .venv/bin/python tools/make_plans.py          writes them
    .venv/bin/python tools/make_plans.py --check  exit code 1 if one is stale

In: facts as JSON. Out: a table each. Invariants: the same code gives the same tables on every machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import msgspec

from gapless.settings import load_settings
from gapless.tune.facts import Facts
from gapless.tune.fit import fit
from gapless.tune.table import machine_line, plan_table

MACHINES: Final = Path(__file__).parents[1] / "tests" / "data" / "machines"


class Machine(msgspec.Struct, frozen=True):
    """A file of facts."""

    title: str
    facts: Facts


def plan_page(machine: Machine) -> str:
    """The plan as it stands in the file."""
    resolved = fit(load_settings(env={}), machine.facts)
    lines = [machine.title, machine_line(machine.facts), "", *plan_table(resolved)]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every plan, by its file."""
    return {
        file.with_suffix(".txt"): plan_page(msgspec.json.decode(file.read_bytes(), type=Machine))
        for file in sorted(MACHINES.glob("*.json"))
    }


def main() -> None:
    """Write or check the plans."""
    only_check = "--check" in sys.argv[1:]
    stale = [
        file
        for file, text in pages().items()
        if not file.is_file() or file.read_text("utf-8") != text
    ]
    for file in stale:
        print(f"stale: {file.name}")
        if not only_check:
            file.write_text(pages()[file], "utf-8")
    if only_check and stale:
        sys.exit(1)


if __name__ == "__main__":
    main()
