from __future__ import annotations

from pathlib import Path

import pytest

from gapless.listen.recogniser.shelf.hub.catalogue import catalogue
from gapless.settings import GUARDS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", list(catalogue()))
def test_the_page_of_the_catalogue_says_what_the_catalogue_says(name: str) -> None:
    model = catalogue()[name]
    page = (DOCS / "reference" / "model-catalogue.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    size = model.size_bytes

    assert cells[1] == model.family
    assert cells[3] == ("?" if size is None else f"{size / 1e6:,.0f} MB".replace(",", " "))
    assert cells[4:] == [
        "yes" if model.live else "no",
        str(model.quality),
        str(model.cpus),
        model.licence,
        model.repository,
    ]


def test_every_guard_is_explained() -> None:
    page = (DOCS / "howto" / "choose-a-model.md").read_text("utf-8")

    assert all(f"| `{guard}` |" in page for guard in GUARDS)
