"""The folder that the checkers read: the corpus, and the generated packages that it and users import."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from examples.github_users.tasks import broker as github
from examples.orders.tasks import broker as orders
from tests.codegen.every_type import broker as every_type
from tests.codegen.generic_shapes import broker as generic_shapes
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.codegen.service import broker as service
from tests.pages import files_of
from tests.processes import ROOT
from tests.typing.checkers import PLUGIN, Findings
from tests.typing.marks import Codes
from typedtasks_codegen import package_files, write_folder

__all__ = ["CORPUS", "PAGE", "PROGRAMS", "by_line", "stage"]

CORPUS: Final = Path(__file__).with_name("corpus")
PROGRAMS: Final = ("shapes.py", "calls.py", "failures.py", "injected.py", "progress.py", "other_services.py", "kinds.py")
"""The files of the corpus, in the order of the documentation's table."""
PAGE: Final = ROOT / "docs" / "typing.md"

_BROKERS: Final = {
    "library": service,
    "every_client": every_type,
    "odd_client": odd_shapes,
    "order_tasks": orders,
    "generic_client": generic_shapes,
    "github_tasks": github,
}


def stage(folder: Path) -> None:
    """Fill an empty folder: the corpus, programs that use clients, clients, and the configuration of docs/editors.md."""
    for package, broker in _BROKERS.items():
        write_folder(folder / "clients" / package, package_files(broker, "app:broker", package))
    for program in PROGRAMS:
        shutil.copy(CORPUS / program, folder)
    shutil.copytree(
        ROOT / "examples" / "storefront", folder / "examples" / "storefront", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "examples" / "__init__.py").touch()
    files_of("docs/typing.md", folder)
    files_of("docs/editors.md", folder)
    configuration = (folder / "pyproject.toml").read_text()
    (folder / PLUGIN).write_text(configuration.replace("[tool.mypy]\n", '[tool.mypy]\nplugins = ["typedtasks.mypy_plugin"]\n'))


def by_line(found: Mapping[str, Findings], program: str) -> dict[int, Codes]:
    """Return what the checkers report about one file, by line."""
    lines: dict[int, dict[str, frozenset[str]]] = {}
    for checker, findings in found.items():
        for (file, line), codes in findings.items():
            if file == program:
                lines.setdefault(line, {})[checker] = codes
    return dict(lines)
