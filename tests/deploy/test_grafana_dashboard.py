"""The dashboard of ``deploy/grafana``: as Grafana's own types have it, about metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

from gapless.serve.metrics.declared import METRICS
from gapless.testing.json_schema import errors

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "gapless.json").read_text())
SCHEMA = json.loads((ROOT / "tests" / "data" / "grafana" / "dashboard.schema.json").read_text())
RULES = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
METRIC = re.compile(r"(?<![:\w])gapless_\w+")
ROWS = (
    "Targets",
    "Live streams",
    "Requests",
    "Models and batches",
    "Caches",
    "Database",
    "Virtual microphone",
    "Process",
)


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_it_is_what_grafana_says_a_dashboard_is() -> None:
    assert list(errors(DASHBOARD, SCHEMA)) == []


def test_the_schema_notices_what_is_wrong() -> None:
    panel = panels()[0]
    broken = {**DASHBOARD, "panels": [{**panel, "targets": [{"refId": "A"}]}]}
    assert any("has no 'expr'" in error for error in errors(broken, SCHEMA))
    broken = {**DASHBOARD, "panels": [{**panel, "type": "stats"}]}
    assert list(errors(broken, SCHEMA))


def test_it_has_a_row_for_each_subject() -> None:
    titles = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert [re.split("[:,]", title)[0] for title in titles] == list(ROWS)


def test_every_panel_says_what_it_means() -> None:
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_panels_lie_beside_each_other() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        ), (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels())


def test_queries_name_metrics_and_labels_that_there_are() -> None:
    labels = {
        metric.name: {*metric.labels, "le", "quantile", "job", "instance"} for metric in METRICS
    }
    for metric in METRICS:
        for part in ("bucket", "sum", "count"):
            if metric.kind in {"histogram", "summary"}:
                labels[f"{metric.name}_{part}"] = labels[metric.name]
    computed = set(re.findall(r"- record: (\S+)", RULES))
    for expression in expressions():
        assert set(re.findall(r"instance:gapless_\w+:\w+", expression)) <= computed
        names = METRIC.findall(re.sub(r"instance:gapless_\w+:\w+", "", expression))
        for name in names:
            assert name in labels, expression
            matchers = re.findall(rf"{name}{{([^}}]*)}}", expression)
            used = {label for each in matchers for label in re.findall(r"(\w+)(?:=|!)", each)}
            used |= {
                label
                for by in re.findall(r"by \(([^)]*)\)", expression)
                for label in by.split(", ")
            }
            assert used <= labels[name] | set(), (expression, used - labels[name])


def test_the_names_of_lines_use_labels_that_are_left() -> None:
    for panel in panels():
        for target in panel["targets"]:
            said = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            kept = {
                label
                for by in re.findall(r"by \(([^)]*)\)", target["expr"])
                for label in by.split(", ")
            }
            assert said <= kept | {"instance"}, target


def test_every_query_parses(promtool: str, tmp_path: Path) -> None:
    rules = ["groups:", "- name: queries", "  rules:"]
    for number, expression in enumerate(expressions()):
        # What Grafana puts in their places.
        text = expression.replace("$__rate_interval", "20s").replace("$instance", ".*")
        rules += [f"  - record: query_{number}", f"    expr: {json.dumps(text)}"]
    path = tmp_path / "queries.yml"
    path.write_text("\n".join(rules))
    done = subprocess.run(
        [promtool, "check", "rules", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(expressions())} rules found" in done.stdout
