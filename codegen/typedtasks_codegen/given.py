"""The names that a committed contract has given to tasks and types: clients have them, so they stay."""

from __future__ import annotations

from pathlib import Path

from typedtasks_codegen.compatibility.document import ContractInvalid, ContractOutdated, parse_contract
from typedtasks_codegen.compatibility.types import Data
from typedtasks_codegen.naming import GivenNames
from typedtasks_codegen.refusal import GenerationError

__all__ = ["given_names", "names_in"]


def given_names(*packages: Path) -> GivenNames:
    """Return the names that the `contract.json` of the first of these folders that has one gives; none where none has.

    Raises `GenerationError` for one that cannot be read: without its names, what is generated could rename what clients use.
    """
    for path in (package / "contract.json" for package in packages):
        try:
            return names_in(parse_contract(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except ContractOutdated:
            return GivenNames()  # that format had no names
        except (OSError, UnicodeDecodeError, ContractInvalid) as error:
            reason = (error.strerror if isinstance(error, OSError) else "it is no text") or "it cannot be opened"
            raise GenerationError(
                f"{path} cannot be read: {error if isinstance(error, ContractInvalid) else reason}. The names that it has given to "
                "tasks and types are to be kept: restore it as it was committed, or delete it to have them named anew."
            ) from None
    return GivenNames()


def names_in(contract: Data) -> GivenNames:
    """Return the names that a contract gives. One without names gives none."""
    tasks, types = (
        {name: str(one["client_name"]) for name, one in contract[kind].items() if one.get("client_name")}
        for kind in ("tasks", "types")
    )
    return GivenNames(tasks, types)
