"""The rules: what a change of a contract is called, whom it breaks in which order of deployment, why, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from typedtasks_codegen.compatibility.breaks import Break, Category, Direction, Order, Rule

__all__ = ["RULES"]


_SOURCE: Final = Break(Category.SOURCE)
_WIRE_ALWAYS: Final = Break(Category.WIRE)
_OLD_CLIENTS: Final = Break(Category.WIRE, (Order.WORKERS_FIRST,))
_OLD_WORKERS: Final = Break(Category.WIRE, (Order.CLIENTS_FIRST,))
_WAITING: Final = Break(Category.WIRE_IN_FLIGHT)

_NARROWED: Final = (_SOURCE, _OLD_CLIENTS, _WAITING)
"""Arguments: what callers send today, and what waits already, is refused by new workers."""
_CHANGED: Final = (_SOURCE, _WIRE_ALWAYS, _WAITING)
"""Neither version understands the other one."""
_WIDENED: Final = (_OLD_WORKERS,)
"""Arguments: what new clients send is refused by old workers."""
_RESULT_WIDENED: Final = (_SOURCE, _OLD_CLIENTS)
"""Results: what new workers return is not understood by old clients."""
_RESULT_NARROWED: Final = (_OLD_WORKERS, _WAITING)
"""Results: what old workers return, or have returned, is not understood by new clients."""

_IN: Final = Direction.TO_WORKER
_OUT: Final = Direction.TO_CLIENT
_NEITHER: Final = Direction.NONE

_NEW_TASK: Final = "Define a new task under another name, move the callers, and retire the old one."
_OPTIONAL: Final = "Give it a default."
_WORKERS_FIRST: Final = "Deploy the workers before the clients."
_CLIENTS_FIRST: Final = "Deploy the clients before the workers, and wait for `result_ttl` where results are kept."

_ALL: Final = (
    Rule(
        "task-removed",
        _IN,
        (_SOURCE, _OLD_CLIENTS, _WAITING),
        "Clients still call it; what waits is parked until a worker knows it.",
        "Mark it deprecated, wait until `typedtasks breaking --pending` finds none of it, then remove it and reserve its name.",
    ),
    Rule("task-added", _IN, (_OLD_WORKERS,), "Workers without it park what is sent to it until one with it comes.", _WORKERS_FIRST),
    Rule(
        "task-deprecated",
        _NEITHER,
        (),
        "Checkers and editors flag the calls of it from now on.",
        "Nothing; tell the callers by when to move.",
    ),
    Rule(
        "client-name-changed",
        _NEITHER,
        (_SOURCE,),
        "Callers' code has the task or the type under the name that generated clients gave it.",
        "Generate with the committed contract.json in its place: the names that it gives are kept.",
    ),
    Rule(
        "reserved-name-used",
        _IN,
        (_WIRE_ALWAYS, _WAITING),
        "The name belonged to a task that is retired: its old messages and callers would reach the new one.",
        "Take another name.",
    ),
    Rule(
        "reservation-removed",
        _NEITHER,
        (),
        "Somebody may give the name of a retired task to another one.",
        "Keep the name reserved.",
    ),
    Rule(
        "task-queue-changed",
        _IN,
        (_WIRE_ALWAYS, _WAITING),
        "Workers of one version do not read the queue that the other version sends to.",
        "Let workers read both queues (`typedtasks worker app.tasks:broker --queues old,new`) until the old one is empty.",
    ),
    Rule(
        "task-limit-lowered",
        _IN,
        (_OLD_CLIENTS, _WAITING),
        "Messages of a size that was allowed are refused by new workers.",
        "Keep max_payload; send a reference to large data instead.",
    ),
    Rule(
        "task-limit-raised",
        _IN,
        (_OLD_WORKERS,),
        "Larger messages than old workers take can be sent.",
        _WORKERS_FIRST,
    ),
    Rule(
        "task-option-changed",
        _NEITHER,
        (),
        "Retries, timeout, priority or how long results are kept are different from now on.",
        "Nothing, if that is what you want.",
    ),
    Rule(
        "parameter-removed-required",
        _IN,
        _CHANGED,
        "Messages that carry it are refused, because an unknown argument is never dropped in silence; old workers need it.",
        "Give it a default first and ignore it; remove it when no client sends it.",
    ),
    Rule(
        "parameter-removed-optional",
        _IN,
        _NARROWED,
        "Messages that carry it are refused: an unknown argument is never dropped in silence.",
        "Keep it and ignore it until no client sends it.",
    ),
    Rule(
        "parameter-added-required",
        _IN,
        _CHANGED,
        "Messages without it are refused; old workers refuse those that carry it.",
        _OPTIONAL,
    ),
    Rule("parameter-added-optional", _IN, _WIDENED, "Old workers refuse messages that carry it.", _WORKERS_FIRST),
    Rule("parameter-default-removed", _IN, _NARROWED, "Messages that leave it out are refused.", "Keep the default."),
    Rule("parameter-default-added", _IN, _WIDENED, "Old workers refuse messages that leave it out.", _WORKERS_FIRST),
    Rule(
        "parameter-default-changed",
        _IN,
        (),
        "Messages that leave it out mean something else, those that wait included.",
        "Nothing, if that is what you want; else add a parameter.",
    ),
    Rule(
        "parameter-kind-changed",
        _IN,
        (_SOURCE,),
        "Calls that give it by position, or by name, no longer type-check. On the wire it has its name either way.",
        "Let it be given by position and by name.",
    ),
    Rule(
        "parameter-moved",
        _IN,
        (_SOURCE,),
        "Calls that give arguments by position give them to other parameters. On the wire each has its name.",
        "Add parameters at the end, or make them keyword-only.",
    ),
    Rule("argument-type-narrowed", _IN, _NARROWED, "Values that fit are refused.", _NEW_TASK),
    Rule("argument-type-widened", _IN, _WIDENED, "Old workers refuse some of the new values.", _WORKERS_FIRST),
    Rule(
        "argument-type-changed",
        _IN,
        _CHANGED,
        "Neither version takes what the other sends.",
        "Take both for a while (`old | new`), or add a parameter with a default.",
    ),
    Rule(
        "argument-constraint-tightened",
        _IN,
        _NARROWED,
        "Values that fit are refused.",
        "Check it in the task, and raise a declared failure.",
    ),
    Rule("argument-constraint-loosened", _IN, _WIDENED, "Old workers refuse some of the new values.", _WORKERS_FIRST),
    Rule(
        "argument-value-removed",
        _IN,
        _NARROWED,
        "Clients send this member of an enum or Literal.",
        "Keep the value, and let the task handle it.",
    ),
    Rule("argument-value-added", _IN, _WIDENED, "Old workers do not know this member of an enum or Literal.", _WORKERS_FIRST),
    Rule("argument-union-narrowed", _IN, _NARROWED, "Clients send this member of the union.", "Keep the member."),
    Rule("argument-union-widened", _IN, _WIDENED, "Old workers do not know this member of the union.", _WORKERS_FIRST),
    Rule("argument-field-required", _IN, _NARROWED, "Messages without the field are refused.", _OPTIONAL),
    Rule("argument-field-optional", _IN, _WIDENED, "Old workers refuse messages without the field.", _WORKERS_FIRST),
    Rule(
        "argument-field-removed",
        _IN,
        _NARROWED,
        "The type forbids unknown fields, so that messages which carry this one are refused.",
        "Keep the field with a default until no client sends it.",
    ),
    Rule(
        "argument-field-added",
        _IN,
        _WIDENED,
        "Old workers forbid unknown fields, and refuse messages which carry this one.",
        _WORKERS_FIRST,
    ),
    Rule(
        "argument-field-ignored",
        _IN,
        (_SOURCE,),
        "Callers that give the field no longer type-check; in messages it is dropped.",
        "Keep the field, and mark it deprecated.",
    ),
    Rule(
        "argument-validator-added",
        _IN,
        _NARROWED,
        "A validator may refuse what was taken; what it does cannot be read from the contract.",
        "Check it in the task, or ignore this rule where the validator refuses nothing that was taken.",
    ),
    Rule(
        "argument-validator-removed",
        _IN,
        _WIDENED,
        "Old workers still refuse what the validator refused.",
        _WORKERS_FIRST,
    ),
    Rule(
        "argument-not-comparable",
        _IN,
        _NARROWED,
        "It cannot be proved that all values that fit are still taken.",
        "Make the change smaller, or ignore this rule where you know that they are.",
    ),
    Rule(
        "argument-perhaps-widened",
        _IN,
        _WIDENED,
        "It cannot be proved that old workers take all that new clients send.",
        _WORKERS_FIRST,
    ),
    Rule(
        "argument-changed-in-code",
        _IN,
        (_SOURCE,),
        "Callers' code names, or makes, a type, field or member as it was.",
        "Keep the name as an alias.",
    ),
    Rule("result-type-widened", _OUT, _RESULT_WIDENED, "Old clients refuse some of the results.", _NEW_TASK),
    Rule("result-type-narrowed", _OUT, _RESULT_NARROWED, "New clients refuse some of the results of old workers.", _CLIENTS_FIRST),
    Rule(
        "result-type-changed",
        _OUT,
        _CHANGED,
        "Neither version understands what the other returns.",
        _NEW_TASK,
    ),
    Rule(
        "result-constraint-loosened",
        _OUT,
        _RESULT_WIDENED,
        "Old clients refuse some of the results.",
        "Keep within the old constraint.",
    ),
    Rule(
        "result-constraint-tightened",
        _OUT,
        _RESULT_NARROWED,
        "New clients refuse some results of old workers.",
        "Do not constrain what is kept already.",
    ),
    Rule(
        "result-value-added",
        _OUT,
        _RESULT_WIDENED,
        "Old clients do not know this member of an enum or Literal.",
        "Return it only to callers that ask for it by a new argument.",
    ),
    Rule(
        "result-value-removed",
        _OUT,
        _RESULT_NARROWED,
        "New clients do not know this member, which old workers return.",
        "Keep the member until no result holds it.",
    ),
    Rule("result-union-widened", _OUT, _RESULT_WIDENED, "Old clients do not know this member of the union.", _NEW_TASK),
    Rule(
        "result-union-narrowed",
        _OUT,
        _RESULT_NARROWED,
        "New clients do not know this member, which old workers return.",
        "Keep the member until no result holds it.",
    ),
    Rule(
        "result-validator-added",
        _OUT,
        _RESULT_NARROWED,
        "Clients that import the service's own code may refuse results of old workers; generated clients have no validators.",
        "Check it where the result is made, or ignore this rule where the validator refuses nothing that was returned.",
    ),
    Rule(
        "result-validator-removed",
        _OUT,
        (_OLD_CLIENTS,),
        "Old clients that import the service's own code still refuse what the validator refused; generated ones do not.",
        "Ignore this rule where all clients are generated, or where nothing else is returned than before.",
    ),
    Rule("result-field-removed", _OUT, _RESULT_WIDENED, "Old clients need the field.", "Keep the field, without a default."),
    Rule("result-field-required", _OUT, _RESULT_NARROWED, "Results of old workers do not have the field.", _OPTIONAL),
    Rule(
        "result-field-unread",
        _OUT,
        (_SOURCE,),
        "Callers read the field, which is gone; old clients take its default.",
        "Keep the field, and mark it deprecated.",
    ),
    Rule("result-field-new", _OUT, (), "Results of old workers do not have the field: new clients take its default.", "Nothing."),
    Rule(
        "result-field-added",
        _OUT,
        _RESULT_WIDENED,
        "Old clients forbid unknown fields.",
        "Let the type ignore unknown fields before you add one.",
    ),
    Rule(
        "result-field-dropped",
        _OUT,
        _RESULT_NARROWED,
        "New clients forbid unknown fields, which results of old workers have.",
        "Let the type ignore unknown fields.",
    ),
    Rule(
        "result-not-comparable",
        _OUT,
        _RESULT_WIDENED,
        "It cannot be proved that old clients understand all results.",
        "Make the change smaller, or ignore this rule where you know that they do.",
    ),
    Rule(
        "result-perhaps-narrowed",
        _OUT,
        _RESULT_NARROWED,
        "It cannot be proved that new clients understand all results of old workers.",
        _CLIENTS_FIRST,
    ),
    Rule(
        "result-changed-in-code",
        _OUT,
        (_SOURCE,),
        "Callers' code names, or makes, a type, field or member as it was.",
        "Keep the name as an alias.",
    ),
    Rule(
        "failure-added",
        _OUT,
        _RESULT_WIDENED,
        "Old clients do not know the failure, and callers do not handle it.",
        "Tell the callers first; a failure of a known class with a new field is gentler.",
    ),
    Rule(
        "failure-removed",
        _OUT,
        (_SOURCE, _OLD_WORKERS, _WAITING),
        "Callers catch the class; new clients do not know it in results that are kept.",
        "Keep it in raises= until no result holds it.",
    ),
)

RULES: Final[Mapping[str, Rule]] = {rule.id: rule for rule in _ALL}
"""All rules by id, in the order of the table in the documentation."""
