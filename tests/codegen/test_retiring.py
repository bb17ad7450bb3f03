"""Tasks on their way out: deprecated ones warn their callers, and the names of retired ones stay reserved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.codegen.generated import imported
from typedtasks import Broker, DefinitionError
from typedtasks_codegen import package_files, read_contract


def retiring() -> Broker:
    broker = Broker("memory://", reserved=["mails.post", "mails.fax"])

    @broker.task(name="mails.send", deprecated="Use mails.deliver.")
    async def send(address: str) -> int:
        """Send a mail."""
        return len(address)

    @broker.task(name="mails.deliver")
    async def deliver(address: str) -> int:
        return len(address)

    return broker


def test_the_contract_names_what_is_deprecated_and_what_is_reserved() -> None:
    contract = read_contract(retiring()).as_json()
    assert isinstance(contract, dict)
    tasks = contract["tasks"]
    assert isinstance(tasks, dict)
    assert {name: "deprecated" in task for name, task in tasks.items() if isinstance(task, dict)} == {
        "mails.send": True,
        "mails.deliver": False,
    }
    assert contract["reserved"] == ["mails.fax", "mails.post"]


def test_no_task_may_have_the_name_of_a_retired_one() -> None:
    broker = retiring()
    with pytest.raises(DefinitionError, match=r"'mails\.fax' is reserved: a task that is retired had it"):

        @broker.task(name="mails.fax")
        async def fax() -> None: ...


@pytest.mark.parametrize("reserved", ["mails.fax", [""], [1], 5, ["a\nb"]])
def test_reserved_wants_names_of_tasks(reserved: object) -> None:
    with pytest.raises(DefinitionError, match="pass the names of tasks"):
        Broker("memory://", reserved=reserved)  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize("deprecated", ["", " ", True, "a\x00b"])
def test_deprecated_says_what_to_use_instead(deprecated: object) -> None:
    broker = Broker("memory://")
    with pytest.raises(DefinitionError, match="does not say what to use instead"):

        @broker.task(deprecated=deprecated)  # type: ignore[call-overload,untyped-decorator]  # what is refused
        async def old() -> None: ...


def test_a_client_warns_of_a_deprecated_task_where_it_is_used(tmp_path: Path) -> None:
    with imported(retiring(), tmp_path, "mail_tasks") as client:
        one = client.Client("memory://")
        with pytest.warns(DeprecationWarning, match=r"mails\.send is deprecated\. Use mails\.deliver\.") as warned:
            _ = one.mails_send
        assert warned[0].filename == __file__
        assert one.mails_deliver.name == "mails.deliver"
        assert [task.deprecated for task in read_contract(one.tasks.broker).tasks] == ["", "Use mails.deliver."]


def test_checkers_flag_a_deprecated_task(tmp_path: Path) -> None:
    for name, text in package_files(retiring(), "app:broker", "mail_tasks").items():
        path = tmp_path / "mail_tasks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "use.py").write_text(
        "from mail_tasks import BlockingClient, Client\n"
        "async def use(client: Client, blocking: BlockingClient) -> None:\n"
        "    await client.mails_deliver.enqueue('a')\n"
        "    await client.mails_send.enqueue('a')\n"
        "    blocking.mails_send.enqueue('a')\n",
        encoding="utf-8",
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--enable-error-code", "deprecated", "--no-incremental", "use.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    flagged = [line.partition(":")[2].partition(":")[0] for line in checked.stdout.splitlines() if "[deprecated]" in line]
    assert flagged == ["4", "5"], checked.stdout
