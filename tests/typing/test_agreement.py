"""The mypy plugin reports what the library refuses, and nothing else: held on definitions made at random."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.typing.definitions import definitions, module_of, refused
from tests.typing.plugin import configure, mypy

SEED, COUNT = 1, 400


def disagreements(folder: Path, seed: int, count: int) -> list[str]:
    """Return each definition of which the plugin says something else than the library, with what the library says."""
    tasks = definitions(seed, count)
    text = module_of(tasks)
    (folder / "tasks.py").write_text(text)
    configure(folder)
    errors = mypy(folder)
    first = text.count("\n", 0, text.index(tasks[0])) + 1
    found: list[str] = []
    for task, refusal in zip(tasks, refused(tasks), strict=True):
        last = first + task.count("\n")
        codes = {code for (_, line), at in errors.items() if first <= line <= last for code in at}
        is_reported = any(code.startswith("typedtasks-") for code in codes)
        is_reported_by_mypy = bool(refusal and codes)
        # Only pydantic knows the fields of models in JSON, and that Annotated[str, ...] | str is a union of two.
        is_hidden = "None | None" in task or ("|" in task and (task.count("Page[") > 1 or "Annotated" in task))
        if is_reported != bool(refusal) and not is_reported_by_mypy and not is_hidden:
            found.append(f"{'not reported' if refusal else 'reported'}: {task.strip()}\n    {refusal or sorted(codes)}")
        first = last + 1
    return found


def test_the_plugin_and_the_library_refuse_the_same_definitions(tmp_path: Path) -> None:
    """More of them: `python -m tests.typing.test_agreement SEED COUNT`."""
    found = disagreements(tmp_path, SEED, COUNT)
    assert not found, "\n".join(found)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        lines = disagreements(Path(temporary), int(sys.argv[1]), int(sys.argv[2]))
    print("\n".join(lines), f"{len(lines)} disagreements", sep="\n")
