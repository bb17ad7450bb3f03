"""The files of a client package, from a broker."""

from __future__ import annotations

import hashlib
import json
import keyword
import re
import sys
from collections.abc import Mapping
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import JsonValue

from typedtasks import Broker
from typedtasks_codegen.client_source import ClientSource
from typedtasks_codegen.contract import Contract
from typedtasks_codegen.layout import export_order, formatted, import_lines
from typedtasks_codegen.models_source import ModelsSource
from typedtasks_codegen.naming import GivenNames
from typedtasks_codegen.reading import read_contract
from typedtasks_codegen.refusal import GenerationError
from typedtasks_codegen.wire_schemas import DIALECT, WireSchemas, json_schemas

__all__ = ["LIST", "check_package_name", "package_files"]

LIST: Final = "generated-files.txt"
"""The file that names all files of the package: nothing else in its folder is ever deleted."""

_TAKEN: Final = frozenset({"typedtasks", "typedtasks_codegen", "pydantic", "pydantic_core", "redis", "typing_extensions"})
_LONGEST: Final = 100
_WAYS: Final = ("args", "result")
_TYPES: Final = "types"


def check_package_name(package: str) -> None:
    """Raise `GenerationError` for a name that no package can have, or that would hide another one."""
    if not package.isidentifier() or keyword.iskeyword(package) or not package.isascii():
        raise GenerationError(f"--package {package!r} is not the name of a package: letters, digits and '_', no digit first.")
    if package in sys.stdlib_module_names or package in _TAKEN:
        raise GenerationError(
            f"--package {package!r} would hide the module {package!r}, which is there already; choose another name."
        )


def package_files(broker: Broker, target: str, package: str, given: GivenNames | None = None) -> dict[str, str]:
    """Return the text of every file by its path in the package.

    `given` are the names that clients have already, which `given_names` reads where the package is. Raises `GenerationError` for
    what no client could have.
    """
    check_package_name(package)
    contract = read_contract(broker, given=given)
    if not contract.tasks:
        raise GenerationError(f"{target} has no task, so there is nothing to generate. Is the module that defines them imported?")
    files = {
        **_sources(contract, target, package),
        "contract.json": contract.text(),
        "py.typed": "",
        **_schema_files(json_schemas(broker, *(f"{_TYPES}.{way}.json#/$defs/{{model}}" for way in _WAYS))),
    }
    return {**files, LIST: "".join(f"{name}\n" for name in sorted([*files, LIST]))}


def _sources(contract: Contract, target: str, package: str) -> dict[str, str]:
    types, attributes = contract.type_names(), contract.task_names()
    environment = Environment(
        loader=PackageLoader("typedtasks_codegen"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # this is Python source, no HTML
    )
    shared = {
        "command": f"typedtasks generate {target} --package {package}",
        "target": target,
        "types": sorted(types.values()),
        "exported": sorted(["Client", "BlockingClient", "models", *types.values()], key=export_order),
        "max_payload": contract.tasks[0].max_payload,
        "max_result": contract.tasks[0].max_result,
    }
    models = ModelsSource(contract, types)
    of_models = {
        "imports": import_lines(models.modules),
        "definitions": "\n\n\n".join(definition.rstrip("\n") for definition in models.definitions),
        "early": models.early,
        "table": models.table,
    }
    stub, loader = (ClientSource(contract, types, attributes, stub=stub) for stub in (True, False))

    def rendered(template: str, values: Mapping[str, object]) -> str:
        return environment.get_template(template).render({**shared, **values})

    return formatted(
        {
            "models.py": rendered("models.py.jinja", of_models),
            "__init__.py": rendered("client.py.jinja", _of_client(loader, public=True)),
            "__init__.pyi": rendered("client.pyi.jinja", _of_client(stub, public=False)),
        }
    )


def _of_client(source: ClientSource, *, public: bool) -> dict[str, object]:
    return {"imports": import_lines(source.modules, public=public), "tasks": source.rows, "names_own": source.names_own}


def _schema_files(schemas: WireSchemas) -> dict[str, str]:
    """Return a file for each task and way, and one for the types of each way, which they refer to as to a file beside them."""
    files: dict[str, str] = {}
    for way, by_task, types in zip(
        _WAYS, (schemas.arguments, schemas.results), (schemas.argument_types, schemas.result_types), strict=True
    ):
        stems = {_TYPES}
        for task, schema in by_task.items():
            stem = re.sub(r"[^0-9A-Za-z_.-]", "_", task).lstrip(".")[:_LONGEST]
            if stem != task or stem.lower() in stems:
                stem += "-" + hashlib.sha256(task.encode()).hexdigest()[:8]
            stems.add(stem.lower())
            files |= _schema_file(f"{stem}.{way}.json", schema)
        if types:
            files |= _schema_file(f"{_TYPES}.{way}.json", {"$schema": DIALECT, "$defs": dict(types)})
    return files


def _schema_file(name: str, schema: dict[str, JsonValue]) -> dict[str, str]:
    """Return a schema under its own name, by which the others find it wherever they are."""
    return {f"schemas/{name}": json.dumps({"$id": name, **schema}, indent=2, ensure_ascii=True, allow_nan=False) + "\n"}
