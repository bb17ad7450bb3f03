"""The tasks of a broker as an AsyncAPI 3.0 document: queues as channels, calls as messages, outcomes as replies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from pydantic import JsonValue

from typedtasks import Broker
from typedtasks.task import AnyTask
from typedtasks_codegen.annotations import tidy_doc
from typedtasks_codegen.contract import Contract
from typedtasks_codegen.reading import read_contract
from typedtasks_codegen.wire_schemas import failure_schemas, json_schemas

__all__ = ["asyncapi_document"]

_FORMAT: Final = "application/schema+json;version=2020-12"
_REPLIES: Final = "outcomes"
_ENDED: Final = "ended"
_ENDINGS: Final = ("crashed", "timed_out", "rejected", "result_invalid", "cancelled", "expired")

_Json = dict[str, JsonValue]


def asyncapi_document(broker: Broker, title: str) -> JsonValue:
    """Return the document, as data; `title` names the service. Raises `GenerationError` for what cannot be described.

    Headers are the first line of an envelope or outcome, payloads what follows it: see docs/wire-format.md.
    """
    contract = read_contract(broker)
    keys = _keys(task.name for task in contract.tasks)
    messages, schemas = _messages(broker, contract, keys)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": contract.version(),
            "description": "Tasks of typedtasks. A message is one line of JSON, its headers, then its payload as JSON.",
        },
        "defaultContentType": "application/json",
        "channels": _channels(contract, keys, messages),
        "operations": {keys[task.name]: _operation(task, keys[task.name], messages) for task in broker.tasks.values()},
        "components": {"messages": dict(sorted(messages.items())), "schemas": dict(sorted(schemas.items()))},
    }


def _keys(names: Iterable[str]) -> Mapping[str, str]:
    """Return a key of letters, digits, `.`, `_` and `-` for each task; two tasks never have the same."""
    keys: dict[str, str] = {}
    for name in sorted(names):
        stem = key = re.sub(r"[^A-Za-z0-9._-]", "_", name)
        number = 2
        while key in keys.values():
            key, number = f"{stem}_{number}", number + 1
        keys[name] = key
    return keys


def _messages(broker: Broker, contract: Contract, keys: Mapping[str, str]) -> tuple[_Json, _Json]:
    """Return the messages of all tasks, and the types that they refer to."""
    schemas = json_schemas(broker, _place("arguments"), _place("results"))
    failures, failure_types = failure_schemas(
        {task.name: broker.tasks[task.name].definition.raises for task in contract.tasks}, _place("failures")
    )
    messages: _Json = {_ENDED: _ended()}
    for task in contract.tasks:
        key = keys[task.name]
        headers = _call_headers(task.name, task.envelope_hash)
        call = _message(f"{key}.call", f"Calls {task.name}", headers, schemas.arguments[task.name])
        call.update({"description": task.doc} if task.doc else {})
        messages[f"{key}.call"] = call
        success = _outcome_headers({"const": "success"})
        messages[f"{key}.success"] = _message(f"{key}.success", f"The result of {task.name}", success, schemas.results[task.name])
        for name, schema in failures[task.name].items():
            headers = _outcome_headers({"const": "failure"}, {"type": {"const": name}})
            messages[f"{key}.{name}"] = _message(f"{key}.{name}", f"{task.name} failed with {name}", headers, schema)
    types = {"arguments": schemas.argument_types, "results": schemas.result_types, "failures": failure_types}
    return messages, {f"{way}.{name}": _schema(one) for way, of_way in types.items() for name, one in of_way.items()}


def _place(way: str) -> str:
    return f"#/components/schemas/{way}.{{model}}/schema"


def _schema(schema: JsonValue) -> _Json:
    return {"schemaFormat": _FORMAT, "schema": schema}


def _message(key: str, title: str, headers: JsonValue, payload: JsonValue) -> _Json:
    return {"name": key, "title": title, "headers": headers, "payload": _schema(payload)}


def _call_headers(task: str, contract: str) -> _Json:
    return {
        "type": "object",
        "required": ["v", "task"],
        "properties": {
            "v": {"const": 1},
            "task": {"const": task},
            "contract": {"type": "string", "default": contract},
            "reply_to": {"type": "string"},
            "expires_ms": {"type": "integer"},
            "timeout": {"type": "number"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }


def _outcome_headers(outcome: JsonValue, more: Mapping[str, JsonValue] | None = None) -> _Json:
    properties: _Json = {"v": {"const": 1}, "outcome": outcome, "attempts": {"type": "integer", "default": 1}, **(more or {})}
    return {"type": "object", "required": ["v", "outcome", *(more or {})], "properties": properties}


def _ended() -> JsonValue:
    texts: _Json = {name: {"type": "string"} for name in ("type", "message", "traceback")}
    headers = _outcome_headers({"enum": list(_ENDINGS)})
    headers["properties"] = {**cast("_Json", headers["properties"]), **texts}
    empty: _Json = {"description": "Nothing follows the first line."}
    return _message(_ENDED, "An end without a result", headers, empty)


def _channels(contract: Contract, keys: Mapping[str, str], messages: Mapping[str, JsonValue]) -> _Json:
    queues: dict[str, list[str]] = {}
    for task in contract.tasks:
        queues.setdefault(task.queue, []).append(f"{keys[task.name]}.call")
    channels: _Json = {
        f"queue.{queue}": {"address": queue, "title": f"The queue {queue}", "messages": _references(names)}
        for queue, names in sorted(queues.items())
    }
    replies = sorted(key for key in messages if not key.endswith(".call"))
    channels[_REPLIES] = {
        "address": None,
        "title": "Outcomes",
        "description": "An outcome is kept under the task's id, and told to the client that reply_to names.",
        "messages": _references(replies),
    }
    return channels


def _references(names: Sequence[str]) -> _Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _operation(task: AnyTask, key: str, messages: Mapping[str, JsonValue]) -> JsonValue:
    def on(channel: str, names: Sequence[str]) -> _Json:
        return {
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
        }

    failures = sorted(f"{key}.{failure.__name__}" for failure in task.definition.raises)
    operation: _Json = {
        "action": "receive",
        "title": task.name,
        **on(f"queue.{task.definition.queue}", [f"{key}.call"]),
        "reply": on(_REPLIES, [f"{key}.success", *failures, _ENDED]),
    }
    doc = tidy_doc(task.function.__doc__)
    return {**operation, "description": doc} if doc else operation
