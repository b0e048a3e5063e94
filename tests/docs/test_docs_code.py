"""Code in the documentation works: Python is run against a real server, commands are parsed by the real parser."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gapless import api
from gapless.cli.main import main as gapless_command
from gapless.engine import Engine
from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^```(\w+)\n(.*?)^```$(?:\n\nIt prints:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL
)
PLACEHOLDER = "127.0.0.1:8000"
GRPC_PLACEHOLDER = "127.0.0.1:8001"


def blocks(language: str) -> list[object]:
    """All blocks of code in a language: the code, and what it is said to print."""
    return [
        pytest.param(code, printed, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        for number, (name, code, printed) in enumerate(BLOCK.findall(page.read_text("utf-8")), 1)
        if name == language
    ]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that keeps what it hears."""
    folder = tmp_path_factory.mktemp("data")
    with Engine(Settings(port=0, grpc_port=0, data_dir=str(folder), decoders=2)) as engine:
        engine.start()
        yield engine


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[RunningServer]:
    """Serves that engine."""
    with running_server(engine) as running:
        yield running


@pytest.fixture
def reader(
    engine: Engine, tmp_path: Path, speech_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sits where a reader of the documentation does: in a folder with a recording, beside the tests."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    shutil.copyfile(speech_dir / "telephone.wav", tmp_path / "speech.flac")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_default_engine", engine)


@pytest.mark.long
@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(("code", "printed"), blocks("python"))
def test_the_python_of_the_documentation_runs(
    code: str, printed: str, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert server.grpc is not None
    code = code.replace(PLACEHOLDER, server.url.removeprefix("http://"))
    code = code.replace(GRPC_PLACEHOLDER, server.grpc)

    exec(compile(code, "documentation", "exec"), {"__name__": "__main__"})

    output = capsys.readouterr().out
    if printed:
        assert printed in output  # the server's log may be in between blocks
    elif "speech.flac" in code:
        assert "today" in output


def commands(code: str) -> Iterator[list[str]]:
    """The calls of ``gapless`` in a block of shell."""
    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        for start, word in enumerate(words):
            if Path(word).name == "gapless":
                rest = words[start + 1 :]
                ends = (place for place, word in enumerate(rest) if word in ("|", ">", "&&", ";"))
                yield rest[: next(ends, len(rest))]


def parse(arguments: list[str]) -> None:
    """Read a command line as the command does, without running it."""
    command: click.Command = gapless_command
    context: click.Context | None = None
    while isinstance(command, click.Group):
        if command.invoke_without_command and (not arguments or arguments[0].startswith("-")):
            break
        context = click.Context(command, parent=context, **command.context_settings)
        _, child, arguments = command.resolve_command(context, arguments)
        assert child is not None
        command = child
    command.make_context(command.name, arguments, parent=context)


@pytest.mark.parametrize(("code", "printed"), [*blocks("bash"), *blocks("sh")])
def test_the_commands_of_the_documentation_exist(
    code: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del printed
    (tmp_path / "sounds").mkdir()  # a folder of the reader's, which must be there to be named
    monkeypatch.chdir(tmp_path)
    for arguments in commands(code):
        parse(arguments)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for target in re.findall(r"^make (\w+)", code, re.MULTILINE):
        assert target in targets
