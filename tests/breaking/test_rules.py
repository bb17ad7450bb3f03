"""One folder for each rule: the tasks before and after a change, and what is said of it.

`python -m tests.breaking.test_rules` writes anew what is said.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.breaking.contracts import RULES as FOLDERS
from tests.breaking.contracts import changes_of, contract_of, lines_of
from typedtasks_codegen.compatibility import RULES, Category, Order, compare_contracts

_EXPECTED = "expected.txt"


def folders() -> list[Path]:
    """Return the folders of the rules."""
    return sorted(path for path in FOLDERS.iterdir() if path.is_dir() and path.name != "__pycache__")


def test_every_rule_has_a_folder_and_every_folder_a_rule() -> None:
    assert [folder.name for folder in folders()] == sorted(RULES)


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_what_a_rule_is_about_is_found(folder: Path) -> None:
    """Word for word, with whatever else the same change means."""
    changes = changes_of(folder)
    assert folder.name in {change.rule.id for change in changes}
    assert lines_of(changes) == (folder / _EXPECTED).read_text()


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_of_what_stays_nothing_is_said(folder: Path) -> None:
    """Each version is compatible with itself."""
    for version in ("old", "new"):
        assert compare_contracts(contract_of(folder, version), contract_of(folder, version)) == []


def test_a_rule_says_what_to_do_and_breaks_something_in_some_order_or_is_a_note() -> None:
    """What breaks callers' code breaks it whatever is deployed first."""
    for rule in RULES.values():
        assert rule.reason.endswith(".")
        assert rule.instead.endswith(".")
        assert len(set(rule.categories)) == len(rule.categories)
        for one in rule.breaks:
            assert one.orders
            assert one.category is not Category.SOURCE or set(one.orders) == set(Order)


if __name__ == "__main__":
    for rule in folders():
        (rule / _EXPECTED).write_text(lines_of(changes_of(rule)))
