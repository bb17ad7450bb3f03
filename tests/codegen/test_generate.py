"""`typedtasks generate` and `typedtasks schema`: what they write, compare and refuse."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from examples.github_users.tasks import broker as github
from examples.orders.tasks import broker as orders
from tests.codegen.every_type import broker as every_type
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.codegen.schemas import arguments_of, results_of
from tests.codegen.service import Reader
from tests.codegen.service import broker as service
from tests.processes import ROOT
from typedtasks import Broker
from typedtasks.cli import main
from typedtasks_codegen import difference, package_files

TARGET = "tests.codegen.service:broker"


@pytest.mark.parametrize(
    ("broker", "target", "package"),
    [
        (github, "examples.github_users.tasks:broker", "github_tasks"),
        (orders, "examples.orders.tasks:broker", "order_tasks"),
    ],
)
def test_the_committed_stubs_are_what_the_generator_writes(broker: Broker, target: str, package: str) -> None:
    """Nobody edits them; `typedtasks generate <target> --out stubs --package <package>` writes them."""
    assert difference(ROOT / "stubs" / package, package_files(broker, target, package)) == ""


def generate(folder: Path, *more: str, target: str = TARGET, package: str = "library") -> int:
    """Run the command."""
    return main(["generate", target, "--out", str(folder), "--package", package, *more])


def texts(folder: Path) -> dict[str, str]:
    """Return every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_package_is_written_once_and_then_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run changes nothing, and says so; --check agrees."""
    assert generate(tmp_path) == 0
    written = texts(tmp_path / "library")
    assert set(written) == {
        "__init__.py",
        "__init__.pyi",
        "models.py",
        "contract.json",
        "py.typed",
        "generated-files.txt",
        "schemas/library.lend.args.json",
        "schemas/library.lend.result.json",
        "schemas/library.count.args.json",
        "schemas/library.count.result.json",
        "schemas/types.args.json",
        "schemas/types.result.json",
    }
    assert "typedtasks generate tests.codegen.service:broker --package library" in written["models.py"]
    assert str(tmp_path) not in json.dumps(written)
    capsys.readouterr()
    assert generate(tmp_path) == 0
    assert "all of them as they were" in capsys.readouterr().out
    assert generate(tmp_path, "--check") == 0
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


@pytest.mark.parametrize("name", ["__init__.pyi", "contract.json", "py.typed", "schemas/library.lend.args.json", "models.py"])
def test_check_finds_drift_in_every_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A unified diff, exit code 1, and nothing is written."""
    generate(tmp_path)
    path = tmp_path / "library" / name
    path.write_text(path.read_text().replace('"doc": "', '"doc": "changed', 1) if name == "contract.json" else "changed\n")
    before = texts(tmp_path)
    capsys.readouterr()
    assert generate(tmp_path, "--check") == 1
    out = capsys.readouterr().out
    assert f"--- a/{name}\n+++ b/{name}\n" in out
    assert "\n-" in out
    assert "changed" in out
    assert texts(tmp_path) == before
    path.unlink()
    assert generate(tmp_path, "--check") == 1
    assert f"--- /dev/null\n+++ b/{name}\n" in capsys.readouterr().out
    assert generate(tmp_path) == 0
    assert generate(tmp_path, "--check") == 0


def test_files_of_tasks_that_are_gone_are_deleted_and_no_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What an earlier run wrote goes away; what somebody else put there stops the command."""
    generate(tmp_path, target="tests.codegen.every_type:broker")
    assert generate(tmp_path) == 0
    assert not (tmp_path / "library" / "schemas" / "types.enums.args.json").exists()
    assert generate(tmp_path, "--check") == 0
    mine = tmp_path / "library" / "mine.py"
    mine.write_text("x = 1\n")
    before = texts(tmp_path)
    for more in ((), ("--check",)):
        assert generate(tmp_path, *more) == 2
        assert "holds 'mine.py', which typedtasks did not write; nothing was changed." in capsys.readouterr().err
    assert texts(tmp_path) == before


def test_a_folder_that_was_never_generated_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even where its files have the names of ours."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "__init__.py").write_text("x = 1\n")
    assert generate(tmp_path) == 2
    assert "holds '__init__.py'" in capsys.readouterr().err
    assert texts(tmp_path) == {"library/__init__.py": "x = 1\n"}


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("my-client", "is not the name of a package"),
        ("1client", "is not the name of a package"),
        ("class", "is not the name of a package"),
        ("a.b", "is not the name of a package"),
        ("json", "would hide the module 'json'"),
        ("typedtasks", "would hide the module 'typedtasks'"),
    ],
)
def test_a_package_that_cannot_be_is_refused(package: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2, nothing written."""
    assert generate(tmp_path, package=package) == 2
    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("from typedtasks import Broker\n", "has no 'broker'"),
        ("from typedtasks import Broker\nbroker = Broker()\n", "has no task, so there is nothing to generate"),
        (
            "from typedtasks import Broker\nbroker = Broker()\n@broker.task\ndef f(x) -> None: ...\n",
            "broken.f: the parameter 'x' has no type",
        ),
        (
            "from typedtasks import Broker\nfrom pydantic import FilePath\nbroker = Broker()\n"
            "@broker.task(name='a.b')\ndef f(x: list[FilePath]) -> None: ...\n",
            "a.b: the parameter 'x': it is checked against the files of the machine that looks; use pathlib.Path.",
        ),
    ],
)
def test_a_service_that_cannot_be_generated_is_refused_in_one_line(
    source: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and an earlier package stays as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken.py").write_text(source)
    generate(tmp_path)
    before = texts(tmp_path / "library")
    capsys.readouterr()
    try:
        for more in ((), ("--check",)):
            assert generate(tmp_path, *more, target="broken:broker") == 2
            err = capsys.readouterr().err
            assert text in err
            assert err.count("\n") == 1
    finally:
        sys.modules.pop("broken", None)
    assert texts(tmp_path / "library") == before


def test_an_output_that_is_no_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the place of the folder, or of the package."""
    (tmp_path / "file").write_text("")
    assert generate(tmp_path / "file") == 2
    assert "cannot be written" in capsys.readouterr().err
    (tmp_path / "library").write_text("")
    assert generate(tmp_path) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert texts(tmp_path) == {"file": "", "library": ""}


def test_a_generated_package_may_be_moved(tmp_path: Path) -> None:
    """Its own list of files goes with it."""
    generate(tmp_path / "one")
    shutil.move(tmp_path / "one", tmp_path / "two")
    assert generate(tmp_path / "two", "--check") == 0


def test_every_schema_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """By an implementation that is not ours; the command prints the same, and no reference of it leads nowhere."""
    for broker in (every_type, odd_shapes, service):
        for schema in (*arguments_of(broker).values(), *results_of(broker).values()):
            Draft202012Validator.check_schema(schema)
    assert main(["schema", TARGET]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert sorted(shown["tasks"]) == sorted(service.tasks)
    sent = json.loads(service.tasks["library.lend"].call(Reader(name="ada"), "Emma", days=2).payload)
    assert Draft202012Validator({**shown["tasks"]["library.lend"]["arguments"], "types": shown["types"]}).is_valid(sent)


def test_the_files_of_schemas_refer_to_one_beside_them() -> None:
    """By its name, so that a validator finds it in the folder or among the schemas that it was given."""
    files = package_files(service, TARGET, "library")
    schemas = {name.removeprefix("schemas/"): json.loads(text) for name, text in files.items() if name.startswith("schemas/")}
    assert all(schema["$id"] == name for name, schema in schemas.items())
    # Any: a schema is JSON data.
    registry = Registry[Any]().with_resources((name, Resource.from_contents(schema)) for name, schema in schemas.items())
    validator = Draft202012Validator(schemas["library.lend.args.json"], registry=registry)
    assert validator.is_valid({"reader": {"name": "ada"}, "books": []})
    assert not validator.is_valid({"reader": {"name": 1}, "books": []})


def test_a_schema_accepts_what_is_sent_and_refuses_what_is_not() -> None:
    """The bytes on the wire are what the schema describes."""
    schema = arguments_of(service)["library.lend"]
    assert isinstance(schema, dict)
    validator = Draft202012Validator(schema)
    sent = json.loads(service.tasks["library.lend"].call(Reader(name="ada"), "Emma", days=2).payload)
    assert list(validator.iter_errors(sent)) == []
    wrongs: list[object] = [{**sent, "days": 29}, {**sent, "other": 1}, {"books": []}, {**sent, "reader": "ada"}]
    for wrong in wrongs:
        assert not validator.is_valid(wrong)


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    """The generator's dependency is no dependency of workers."""
    program = (
        "import sys; sys.modules['jinja2'] = None; from typedtasks.cli import main; "
        f"sys.exit(main(['generate', {TARGET!r}, '--out', {str(tmp_path)!r}, '--package', 'library']))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == 'typedtasks: This needs what the extra "codegen" installs: pip install "typedtasks[codegen]".\n'
