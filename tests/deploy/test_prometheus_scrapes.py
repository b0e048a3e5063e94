"""A real Prometheus with our configuration and rules, that watches a real server under use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx

from gapless.testing.prometheus_server import running_prometheus
from gapless.testing.serve_process import ServeProcess
from gapless.testing.sound_programs import wait_until

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
PATIENCE_S = 60.0
KEY = "a-key-of-tests"


def test_the_server_is_scraped_its_figures_are_computed_and_no_alert_fires(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, api_key=KEY, log_format="json") as server:
        config = tmp_path / "prometheus.yml"
        (tmp_path / "key").write_text(KEY)
        config.write_text(configuration(server.url))
        with running_prometheus(config, tmp_path) as prometheus:

            def use() -> bool:
                for text in ("one", "two"):
                    httpx.get(f"{server.url}/v1/flux/{len(text)}", headers={"x-api-key": KEY})
                return bool(prometheus.values("instance:gapless_failed_answers:ratio_5m"))

            wait_until(lambda: prometheus.values('up{job="gapless"}') == [1.0], "a scrape", 30)
            wait_until(use, "a figure", PATIENCE_S)
            assert prometheus.values("instance:gapless_failed_answers:ratio_5m") == [0.0]
            (memory,) = prometheus.values("instance:gapless_memory:bytes")
            assert 10e6 < memory < 2.5e9
            (target,) = prometheus.ask("targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
            rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
            assert {rule["health"] for rule in rules} == {"ok"}, rules
            assert len(rules) == len(re.findall("- (?:alert|record):", rules_text()))
            firing = prometheus.ask("alerts")["alerts"]
            assert [alert for alert in firing if alert["state"] == "firing"] == []
            check_dashboard(prometheus.ask)


def configuration(url: str) -> str:
    """Ours, for that server, as its comments say for one with a key; it need not wait as long."""
    text = (FOLDER / "prometheus.yml").read_text()
    for ours, wanted in (
        ("127.0.0.1:8000", url.removeprefix("http://")),
        ("# authorization: {credentials_file: /etc/prometheus/gapless-key}",
         "authorization: {credentials_file: key}"),
        ("[rules.yml]", f"['{FOLDER / 'rules.yml'}']"),
        ("interval: 5s", "interval: 1s"),
    ):  # fmt: skip
        assert ours in text
        text = text.replace(ours, wanted)
    return text


def rules_text() -> str:
    return (FOLDER / "rules.yml").read_text()


def check_dashboard(ask: object) -> None:
    """Every query of the dashboard is one that Prometheus answers."""
    assert callable(ask)
    dashboard = (ROOT / "deploy" / "grafana" / "dashboards" / "gapless.json").read_text()
    for panel in json.loads(dashboard)["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "20s").replace("$instance", ".*")
            ask("query", query=query)
