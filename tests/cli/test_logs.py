"""The log of `typedtasks worker`: heard whatever an application does with logging, and no line of it forged or lost."""

from __future__ import annotations

import json
import logging
import logging.config
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, cast

import pytest

from typedtasks.cli.logs import set_up_logging
from typedtasks.logs import Log

FORGED = "13:00:00 ERROR   [1] root logged in"
ENDS = ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
CONFIGURED = {
    "version": 1,
    "handlers": {"out": {"class": "logging.StreamHandler"}},
    "root": {"level": "ERROR", "handlers": ["out"]},
}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Put back what the process logged to; its handlers are taken away first, else they would be closed."""
    root, own = logging.getLogger(), logging.getLogger("typedtasks")
    before = root.handlers[:], root.level, own.handlers[:], own.level
    root.handlers.clear()
    yield
    logging.captureWarnings(False)
    root.handlers[:], own.handlers[:] = before[0], before[2]
    root.setLevel(before[1])
    own.setLevel(before[3])
    for logger in [root.manager.getLogger(name) for name in root.manager.loggerDict]:
        logger.disabled = False


def raised(text: str) -> Exception:
    """Return an exception with a traceback, a cause and a note, all of which say the text."""
    try:
        try:
            raise KeyError(text)
        except KeyError as cause:
            error = ValueError(text)
            error.add_note(text)
            raise error from cause
    except ValueError as error:
        return error


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("format", ["text", "json"])
def test_no_text_of_others_begins_a_line(end: str, format: Literal["text", "json"], capfd: pytest.CaptureFixture[str]) -> None:
    """Neither in a message, nor in what is put into it, nor in an exception, nor in its causes and notes; whoever logs."""
    set_up_logging(format, "info")
    text = f"ada{end}{FORGED}"
    logging.getLogger("shop").error(text)
    logging.getLogger("shop").error("no customer %s", text, exc_info=raised(text), stack_info=True)
    Log("typedtasks.worker").error("no customer %s", text, exc_info=raised(text))
    lines = capfd.readouterr().err.splitlines()
    assert lines
    assert not [line for line in lines if line.strip().startswith(FORGED)]
    if format == "json":
        assert [json.loads(line)["logger"] for line in lines] == ["shop", "shop", "typedtasks.worker"]
    else:
        assert all(line.startswith("    | ") for line in lines if "ERROR   [" not in line.replace(FORGED, ""))


def test_an_application_with_its_own_format_gets_escaped_texts(capfd: pytest.CaptureFixture[str]) -> None:
    """What the worker says of a task is safe before any formatter sees it."""
    set_up_logging("text", "info")
    logging.basicConfig(force=True, format="%(message)s")
    Log("typedtasks.worker").warning("%s failed", f"x\n{FORGED}\x1b[31m")
    assert capfd.readouterr().err == f"x\n    | {FORGED}\\x1b[31m failed\n"


CONFIGURATIONS: dict[str, Callable[[], object]] = {
    "dictConfig": lambda: logging.config.dictConfig(CONFIGURED),
    "dictConfig without handlers": lambda: logging.config.dictConfig({"version": 1, "root": {"level": "CRITICAL", "handlers": []}}),
    "dictConfig of another logger": lambda: logging.config.dictConfig({"version": 1, "loggers": {"shop": {"level": "INFO"}}}),
    "basicConfig": lambda: logging.basicConfig(force=True, level=logging.CRITICAL),
    "no handlers": lambda: logging.getLogger().handlers.clear(),
    "disabled": lambda: setattr(logging.getLogger("typedtasks.worker"), "disabled", True),
}


@pytest.mark.parametrize("configure", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
@pytest.mark.parametrize("format", ["text", "json"])
def test_whatever_an_application_configures_the_worker_is_heard_once(
    configure: Callable[[], object], format: Literal["text", "json"], capfd: pytest.CaptureFixture[str]
) -> None:
    """By the application's handlers, or on standard error where it leaves none; at the level of the command line."""
    log = Log("typedtasks.worker")
    set_up_logging(format, "warning")
    configure()
    log.warning("boom: %s", "out of stock")
    log.info("quiet")
    written = capfd.readouterr().err
    assert written.count("boom: out of stock") == 1
    assert "quiet" not in written


def test_a_level_that_an_application_sets_for_typedtasks_holds(capfd: pytest.CaptureFixture[str]) -> None:
    """It is the way to hear less, or more."""
    set_up_logging("text", "info")
    logging.config.dictConfig({**CONFIGURED, "loggers": {"typedtasks": {"level": "ERROR"}}})
    Log("typedtasks.worker").warning("boom")
    Log("typedtasks.worker").error("bang")
    assert capfd.readouterr().err == "bang\n"


class Odd:
    """A class that breaks every rule."""

    def __str__(self) -> str:
        raise LookupError

    __repr__ = __str__


class OddMapping(Mapping[str, object]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> object:
        raise LookupError

    def __iter__(self) -> Iterator[str]:
        raise LookupError

    def __len__(self) -> int:
        return 1


def itself() -> object:
    """Return a list that holds itself, many times."""
    made: list[object] = []
    made += [made] * 100
    return made


def deep() -> object:
    """Return lists in lists, deeper than Python calls."""
    made: list[object] = []
    for _ in range(2 * sys.getrecursionlimit()):
        made = [made]
    return made


VALUES: dict[str, tuple[object, object]] = {
    "number": (7, 7),
    "nothing": (None, None),
    "list": (["id", 1.5, True], ["id", 1.5, True]),
    "uuid": (uuid.UUID(int=7), str(uuid.UUID(int=7))),
    "not a number": (float("nan"), "nan"),
    "infinite": ({"a": float("-inf")}, {"a": "-inf"}),
    "bytes": (b"a\xff", "a\\xff"),
    "surrogate": ("caf\udce9", "caf\udce9"),
    "separator": ("a\u2028b", "a\u2028b"),
    "set": ({1}, [1]),
    "keys": ({1: 2, None: 3, (1, 2): 4}, {"1": 2, "None": 3, "[1, 2]": 4}),
    "large text": ("x" * 1_000_000, "x" * 10_000 + "..."),
    "large number": (10**10_000, hex(10**10_000)),
    "odd": (Odd(), "<Odd: its __repr__ raised LookupError>"),
    "odd mapping": (OddMapping(), ...),
    "itself": (itself(), ["(itself)"] * 100),
    "deep": (deep(), ...),
    "many": (list(range(1_000_000)), ...),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_record_is_one_line_of_json_whatever_its_extra_holds(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """As a field of its own, as all the `fields`, and as one of them."""
    value, expected = VALUES[name]
    set_up_logging("json", "info")
    for extra in ({"order": value}, {"fields": value}, {"fields": {"order": value}}):
        logging.getLogger("shop").warning("plain", extra=extra)
    lines = [parsed(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["plain"] * 3
    if expected is not ...:
        assert lines[0]["order"] == lines[2]["order"] == expected


def parsed(line: str) -> dict[str, object]:
    """Return an object of strict JSON, and of no great length."""
    assert len(line) < 100_000
    assert line.isascii()
    return cast("dict[str, object]", json.loads(line, parse_constant=pytest.fail))


def test_fields_of_the_application_change_nothing_that_a_record_says(capfd: pytest.CaptureFixture[str]) -> None:
    """Those that have our names are written beside ours."""
    set_up_logging("json", "info")
    fields = {"level": "critical", "message": "forged", "time": 0, "exception": "none", "message_": 1}
    logging.getLogger("shop").warning("plain", extra={"fields": fields, "level": "forged"})
    line = parsed(capfd.readouterr().err)
    assert (line["level"], line["message"], line["logger"]) == ("warning", "plain", "shop")
    assert {line["message_"], line["message__"]} == {"forged", 1}
    assert {line["level_"], line["level__"]} == {"critical", "forged"}
    assert line["exception_"] == "none"


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_record_that_is_wrong_is_written_as_it_is(format: Literal["text", "json"], capfd: pytest.CaptureFixture[str]) -> None:
    """The wrong arguments, or a message that cannot be shown: logging would write a traceback in the place of the line."""
    set_up_logging(format, "info")
    logging.getLogger("shop").warning("%d orders", "two")
    logging.getLogger("shop").warning(Odd())
    Log("typedtasks.worker").warning("of %s", Odd())
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "%d orders" in lines[0]
    assert "two" in lines[0]
    assert "LookupError" in lines[1]
    assert "LookupError" in lines[2]
