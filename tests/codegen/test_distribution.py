"""`typedtasks generate --distribution`: a project that can be built and installed without anything of the service."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.processes import ROOT
from typedtasks.cli import main

GENERATE = ["generate", "examples.github_users.tasks:broker", "--package", "github_tasks", "--distribution", "1.4.0"]


def run(*command: str, folder: Path) -> str:
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_client_is_built_installed_and_used_without_its_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a wheel, in a folder of its own."""
    monkeypatch.chdir(ROOT)
    assert main([*GENERATE, "--out", str(tmp_path)]) == 0
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "wheels"]
    run(*build, str(tmp_path / "github-tasks"), folder=tmp_path)
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert wheel.name == "github_tasks-1.4.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    names = {path.relative_to(tmp_path / "installed").as_posix() for path in (tmp_path / "installed").rglob("*.*")}
    assert {"github_tasks/py.typed", "github_tasks/contract.json", "github_tasks/__init__.pyi"} <= names
    metadata = (tmp_path / "installed" / "github_tasks-1.4.0.dist-info" / "METADATA").read_text(encoding="utf-8")
    assert "Requires-Dist: typedtasks>=" in metadata
    program = "import github_tasks; print(github_tasks.Client('memory://').github_fetch_user.name)"
    assert run("-c", program, folder=tmp_path / "installed") == "github.fetch_user\n"
    assert main([*GENERATE, "--out", str(tmp_path), "--check"]) == 0


def test_another_version_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main([*GENERATE, "--out", str(tmp_path)]) == 0
    assert main([*GENERATE[:-1], "1.5.0", "--out", str(tmp_path), "--check"]) == 1
    assert '+version = "1.5.0"' in capsys.readouterr().out


def test_what_is_no_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert main([*GENERATE[:-1], "new", "--out", str(tmp_path)]) == 2
    assert "'new' is not a version number" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
