"""The generator: a broker's contract, its JSON Schemas, and client packages. `typedtasks` itself never imports it, its CLI does.

What a name needs is imported when the name is first used: who compares two contracts needs no templates and no formatter.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typedtasks_codegen.asyncapi import asyncapi_document
    from typedtasks_codegen.contract import Contract
    from typedtasks_codegen.distribution import distribution_files, distribution_name
    from typedtasks_codegen.folder import difference, write_folder
    from typedtasks_codegen.given import given_names, names_in
    from typedtasks_codegen.naming import GivenNames
    from typedtasks_codegen.package import package_files
    from typedtasks_codegen.reading import read_contract
    from typedtasks_codegen.refusal import GenerationError
    from typedtasks_codegen.wire_schemas import json_schemas

__all__ = [
    "Contract",
    "GenerationError",
    "GivenNames",
    "asyncapi_document",
    "difference",
    "distribution_files",
    "distribution_name",
    "given_names",
    "json_schemas",
    "names_in",
    "package_files",
    "read_contract",
    "write_folder",
]

_MODULES: Final = {
    "Contract": "contract",
    "GenerationError": "refusal",
    "GivenNames": "naming",
    "asyncapi_document": "asyncapi",
    "difference": "folder",
    "distribution_files": "distribution",
    "distribution_name": "distribution",
    "given_names": "given",
    "json_schemas": "wire_schemas",
    "names_in": "given",
    "package_files": "package",
    "read_contract": "reading",
    "write_folder": "folder",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
