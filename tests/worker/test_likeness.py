"""The child processes of a worker are like it: they find what it found, log as it does, and end as it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from tests.processes import ROOT
from typedtasks import Broker, DefinitionError, Worker
from typedtasks.contract import default_task_name
from typedtasks.worker.cpus import usable_cpus

BROKER = "from typedtasks import Broker\n\nbroker = Broker()\n"
TASKS = """
import atexit, logging, os, sys
from pathlib import Path
from shop.broker import broker

def flush() -> None:
    with Path(os.environ["FLUSHED"]).open("a") as file:
        file.write(f"{os.getpid()}\\n")

atexit.register(flush)

@broker.task(name="facts", executor="process")
def facts() -> str:
    import json
    logging.getLogger("shop").info("quiet")
    logging.getLogger("shop").warning("loud")
    flags = {name: getattr(sys.flags, name) for name in ("optimize", "bytes_warning", "dont_write_bytecode")}
    return json.dumps([os.getpid(), sys.path, flags, sys.warnoptions, sys._xoptions, os.getcwd(), os.environ["FLUSHED"]])
"""
MAIN = """
import asyncio, os
from shop.jobs import facts
from shop.broker import broker
from typedtasks import Worker

async def main() -> None:
    async with broker, asyncio.timeout(30), Worker(broker):
        print(facts.function())
        print(await (await facts.enqueue()).result())

if __name__ == "__main__":
    asyncio.run(main())
"""
FILES = {"src/shop/__init__.py": "", "src/shop/broker.py": BROKER, "src/shop/jobs.py": TASKS, "src/main.py": MAIN}
SHADOWS = ("queue", "sqlite3", "tempfile", "hashlib", "secrets", "logging", "selectors")


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write a project."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def zipped(folder: Path) -> None:
    """Make a zip of it that Python runs."""
    with zipfile.ZipFile(folder / "app.pyz", "w") as archive:
        for path, text in FILES.items():
            archive.writestr(path.removeprefix("src/"), text)
        archive.writestr("__main__.py", "import asyncio, main\nasyncio.run(main.main())\n")


def ran(folder: Path, arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Return what Python has done in the folder."""
    environment = {
        **os.environ,
        "TYPEDTASKS_URL": f"sqlite:///{folder / 'tasks.db'}",
        "FLUSHED": str(folder / "flushed"),
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [["src/main.py"], ["-O", "-Werror::FutureWarning", "-Xfaulthandler", "src/main.py"], ["-P", "-m", "main"], ["app.pyz"]],
    ids=["script", "options", "safe path", "zip"],
)
def test_a_child_is_like_its_parent(arguments: list[str], tmp_path: Path) -> None:
    """The broker and its tasks in two modules, in a program of one's own; what it says in its log is what its parent would say."""
    write(tmp_path, FILES)
    zipped(tmp_path)
    more = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "src")])} if "-m" in arguments else {}
    done = ran(tmp_path, arguments, **more)
    parent, child = (cast("list[object]", json.loads(line)) for line in done.stdout.splitlines())
    assert parent[0] != child[0]
    assert parent[1:] == child[1:]
    assert done.stderr.count("loud") == 2
    assert "quiet" not in done.stderr
    flushed = (tmp_path / "flushed").read_text().split()
    assert sorted(flushed) == sorted(str(process) for process in (parent[0], child[0]))


def test_a_worker_and_its_processes_end_in_good_order_and_log_alike(tmp_path: Path) -> None:
    """In a project whose files are named as modules of Python: they are taken for those nowhere."""
    write(tmp_path, {**{f"{name}.py": "NAME = 'ours'\n" for name in SHADOWS}, **{path[4:]: text for path, text in FILES.items()}})
    call = "import sys; sys.path.append('.'); import asyncio; from shop.jobs import broker, facts\n"
    call += "async def main():\n    async with broker: await facts.enqueue()\nasyncio.run(main())"
    assert ran(tmp_path, ["-P", "-c", call]).returncode == 0
    log = ["--log-format", "json", "--log-level", "warning"]
    done = ran(tmp_path, ["-m", "typedtasks", "worker", "shop.jobs:broker", "--burst", "--processes", "2", *log])
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["loud"]
    # The sender, the supervisor, its two processes, and the child of one of them.
    assert len((tmp_path / "flushed").read_text().split()) == 5


async def test_a_task_of_the_program_itself_cannot_run_in_a_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Children do not run the program again; the worker says so at its start."""
    broker = Broker(f"sqlite:///{tmp_path / 'tasks.db'}")

    @broker.task(name="square", executor="process")
    def square(number: int) -> int:
        return number * number

    square.function.__module__ = "__main__"
    monkeypatch.setattr(sys.modules[__name__], "held", broker, raising=False)

    async with broker:
        with pytest.raises(DefinitionError, match=r"square: .*defined in the program itself.*: move it into a module"):
            await Worker(broker).run(burst=True)


@pytest.mark.parametrize("queues", ["mail", b"mail", 7, ["mail", 7], ["no name"], [None]])
def test_queues_that_are_no_list_of_names_are_refused(queues: object) -> None:
    """A string is a sequence of strings, so no type checker would say it."""
    with pytest.raises(DefinitionError, match=r"not a list of names: pass one, as queues=\[|is not a queue name"):
        Worker(Broker("memory://"), queues=queues)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("application", ["app", "app:", ":broker", 7])
def test_an_application_that_names_no_broker_is_refused(application: object) -> None:
    """When the worker is made, not when a child cannot begin."""
    with pytest.raises(DefinitionError, match="names no broker: pass 'module:name'"):
        Worker(Broker("memory://"), application=application)  # type: ignore[arg-type]  # that is the point


MAIN_NAMES: dict[str, tuple[dict[str, object], str]] = {
    "script": ({"__name__": "__main__", "__file__": "/srv/jobs.py", "__spec__": None}, "jobs.f"),
    "module": ({"__name__": "__main__", "__spec__": type("Spec", (), {"name": "shop.jobs"})}, "shop.jobs.f"),
    "package": ({"__name__": "__main__", "__spec__": type("Spec", (), {"name": "shop.__main__"})}, "shop.__main__.f"),
    "spawned": ({"__name__": "__mp_main__", "__file__": "/srv/jobs.py"}, "jobs.f"),
    "interactive": ({"__name__": "__main__"}, "__main__.f"),
}


@pytest.mark.parametrize("name", MAIN_NAMES)
def test_a_program_names_its_tasks_as_a_worker_does_that_imports_it(name: str) -> None:
    """Whether it is a script, a module, a package, or was spawned by multiprocessing."""
    names, expected = MAIN_NAMES[name]
    names = {**names}
    exec("def f() -> None: ...", names)  # noqa: S102 - a function of another module
    assert default_task_name(cast("Callable[[], None]", names["f"])) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 3),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 2),
        (
            {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/cpu.max": "50000 100000"},
            1,
        ),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "900000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/../../elsewhere\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "what is this\n"}, 3),
        (
            {
                "proc/self/cgroup": "4:memory:/a\n3:cpu,cpuacct:/a\n0::/\n",
                "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "110000\n",
                "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
    ],
)
def test_as_many_cpus_are_used_as_the_process_may_use(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its affinity, and by the quotas of its control group and of those above, in both versions of them."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 5})
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    write(tmp_path, files)
    assert usable_cpus(tmp_path) == expected
