"""README and tutorial are run as they stand; the error page has a part for every error."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import typedtasks
from tests.pages import files_of
from tests.processes import ROOT, started
from typedtasks import TypedTasksError


def run(folder: Path, *arguments: str) -> str:
    """Run Python in a folder and return what it prints."""
    result = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("page", "target", "programs"),
    [
        ("README.md", "app.tasks:broker", [("-m", "app.main")]),
        ("docs/tutorial.md", "shop:broker", [("main.py",), ("later.py",)]),
        ("docs/injection.md", "mailer:broker", [("main.py",), ("videos.py",)]),
    ],
)
def test_the_programs_of_a_page_print_what_the_page_says(
    page: str, target: str, programs: list[tuple[str, ...]], tmp_path: Path
) -> None:
    """Each output is in the page, word for word."""
    files_of(page, tmp_path)
    text = (ROOT / page).read_text()
    with started("-m", "typedtasks", "worker", target, folder=tmp_path) as worker:
        worker.wait_for_output("Worker started")
        for program in programs:
            assert run(tmp_path, *program) in text
        assert worker.stop() == 0


def test_the_client_of_the_page_on_clients_works_and_is_typed(tmp_path: Path) -> None:
    """Generated from the tasks of the README, and used by the program of the page."""
    files_of("README.md", tmp_path)
    files_of("docs/generate.md", tmp_path)
    run(tmp_path, "-m", "typedtasks", "generate", "app.tasks:broker", "--out", ".", "--package", "invoice_tasks")
    with started("-m", "typedtasks", "worker", "app.tasks:broker", folder=tmp_path) as worker:
        worker.wait_for_output("Worker started")
        assert run(tmp_path, "other_service.py") in (ROOT / "docs/generate.md").read_text()
        assert worker.stop() == 0
    assert "Success" in run(tmp_path, "-m", "mypy", "--strict", "other_service.py")


def test_the_examples_of_the_security_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself, as it stands."""
    monkeypatch.setenv("TASK_KEY", typedtasks.Encrypt.new_key())
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs/security.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        run(tmp_path, "-c", example)


@pytest.mark.parametrize(("page", "file"), [("docs/tutorial.md", "test_shop.py"), ("docs/injection.md", "test_mailer.py")])
def test_the_tests_of_a_page_pass(page: str, file: str, tmp_path: Path) -> None:
    """With pytest alone, as a reader has it."""
    files_of(page, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", file]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/injection.md"])
def test_the_programs_of_a_page_are_typed(page: str, tmp_path: Path) -> None:
    """mypy --strict finds nothing in them."""
    files_of(page, tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_error_has_a_code_of_its_own_and_a_part_of_the_page() -> None:
    """The code in an error's text is the heading to look for."""
    errors = [
        value
        for name in typedtasks.__all__
        if isinstance(value := getattr(typedtasks, name), type)
        and issubclass(value, TypedTasksError)
        and value is not TypedTasksError
    ]
    codes = [error.code for error in errors]
    page = (ROOT / "docs/errors.md").read_text()
    assert len(set(codes)) == len(codes) == 17
    for error in errors:
        assert f"\n## {error.code}\n\n`{error.__name__}`" in page


@pytest.mark.parametrize("page", sorted(path.relative_to(ROOT) for path in ROOT.glob("**/*.md") if ".venv" not in path.parts))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    """In every page."""
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert (ROOT / page.parent / link).exists(), link


def test_every_public_name_is_documented() -> None:
    """In `typedtasks`, and their public methods."""
    for name in typedtasks.__all__:
        value = getattr(typedtasks, name)
        if isinstance(value, type):
            assert value.__doc__, name
            for attribute, member in vars(value).items():
                if callable(member) and not attribute.startswith("_"):
                    assert member.__doc__, f"{name}.{attribute}"


def test_all_names_are_sorted_and_there() -> None:
    """`__all__` is the front door."""
    assert sorted(typedtasks.__all__) == typedtasks.__all__
    assert all(hasattr(typedtasks, name) for name in typedtasks.__all__)


def test_the_program_of_the_page_on_values_prints_what_the_page_says(tmp_path: Path) -> None:
    """What went in, what would have come out, and the cure."""
    files_of("docs/values.md", tmp_path)
    assert run(tmp_path, "pricing.py") in (ROOT / "docs/values.md").read_text()
