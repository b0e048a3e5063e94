"""The page of metrics says what is declared, and the queries of the how-to ask for metrics that there are."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from gapless.serve.metrics.declared import METRICS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

ENDINGS = ("_bucket", "_sum", "_count")


def test_the_page_is_what_is_declared() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "metrics_reference.py"))["metrics_page"]()

    assert (DOCS / "reference" / "metrics.md").read_text("utf-8") == page
    assert all(f"| `{metric.name}` |" in page for metric in METRICS)


def test_the_how_to_asks_for_metrics_that_there_are() -> None:
    text = (DOCS / "howto" / "watch-a-server.md").read_text("utf-8")
    known = {metric.name for metric in METRICS}
    known |= {
        f"{metric.name}{ending}"
        for metric in METRICS
        if metric.kind in ("histogram", "summary")
        for ending in ENDINGS
    }

    assert set(re.findall(r"gapless_\w+", text)) <= known
