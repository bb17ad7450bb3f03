"""`typedtasks schema --asyncapi`: a document that AsyncAPI's own schema takes, and whose references lead somewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from examples.github_users.tasks import broker as github
from examples.orders.tasks import broker as orders
from tests.codegen.every_type import broker as every_type
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.processes import ROOT
from typedtasks import Broker
from typedtasks_codegen import asyncapi_document

OFFICIAL = json.loads((Path(__file__).parent / "data" / "asyncapi-3.0.0.json").read_text(encoding="utf-8"))


def references(data: object) -> Iterator[str]:
    if isinstance(data, dict):
        if isinstance(data.get("$ref"), str):
            yield data["$ref"]
        for value in data.values():
            yield from references(value)
    elif isinstance(data, list):
        for value in data:
            yield from references(value)


# Any: JSON data, whose shape is what the tests look at.
def found(document: Any, reference: str) -> Any:
    place = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step.replace("~1", "/").replace("~0", "~")]
    return place


@pytest.mark.parametrize("broker", [github, orders, every_type, odd_shapes], ids=["github", "orders", "every_type", "odd_shapes"])
def test_the_document_is_valid_and_complete(broker: Broker) -> None:
    """Every task has its call, its result and its failures, and no reference leads nowhere."""
    document: Any = asyncapi_document(broker, "a service")
    jsonschema.validate(document, OFFICIAL)
    for reference in references(document):
        assert found(document, reference) is not None
    assert sorted(operation["title"] for operation in document["operations"].values()) == sorted(broker.tasks)
    for operation in document["operations"].values():
        task = broker.tasks[operation["title"]]
        assert found(document, operation["channel"]["$ref"])["address"] == task.definition.queue
        replies = [found(document, found(document, one["$ref"])["$ref"]) for one in operation["reply"]["messages"]]
        assert len(replies) == len(task.definition.raises) + 2


def test_payloads_are_what_goes_over_the_wire() -> None:
    """A schema holds where it stands: its references were moved with it."""
    document: Any = asyncapi_document(github, "github")
    message = document["components"]["messages"]["github.fetch_user.call"]
    whole = {**message["payload"]["schema"], "components": document["components"]}
    validator = Draft202012Validator(whole)
    assert validator.is_valid({"login": "torvalds"})
    assert not validator.is_valid({"login": "-"})
    assert message["headers"]["properties"]["contract"]["default"] == github.tasks["github.fetch_user"].contract()
    failure = document["components"]["messages"]["github.fetch_user.UserNotFound"]
    assert failure["headers"]["properties"]["type"] == {"const": "UserNotFound"}
    assert list(failure["payload"]["schema"]["properties"]) == ["login"]


def test_tasks_whose_names_are_alike_have_messages_of_their_own() -> None:
    broker = Broker("memory://")
    for name in ("a b", "a/b", "a_b"):

        @broker.task(name=name)
        async def same() -> None: ...

    document: Any = asyncapi_document(broker, "a service")
    jsonschema.validate(document, OFFICIAL)
    assert {key: one["title"] for key, one in document["operations"].items()} == {"a_b": "a b", "a_b_2": "a/b", "a_b_3": "a_b"}


def test_the_command_prints_the_same_bytes_in_every_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-m", "typedtasks", "schema", "examples.orders.tasks:broker", "--asyncapi"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    (document,) = printed
    assert json.loads(document)["asyncapi"] == "3.0.0"
