"""What an editor shows while tasks are written and called, from basedpyright's language server."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from stubs.github_tasks import Client
from tests.editor.app import parse_user
from tests.editor.server import LanguageServer
from tests.processes import ROOT
from typedtasks import TaskHandle
from typedtasks.options import EnqueueOptions, TaskOptions

COMMAND: Final = (str(Path(sys.executable).with_name("basedpyright-langserver")), "--stdio")
TASK: Final = "from app import parse_user\nasync def main() -> None:\n    "
CLIENT: Final = (
    "from github_tasks import BlockingClient, Client\nasync def main(client: Client, blocking: BlockingClient) -> None:\n    "
)
PARAMETERS: Final = ("login: str", "*", "depth: int = 0", "lang: Literal['en', 'de'] = \"en\"")


@pytest.fixture(scope="session")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """One server for all tests; its workspace has an application with tasks, and the client of another."""
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copy(Path(__file__).with_name("app.py"), folder)
    shutil.copytree(ROOT / "stubs" / "github_tasks", folder / "github_tasks")
    with LanguageServer(COMMAND, folder) as server:
        yield server


def public(offered: dict[str, str]) -> set[str]:
    """Return the names that are offered and not private."""
    return {label for label in offered if not label.startswith("_")}


def test_after_the_dot_of_a_task_comes_what_it_has(editor: LanguageServer) -> None:
    """Its own members and nothing that is not there at run time."""
    offered = public(editor.complete(TASK + "parse_user.‸"))
    assert {"enqueue", "call", "options", "name", "function"} <= offered
    assert [name for name in offered if not hasattr(parse_user, name)] == []


def test_after_the_dot_of_a_handle_and_of_a_result_comes_what_they_have(editor: LanguageServer) -> None:
    """The type of the result is that of the function's annotation."""
    offered = public(editor.complete(TASK + "handle = await parse_user.enqueue('a')\n    handle.‸"))
    assert offered == {name for name in dir(TaskHandle) if not name.startswith("_")}
    assert {"login", "followers"} <= public(editor.complete(TASK + "(await (await parse_user.enqueue('a')).result()).‸"))


def test_inside_enqueue_come_the_parameters(editor: LanguageServer) -> None:
    """By name, and the values of a literal."""
    offered = editor.complete(TASK + "await parse_user.enqueue(‸")
    assert [label for label in offered if label.endswith("=")] == ["login=", "depth=", "lang="]
    assert {"'en'", "'de'"} <= set(editor.complete(TASK + "await parse_user.enqueue('a', lang=‸"))


def test_inside_options_come_the_options(editor: LanguageServer) -> None:
    """Those of a call, and those of a task."""
    offered = editor.complete(TASK + "parse_user.options(‸")
    assert {label for label in offered if label.endswith("=")} == {f"{name}=" for name in EnqueueOptions.__annotations__}
    offered = editor.complete("from app import broker\nbroker.task(‸")
    assert {label for label in offered if label.endswith("=")} == {f"{name}=" for name in (*TaskOptions.__annotations__, "raises")}


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("parse_user.enqueue(", "CoroutineType[Any, Any, TaskHandle[GithubUser, RateLimited | UserNotFound]]"),
        ("parse_user.options(delay=1).enqueue(", "CoroutineType[Any, Any, TaskHandle[GithubUser, RateLimited | UserNotFound]]"),
        ("parse_user.call(", "Call[GithubUser, RateLimited | UserNotFound]"),
        ("parse_user(", "CoroutineType[Any, Any, GithubUser]"),
    ],
)
def test_the_signature_of_a_call_is_that_of_the_function(editor: LanguageServer, call: str, result: str) -> None:
    """With names, defaults and the result; the parameter that is being written is marked."""
    shown = editor.signature(f"{TASK}{call}‸")
    assert shown.parameters == PARAMETERS
    assert shown.label == f"({', '.join(PARAMETERS)}) -> {result}"
    assert shown.documentation
    assert editor.signature(f"{TASK}{call}'a', lang=‸").active == PARAMETERS.index(PARAMETERS[-1])


def test_the_mouse_on_a_task_shows_its_types_and_docstring(editor: LanguageServer) -> None:
    """And on enqueue what that does."""
    shown = editor.hover(TASK + "await parse_u‸ser.enqueue('a')")
    assert f"AsyncTask[({', '.join(PARAMETERS)}), GithubUser, RateLimited | UserNotFound]" in shown
    assert "Fetch one GitHub user and the users around them." in shown
    assert "Validate the arguments, send the call" in editor.hover(TASK + "await parse_user.enq‸ueue('a')")


@pytest.mark.parametrize("call", ["parse_u‸ser.enqueue('a')", "parse_u‸ser('a')", "parse_u‸ser.options(delay=1).enqueue('a')"])
def test_a_call_leads_to_the_function(editor: LanguageServer, call: str) -> None:
    """Not to the decorator, and not into typedtasks."""
    found = editor.definition(f"{TASK}await {call}")
    assert found.file == "app.py"
    assert found.line.startswith("async def parse_user(")


def test_the_client_of_another_service_offers_its_tasks(editor: LanguageServer) -> None:
    """And no more than is there."""
    offered = public(editor.complete(CLIENT + "client.‸"))
    assert {"github_fetch_user", "enqueue_many", "handle"} <= offered
    client = Client("memory://")
    assert [name for name in offered if not hasattr(client, name)] == []
    assert {"enqueue", "call", "options"} <= public(editor.complete(CLIENT + "blocking.github_fetch_user.‸"))
    offered_inside = editor.complete(CLIENT + "client.github_fetch_user.enqueue(‸")
    assert [label for label in offered_inside if label.endswith("=")] == ["login="]


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("client.github_fetch_user.enqueue(", "CoroutineType[Any, Any, TaskHandle[GithubUser, UserNotFound | RateLimited]]"),
        ("blocking.github_fetch_user.enqueue(", "BlockingHandle[GithubUser, UserNotFound | RateLimited]"),
    ],
)
def test_the_signature_of_a_clients_call_is_that_of_the_service(editor: LanguageServer, call: str, result: str) -> None:
    """Although the service's code is not here."""
    assert editor.signature(f"{CLIENT}{call}‸").label == f"(login: str) -> {result}"


def test_the_mouse_on_a_clients_task_shows_its_types_and_docstring(editor: LanguageServer) -> None:
    """A jump leads to its signature in the stub."""
    shown = editor.hover(CLIENT + "await client.github_fetch_u‸ser.enqueue('a')")
    assert "github_fetch_user: Task[(login: str), GithubUser, UserNotFound | RateLimited]" in shown
    assert "Fetch one user. A rate limit is waited for by the queue, not by a worker." in shown
    assert editor.definition(CLIENT + "await client.github_fetch_u‸ser.enqueue('a')") == (
        "github_tasks/__init__.pyi",
        "async def github_fetch_user(",
    )
