"""The schemas of a task for itself, for who validates with nothing else at hand."""

from __future__ import annotations

from pydantic import JsonValue

from typedtasks import Broker
from typedtasks_codegen import json_schemas

__all__ = ["arguments_of", "results_of"]


def arguments_of(broker: Broker) -> dict[str, dict[str, JsonValue]]:
    """Return the schema of each task's arguments with all types."""
    schemas = json_schemas(broker, "#/$defs/{model}", "#/$defs/{model}")
    return {name: {**schema, "$defs": dict(schemas.argument_types)} for name, schema in schemas.arguments.items()}


def results_of(broker: Broker) -> dict[str, dict[str, JsonValue]]:
    """Return the schema of each task's result with all types."""
    schemas = json_schemas(broker, "#/$defs/{model}", "#/$defs/{model}")
    return {name: {**schema, "$defs": dict(schemas.result_types)} for name, schema in schemas.results.items()}
