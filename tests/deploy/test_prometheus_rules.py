"""The files of ``deploy/prometheus``: sound for the real checker, and about metrics and targets that there are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gapless.observe import targets
from gapless.serve.metrics.declared import METRICS
from gapless.serve.status.figures import CALL_ROUTES, OUR_FAULTS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULES = (FOLDER / "rules.yml").read_text()
METRIC = re.compile(r"(?<![:\w])gapless_\w+")
ALERTS = re.findall(r"- alert: (\w+)", RULES)
HOWTO = ROOT / "docs" / "howto" / "alerts-and-dashboards.md"


def samples() -> set[str]:
    """Every name that a scrape may have."""
    names = set()
    for metric in METRICS:
        names.add(metric.name)
        if metric.kind in {"histogram", "summary"}:
            names |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def check(promtool: str, *arguments: str) -> str:
    done = subprocess.run(
        [promtool, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=FOLDER
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_one(promtool: str) -> None:
    assert "SUCCESS" in check(promtool, "check", "config", "prometheus.yml")


def test_the_configuration_of_the_containers_is_one(promtool: str) -> None:
    compose = ROOT / "deploy" / "compose" / "prometheus.yml"
    assert "SUCCESS" in check(promtool, "check", "config", "--syntax-only", str(compose))


def test_the_rules_are_rules(promtool: str) -> None:
    assert "SUCCESS" in check(promtool, "check", "rules", "rules.yml")


def test_every_alert_fires_over_its_bound_and_is_quiet_within(promtool: str) -> None:
    assert "SUCCESS" in check(promtool, "test", "rules", "rules_test.yml")


def test_every_alert_has_a_case_with_a_server_of_each_kind() -> None:
    cases = (FOLDER / "rules_test.yml").read_text().split("  - name: ")[1:]
    assert [case.split(maxsplit=1)[0] for case in cases] == ALERTS
    for case in cases:
        series = case.partition("alert_rule_test")[0]
        assert 'instance="good"' in series
        assert 'instance="bad"' in series
        assert re.findall(r"instance: (\w+)", case) == ["bad"]


def test_rules_name_metrics_that_there_are() -> None:
    for name in ("rules.yml", "rules_test.yml"):
        text = (FOLDER / name).read_text()
        figures = METRIC.findall(re.sub(r"instance:gapless_\w+(:\w+)?", "", text))
        assert set(figures) <= samples() | {"gapless_error"}, "that is a code of errors"


def test_rules_use_no_figure_that_is_not_computed() -> None:
    computed = set(re.findall(r"- record: (\S+)", RULES))
    assert set(re.findall(r"instance:gapless_\w+:\w+", RULES)) == computed


@pytest.mark.parametrize(
    ("alert", "bound"),
    [
        ("GaplessLagHigh", targets.LAG.bound / 1000),
        ("GaplessCallsSlow", targets.CALLS.bound / 1000),
        ("GaplessRefusing", targets.REFUSED.bound),
        ("GaplessProcessorBusy", targets.PROCESSOR.bound / 100),
        ("GaplessMemoryHigh", targets.MEMORY.bound * 1e6),
    ],
)
def test_alerts_have_the_bounds_of_the_targets(alert: str, bound: float) -> None:
    rule = RULES.partition(f"- alert: {alert}")[2].partition("- alert:")[0]
    (said,) = re.findall(r"> ([\d.e]+)\s+for:", rule)
    assert float(said) == bound


def test_calls_and_faults_are_those_of_the_status_page() -> None:
    (routes,) = re.findall(r'route=~"([^"]+)"', RULES)
    assert all(re.fullmatch(routes, route) for route in CALL_ROUTES)
    assert not re.fullmatch(routes, "/v1/audio/transcriptions")
    (reasons,) = re.findall(r'reason=~"([^"]+)"', RULES)
    assert set(reasons.split("|")) == OUR_FAULTS


def test_every_alert_is_explained() -> None:
    page = HOWTO.read_text()
    assert [alert for alert in ALERTS if f"`{alert}`" not in page] == []
