"""The generator: a broker's contract, its JSON Schemas, and client packages. `typedtasks` itself never imports it, its CLI does."""

from typedtasks_codegen.contract import Contract
from typedtasks_codegen.folder import difference, write_folder
from typedtasks_codegen.package import package_files
from typedtasks_codegen.reading import read_contract
from typedtasks_codegen.refusal import GenerationError
from typedtasks_codegen.wire_schemas import json_schemas

__all__ = ["Contract", "GenerationError", "difference", "json_schemas", "package_files", "read_contract", "write_folder"]
