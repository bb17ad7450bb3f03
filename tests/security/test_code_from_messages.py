"""No code comes out of a message: nothing in the package unpickles, evaluates or imports what it was sent."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import typedtasks

PACKAGE = Path(typedtasks.__file__).parent
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "copyreg", "jsonpickle", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "import_module", "import_string", "locate", "run_path", "run_module"}
ALLOWED = {
    ("__init__.py", "import_module"),  # the package's own modules, by a table
    ("cli/loading.py", "import_module"),  # what the user of the command line names
    ("contract/binding.py", "exec"),  # a function made of the names of a signature's own parameters
    ("mypy_plugin/possible.py", "import_module"),  # a class of Python's own library that code under mypy names
}


def findings(source: str) -> Iterator[str]:
    """Yield each forbidden name that a module's source imports or calls."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name.partition(".")[0] for name in names if name.name.partition(".")[0] in FORBIDDEN_MODULES)
            case ast.ImportFrom(module=module, names=names):
                yield from ({(module or "").partition(".")[0], *[name.name for name in names]} & FORBIDDEN_MODULES)
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)) if name in FORBIDDEN_CALLS:
                if not (name == "compile" and isinstance(node.func, ast.Attribute)):  # re.compile
                    yield name
            case _:
                continue


def test_the_package_has_no_way_from_a_message_to_code() -> None:
    """The places that make code of names are named here, with their reasons."""
    found = {(str(path.relative_to(PACKAGE)), name) for path in PACKAGE.rglob("*.py") for name in findings(path.read_text())}
    assert found == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import marshal as m",
        "eval('1')",
        "importlib.import_module(name)",
        "__import__(n)",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    """Else it would prove nothing."""
    assert list(findings(source))
