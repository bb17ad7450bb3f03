"""The page on breaking changes: its example is run, and its table has every rule.

`python -m tests.docs.test_breaking` writes the table anew.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.pages import files_of
from tests.processes import ROOT
from typedtasks_codegen.compatibility import RULES, Direction, Order, Rule

PAGE = ROOT / "docs/breaking.md"
BEGIN, END = "<!-- written by python -m tests.docs.test_breaking -->\n", "<!-- end -->"
ARROWS = {Direction.TO_WORKER: "→", Direction.TO_CLIENT: "←", Direction.NONE: ""}
ORDERS = {Order.WORKERS_FIRST: "workers first", Order.CLIENTS_FIRST: "clients first"}


def table() -> str:
    """Return the table of all rules."""
    rows = [
        f"| `{rule.id}` | {ARROWS[rule.direction]} | {_breaks(rule)} | {rule.reason} | {rule.instead} |" for rule in RULES.values()
    ]
    return "\n".join(["| rule | | breaks | because | instead |", "|---|---|---|---|---|", *rows]) + "\n"


def _breaks(rule: Rule) -> str:
    shown = [
        f"`{one.category.value}`"
        + ("" if len(one.orders) == len(Order) else f" ({', '.join(ORDERS[order] for order in one.orders)})")
        for one in rule.breaks
    ]
    return ", ".join(shown) or "nothing"


def with_table(page: str) -> str:
    """Return the page with the table as it has to be."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def test_the_table_has_every_rule_as_the_code_has_it() -> None:
    assert PAGE.read_text() == with_table(PAGE.read_text())


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    """The contract is that of the README's tasks; the page has the changed ones."""
    files_of("README.md", tmp_path)
    generated = run(tmp_path, "generate", "app.tasks:broker", "--out", "clients", "--package", "invoice_tasks")
    assert generated.returncode == 0, generated.stderr
    files_of("docs/breaking.md", tmp_path)
    compared = run(tmp_path, "breaking", "app.tasks:broker", "--against", "clients/invoice_tasks/contract.json")
    assert compared.returncode == 1, compared.stderr
    assert f"```\n{compared.stdout}```\n" in PAGE.read_text(), compared.stdout


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    command = [sys.executable, "-m", "typedtasks", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
