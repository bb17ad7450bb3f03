"""A language server over its standard input and output, as an editor drives it."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias

__all__ = ["LanguageServer", "Place", "Signature"]

# Any: JSON, as the protocol has it: https://microsoft.github.io/language-server-protocol/
Json: TypeAlias = Any

CURSOR: Final = "‸"
"""Where the cursor stands in a program."""
_PATIENCE: Final = 60.0
"""Seconds that one answer may take; on a quiet machine it takes less than one."""
_CAPABILITIES: Final = {
    "workspace": {"configuration": True, "workspaceFolders": True},
    "textDocument": {
        "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
        "hover": {"contentFormat": ["markdown"]},
        "signatureHelp": {
            "signatureInformation": {
                "documentationFormat": ["markdown"],
                "parameterInformation": {"labelOffsetSupport": False},
                "activeParameterSupport": True,
            }
        },
        "definition": {"linkSupport": False},
    },
}


class Signature(NamedTuple):
    """What an editor shows while arguments are written."""

    label: str
    parameters: tuple[str, ...]
    active: int
    """The place of the parameter that is being written."""
    documentation: str


class Place(NamedTuple):
    """Where a definition is."""

    file: str
    line: str
    """The text of its line."""


class LanguageServer:
    """One running server, whose workspace is a folder. Programs are given as text, with the cursor in them."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
        self._numbers = itertools.count(1)
        self._received: queue.Queue[Json] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="language-server", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        workspace = {"uri": self._folder.as_uri(), "name": "workspace"}
        self._request(
            "initialize",
            {"processId": None, "rootUri": workspace["uri"], "workspaceFolders": [workspace], "capabilities": _CAPABILITIES},
        )
        self._notify("initialized", {})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._request("shutdown", None)
            self._notify("exit", None)
            self._process.wait(_PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join(_PATIENCE)
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None, "it was asked for"
                stream.close()

    def complete(self, program: str) -> dict[str, str]:
        """Return what is offered at the cursor: labels, and the kinds of what they name."""
        answer = self._at("textDocument/completion", program)
        items = answer["items"] if isinstance(answer, Mapping) else answer or []
        return {item["label"]: _KINDS.get(item.get("kind"), "") for item in items}

    def signature(self, program: str) -> Signature:
        """Return the one signature that is shown at the cursor."""
        answer = self._at("textDocument/signatureHelp", program)
        (shown,) = answer["signatures"]
        return Signature(
            shown["label"],
            tuple(parameter["label"] for parameter in shown["parameters"]),
            shown.get("activeParameter", answer.get("activeParameter", -1)),
            _text(shown.get("documentation")),
        )

    def hover(self, program: str) -> str:
        """Return what is shown when the mouse rests at the cursor."""
        return _text(self._at("textDocument/hover", program)["contents"])

    def definition(self, program: str) -> Place:
        """Return where the name at the cursor is defined, if that is in one place."""
        (found,) = self._at("textDocument/definition", program)
        path = Path(found["uri"].removeprefix("file://"))
        return Place(str(path.relative_to(self._folder)), path.read_text().splitlines()[found["range"]["start"]["line"]].strip())

    def _at(self, method: str, program: str) -> Json:
        before, _, after = program.partition(CURSOR)
        uri = (self._folder / f"program_{next(self._numbers)}.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": before + after}
        self._notify("textDocument/didOpen", {"textDocument": document})
        position = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        try:
            return self._request(method, {"textDocument": {"uri": uri}, "position": position})
        finally:
            self._notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def _request(self, method: str, parameters: Json) -> Json:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._received.get(timeout=_PATIENCE)
            if message is None:
                raise RuntimeError(f"the language server ended with code {self._process.wait()}")
            if "method" in message:
                self._answer(message)
            elif message["id"] == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def _answer(self, message: Json) -> None:
        """Answer what the server asks: for its configuration; everything else is agreed to."""
        if "id" not in message:
            return
        asked = message["params"]["items"] if message["method"] == "workspace/configuration" else None
        result = None if asked is None else [_configuration(item.get("section", "")) for item in asked]
        self._send({"id": message["id"], "result": result})

    def _notify(self, method: str, parameters: Json) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: Json) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None, "it was asked for"
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None, "it was asked for"
        length = 0
        while head := stream.readline():
            if head.lower().startswith(b"content-length:"):
                length = int(head.partition(b":")[2])
            elif not head.strip():
                self._received.put(json.loads(stream.read(length)))
        self._received.put(None)


_KINDS: Final[Mapping[int | None, str]] = {2: "method", 3: "function", 5: "field", 6: "variable", 10: "property"}


def _configuration(section: str) -> Json:
    if section == "python":
        return {"pythonPath": sys.executable}
    return {"typeCheckingMode": "strict", "autoImportCompletions": False} if section.endswith("analysis") else {}


def _text(content: Json) -> str:
    return content["value"] if isinstance(content, Mapping) else content or ""
