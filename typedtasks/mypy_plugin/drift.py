"""Tasks whose signature breaks the committed contract, by the rules of `typedtasks breaking`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from mypy.nodes import ARG_NAMED, ARG_NAMED_OPT, ARG_OPT, ARG_STAR, ARG_STAR2, ArgKind, StrExpr
from mypy.types import CallableType, Instance, UninhabitedType, UnionType, get_proper_type

from typedtasks.mypy_plugin import codes
from typedtasks.mypy_plugin.dependencies import Dependencies
from typedtasks.mypy_plugin.draft import Data, Draft
from typedtasks.mypy_plugin.report import report
from typedtasks.mypy_plugin.settings import SettingsError
from typedtasks.mypy_plugin.site import Parameter, Site, option
from typedtasks_codegen.compatibility import ContractInvalid, Order, compare_tasks, parse_contract

__all__ = ["Drift"]

_KINDS: Final = {
    ARG_STAR: "var_positional",
    ARG_STAR2: "var_keyword",
    ARG_NAMED: "keyword_only",
    ARG_NAMED_OPT: "keyword_only",
}


class Drift:
    """Compares tasks with a contract. Raises `SettingsError` for a file that is none."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        try:
            self._committed: Data = dict(parse_contract(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            if isinstance(error, FileNotFoundError):
                reason = f"{reason}; `typedtasks generate` writes it"
            raise SettingsError(f"typedtasks_contract: {path} cannot be read: {reason}.") from None
        except ContractInvalid as reason:
            raise SettingsError(f"typedtasks_contract: {path}: {reason}.") from None

    def check(self, site: Site, injected: frozenset[int], dependencies: Dependencies) -> None:
        """Report at the task what of it breaks the contract, in whatever order clients and workers are deployed."""
        name = _task_name(site)
        if name is None or name not in self._committed["tasks"] or not isinstance(site.function, CallableType):
            return
        changes = compare_tasks(self._committed, self._drafted(site, site.function, name, injected, dependencies), name)
        orders = [[change for change in changes if change.breaks_in(order)] for order in Order]
        if not all(orders):
            return
        always = [change for change in orders[0] if all(change in found for found in orders)]
        breaking = always or dict.fromkeys(change for found in orders for change in found)
        instead = " ".join(dict.fromkeys(change.rule.instead for change in breaking)).removesuffix(".")
        text = f"{'; '.join(f'{change} ({change.rule.id})' for change in breaking)}. Instead: {instead}"
        report(site.checker, f'The task "{name}" breaks {self._name}: {text}', site.place, codes.CONTRACT)

    def _drafted(self, site: Site, function: CallableType, name: str, injected: frozenset[int], dependencies: Dependencies) -> Data:
        """Return the contract with this one task as the program has it."""
        draft = Draft(self._committed, partial(dependencies.add, site.checker))
        old: Data = self._committed["tasks"][name]
        known = {parameter["name"]: parameter for parameter in old["parameters"]}
        sent = [parameter for parameter in site.parameters if parameter.place not in injected]
        task: Data = {
            **old,
            "parameters": [_drafted_parameter(parameter, function, known.get(parameter.name, {}), draft) for parameter in sent],
            "result": draft.form(site.returns, old["result"]),
            "raises": _raises(site, old["raises"], draft),
        }
        queue = option(site.options, "queue")
        if isinstance(queue, StrExpr):
            task["queue"] = queue.value
        return {**self._committed, "tasks": {**self._committed["tasks"], name: task}, "types": draft.types}


def _drafted_parameter(parameter: Parameter, function: CallableType, old: Data, draft: Draft) -> Data:
    kind = function.arg_kinds[parameter.place]
    new: Data = {
        "name": parameter.name,
        "kind": _kind(kind, has_name=function.arg_names[parameter.place] is not None),
        "type": draft.form(parameter.type, old.get("type")),
    }
    if kind in (ARG_OPT, ARG_NAMED_OPT):
        new["default"] = old.get("default")
    return new


def _kind(kind: ArgKind, *, has_name: bool) -> str:
    return _KINDS.get(kind) or ("positional_or_keyword" if has_name else "positional_only")


def _raises(site: Site, old: list[str], draft: Draft) -> list[str]:
    """Return the ids of the declared failures. From seven on mypy sees their common base: then nothing is known."""
    declared = get_proper_type(site.result.args[-1]) if isinstance(site.result, Instance) else None
    if isinstance(declared, UninhabitedType):
        return []
    items = [get_proper_type(item) for item in declared.items] if isinstance(declared, UnionType) else [declared]
    kinds = [item for item in items if isinstance(item, Instance) and item.type.fullname != "typedtasks.errors.TaskError"]
    if len(kinds) < len(items):
        return old
    by_name = {id.rpartition(".")[2]: id for id in old}
    ids = [draft.id_of(kind.type, by_name.get(kind.type.name)) for kind in kinds]
    for id, kind in zip(ids, kinds, strict=True):
        draft.define(id, kind)
    return ids


def _task_name(site: Site) -> str | None:
    """Return a task's name; None where it is not a literal."""
    written = option(site.options, "name")
    if written is None:
        definition = site.definition
        return f"{site.module.fullname}.{definition.name}" if definition is not None else None
    return written.value if isinstance(written, StrExpr) else None
