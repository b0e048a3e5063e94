"""``gapless tune`` as a person runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from gapless.bench.tuning.experiment import Progress, search
from gapless.bench.tuning.load import VAD_MODEL, Runnable
from gapless.bench.tuning.race import Verdict
from gapless.bench.tuning.stages import Scope
from gapless.cli.main import main
from gapless.settings import Settings
from gapless.tune.measured import FILE_NAME, Fingerprint, Measured, keep_measured, read_kept


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the command."""
    for name in [name for name in os.environ if name.startswith("GAPLESS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GAPLESS_CONFIG", "")


def run(folder: Path, *arguments: str, code: int = 0) -> Result:
    places = ("--data-dir", str(folder), "--models-dir", str(folder / "models"))
    result = CliRunner().invoke(main, ("tune", *arguments, *places))
    assert result.exit_code == code, result.output
    return result


def answer(name: str) -> dict[str, object]:
    parsed: dict[str, object] = msgspec.json.decode(name)
    return parsed


@pytest.mark.long
def test_a_real_search_is_kept_shown_and_forgotten(tmp_path: Path) -> None:
    found = answer(run(tmp_path, "--seconds", "5", "--json").stdout)
    file = tmp_path / FILE_NAME
    assert found["kept"] == str(file)
    assert found["models"] == {"silero_vad": "1", "commands-en.encoder": "1"}
    answers = msgspec.convert(found["found"], dict[str, object])["answers"]
    asked = msgspec.convert(answers, list[dict[str, object]])
    assert [one["name"] for one in asked][-2:] == ["batch", "rows"]
    for one in asked:
        assert one["errors"] == []
        assert msgspec.convert(one["verdict"], Verdict).rounds >= 3
    # Nothing is left of the store that was tried.
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE_NAME]

    shown = answer(run(tmp_path, "--show", "--json").stdout)
    measured = msgspec.convert(shown["measured"], Measured)
    assert measured.values == found["values"]
    assert measured.reasons == found["reasons"]
    assert "formula" in run(tmp_path, "--show").stdout

    assert "1 record of this machine removed" in run(tmp_path, "--forget").stdout
    assert not file.exists()


@pytest.mark.long
def test_ctrl_c_keeps_nothing_that_is_not_proven(tmp_path: Path) -> None:
    search = subprocess.Popen(
        [sys.executable, "-m", "gapless", "tune", "--seconds", "600", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"GAPLESS_MODELS_DIR": str(tmp_path / "models")},
    )
    with search:
        try:
            wait_for_trial(search.pid)
            search.send_signal(signal.SIGINT)
            out, complaints = search.communicate(timeout=60)
        finally:
            search.kill()
    assert search.returncode == 130
    assert "nothing was proven, and nothing is kept" in out
    assert "Traceback" not in complaints
    assert list(tmp_path.iterdir()) == []


def wait_for_trial(pid: int) -> None:
    """Until a child of that process runs."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for _ in range(3000):
        if children.read_text():
            return
        signal.sigtimedwait([], 0.01)
    pytest.fail("no trial began")


def test_what_another_machine_measured_is_told_and_not_used(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    shown = answer(run(tmp_path, "--show", "--json").stdout)
    assert shown["measured"] is None
    assert shown["notice"] == ""
    keep_measured(file, elsewhere())
    assert "is of another machine" in run(tmp_path, "--show").stdout
    assert "no records of this machine removed" in run(tmp_path, "--forget").stdout
    assert read_kept(file, elsewhere().fingerprint).measured == elsewhere()


def elsewhere() -> Measured:
    machine = Fingerprint(
        cpu="an abacus",
        usable_cpus=10,
        physical_cpus=10,
        memory_gib=1,
        system="none",
        python="none",
        onnxruntime="none",
    )
    return Measured(fingerprint=machine, models={}, values={"executors": 9}, reasons={}, when_ms=1)


def test_a_model_that_is_not_here_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, "--model", "nobody", code=2)
    assert "the model nobody does not run on this machine" in result.output
    assert not (tmp_path / FILE_NAME).exists()


def test_showing_and_forgetting_exclude_each_other(tmp_path: Path) -> None:
    assert "exclude each other" in run(tmp_path, "--show", "--forget", code=2).output


@pytest.mark.long
def test_ctrl_c_keeps_what_is_proven_by_then(tmp_path: Path) -> None:
    settings = Settings(
        executors=1,
        store_batch_rows=500,
        store_batch_ms=50,
        store_pool=8,
        data_dir=str(tmp_path),
        models_dir=str(tmp_path / "models"),
    )

    def interrupt(now: Progress) -> None:
        if now.stage.name == "rows":
            raise KeyboardInterrupt

    models = {VAD_MODEL: Runnable("1", 32)}
    found = search(settings, Scope(physical_cpus=1, models=models), seconds=5, tell=interrupt)

    assert found.interrupted
    assert [one.name for one in found.answers] == ["batch"]
    assert found.answers[0].verdict.rounds >= 3
    assert list(found.reasons) == ["max_batch"]
