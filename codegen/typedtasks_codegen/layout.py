"""The layout of generated sources: imports in their order, and a format that ruff leaves alone in a project of any width."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from ruff import find_ruff_bin  # type: ignore[import-untyped]  # ruff is a program, whose package says where it is

from typedtasks_codegen.refusal import GenerationError

__all__ = ["WIDTH", "export_order", "formatted", "import_lines"]

WIDTH: Final = 88
"""How long lines are at most, where they can be broken."""
_COMMAND: Final = ("format", "--isolated", "--no-cache", "--quiet", "--target-version", "py311", "--line-length", str(WIDTH), ".")
_ROUNDS: Final = 6


def import_lines(modules: Iterable[str], *, public: bool = False) -> str:
    """Return the imports of modules, those of Python's library first; each under a private name unless `public`."""
    lines = {
        module: f"import {module}" if public else f"import {module} as _{module.replace('.', '_')}" for module in sorted(modules)
    }
    standard = [line for module, line in lines.items() if module.partition(".")[0] in sys.stdlib_module_names]
    others = [line for line in lines.values() if line not in standard]
    return "\n\n".join("\n".join(block) for block in (standard, others) if block)


def export_order(name: str) -> tuple[object, ...]:
    """Return what names in `__all__` are sorted by: constants, classes and others, each with its numbers as numbers."""
    group = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    return group, *((int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name))


def formatted(sources: Mapping[str, str]) -> dict[str, str]:
    """Return sources by file name in ruff's format. Raises `GenerationError` where ruff cannot be run."""
    with tempfile.TemporaryDirectory(prefix="typedtasks-") as folder:
        current = dict(sources)
        for _ in range(_ROUNDS):
            current = _run_ruff(Path(folder), current)
            broken = {name: _with_commas(source) for name, source in current.items()}
            if broken == current:
                break
            current = broken
        return current


def _run_ruff(folder: Path, sources: Mapping[str, str]) -> dict[str, str]:
    for name, source in sources.items():
        (folder / name).write_text(source, encoding="utf-8", newline="\n")
    program: str = find_ruff_bin()
    done = subprocess.run([program, *_COMMAND], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GenerationError(f"ruff could not format what was generated: {' '.join(done.stderr.split())}")
    return {name: (folder / name).read_text(encoding="utf-8") for name in sources}


def _with_commas(source: str) -> str:
    """Return a source in which no bracket that spans lines would be joined where lines may be longer: a comma at its end holds it.

    Only a lone line between two brackets lacks one; where a comma would make a tuple of it, the first bracket inside gets it.
    """
    lines = source.split("\n")
    in_text = False
    for place, line in enumerate(lines):
        in_text ^= line.count('"""') % 2 == 1
        if in_text or not line.strip().startswith((")", "]", "}")) or place < 2:
            continue
        if line.strip().startswith(")"):
            _hold_group_open(lines, place)
        opening, inner = lines[place - 2], lines[place - 1]
        if not opening.endswith(("(", "[", "{")) or inner.endswith((",", "(", "[", "{")):
            continue
        if opening.endswith("{") or (opening.endswith("(") and not opening.endswith(" (")) or _is_several(inner, opening):
            lines[place - 1] = inner + ","
        else:
            lines[place - 1] = _held_open(inner, inner.strip())
            if opening.endswith(" = ("):
                lines[place - 2] = _held_open(opening, opening.strip().removesuffix(" = (").partition(": ")[2])
    return "\n".join(lines)


def _hold_group_open(lines: list[str], end: int) -> None:
    """Put a comma into the first bracket of what stands in brackets of its own on several lines, such as a union."""
    indent = len(lines[end]) - len(lines[end].lstrip())
    start = next(place for place in range(end - 1, -1, -1) if len(lines[place]) - len(lines[place].lstrip()) <= indent)
    if not lines[start].endswith(" (") or end - start < 3:
        return
    for place in range(start + 1, end):
        held = _held_open(lines[place], lines[place].strip().removeprefix("| "))
        if held != lines[place]:
            lines[place] = held
            return


def _is_several(inner: str, opening: str) -> bool:
    if not opening.endswith("["):
        return False
    if opening.endswith((" [", "([", "[[")):
        return True  # a list
    tree = _parsed(f"x[{inner.strip()}]")
    return isinstance(tree, ast.Subscript) and isinstance(tree.slice, ast.Tuple)


def _held_open(line: str, expression: str) -> str:
    """Return a line with a comma at the end of the first bracket of an expression in it that may have one."""
    tree, start = _parsed(expression), len(line.partition(expression)[0].encode())
    for node in ast.walk(tree) if tree is not None else ():
        several = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple)
        if several or (isinstance(node, ast.Call) and (node.args or node.keywords)):
            assert isinstance(node, ast.expr)
            end = len(line.encode()[: start + (node.end_col_offset or 0)].decode()) - 1
            return f"{line[:end]},{line[end:]}"
    return line


def _parsed(source: str) -> ast.expr | None:
    try:
        return ast.parse(source, mode="eval").body
    except SyntaxError:
        return None
