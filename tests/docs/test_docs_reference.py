from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_reference_is_what_the_code_says() -> None:
    # In a process of its own: click remembers in each command how it was first called.
    result = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert result.returncode == 0, f"{result.stdout}{result.stderr}run tools/make_reference.py"


def test_every_page_that_is_made_exists_and_says_so() -> None:
    made = (
        "cli.md",
        "settings.md",
        "errors.md",
        "metrics.md",
        "play-units.md",
        "play-transforms.md",
        "play-voices.md",
    )
    for name in made:
        text = (ROOT / "docs" / "reference" / name).read_text("utf-8")
        assert text.startswith("<!-- Made by tools/make_reference.py")
