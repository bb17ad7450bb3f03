"""`typedtasks generate` and `typedtasks schema`: what other services need to know of the tasks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from typedtasks.broker import Broker
from typedtasks.cli.loading import UsageError, load_broker

try:
    from typedtasks_codegen import (
        GenerationError,
        asyncapi_document,
        difference,
        distribution_files,
        distribution_name,
        given_names,
        json_schemas,
        package_files,
        write_folder,
    )
except ModuleNotFoundError as error:
    if error.name not in ("jinja2", "packaging", "ruff"):
        raise
    raise UsageError('This needs what the extra "codegen" installs: pip install "typedtasks[codegen]".') from None

__all__ = ["generate", "show_schemas"]


def generate(target: str, out: str, package: str, *, check: bool, distribution: str | None) -> int:
    """Write the client package of a broker's tasks, or with `check` print how it differs from what is there.

    The names that its committed contract has given are kept. `distribution` is the version of a project that is put around the
    package, in a folder of its own. Returns 1 when it differs. Raises `UsageError` for what cannot be generated; then nothing was
    written.
    """
    alone, project = Path(out, package), Path(out, distribution_name(package))
    folder = alone if distribution is None else project
    # The package may be there in both forms, which are to agree: the one that is written counts first.
    places = [alone, project / package] if distribution is None else [project / package, alone]
    try:
        files = package_files(load_broker(target), target, package, given_names(*places))
        if distribution is not None:
            files = distribution_files(files, target, package, distribution)
        if not check:
            changed = write_folder(folder, files)
            print(f"{folder}: {len(files)} files{'' if changed else ', all of them as they were'}.")
            return 0
        found = difference(folder, files)
    except GenerationError as error:
        raise UsageError(str(error)) from None
    sys.stdout.write(found)
    if found:
        print(f"{folder} is not what {target} says: run typedtasks generate without --check.", file=sys.stderr)
    return 1 if found else 0


def show_schemas(target: str, *, asyncapi: bool) -> int:
    """Print the JSON Schemas of every task's arguments and result, or with `asyncapi` an AsyncAPI document."""
    try:
        broker = load_broker(target)
        shown = asyncapi_document(broker, target) if asyncapi else _schemas_of(broker)
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    except GenerationError as error:
        raise UsageError(str(error)) from None
    return 0


def _schemas_of(broker: Broker) -> dict[str, object]:
    schemas = json_schemas(broker, "#/types/arguments/{model}", "#/types/results/{model}")
    return {
        "tasks": {name: {"arguments": schemas.arguments[name], "result": schemas.results[name]} for name in schemas.arguments},
        "types": {"arguments": schemas.argument_types, "results": schemas.result_types},
    }
