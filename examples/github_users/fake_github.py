"""A stand-in for GitHub's API: one endpoint, in its documented format, so that tests and demonstrations need no network.

Some logins behave in a special way: `nobody` does not exist; `limited` is answered with 429 and `retry-after: 1` the first
time, and `exhausted` with 403 and `x-ratelimit-reset` the first time.

    python -m examples.github_users.fake_github 8001
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_DOCUMENTATION = "https://docs.github.com/rest"


class FakeGithub(ThreadingHTTPServer):
    """Remembers which logins were asked for, and when."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.asked: dict[str, list[float]] = {}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        login = self.path.removeprefix("/users/")
        if login == self.path or not login:
            self._answer(404, {"message": "Not Found", "documentation_url": _DOCUMENTATION})
            return
        assert isinstance(self.server, FakeGithub)
        asked = self.server.asked.setdefault(login, [])
        asked.append(time.time())
        first = len(asked) == 1
        if login == "nobody":
            self._answer(404, {"message": "Not Found", "documentation_url": _DOCUMENTATION})
        elif login == "limited" and first:
            self._answer(429, {"message": "You have exceeded a secondary rate limit."}, {"retry-after": "1"})
        elif login == "exhausted" and first:
            reset = str(int(time.time()) + 1)
            headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
            self._answer(403, {"message": "API rate limit exceeded."}, headers)
        else:
            self._answer(200, _user(login))

    def log_message(self, format: str, *args: object) -> None:
        return

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _user(login: str) -> dict[str, object]:
    number = sum(login.encode())
    return {
        "login": login,
        "id": number,
        "node_id": f"MDQ6VXNlcj{number}",
        "url": f"https://api.github.com/users/{login}",
        "html_url": f"https://github.com/{login}",
        "type": "User",
        "site_admin": False,
        "name": login.title(),
        "company": None,
        "email": None,
        "public_repos": number % 50,
        "public_gists": 0,
        "followers": number,
        "following": 0,
        "created_at": "2011-09-03T15:26:22Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }


if __name__ == "__main__":
    with FakeGithub(int(sys.argv[1]) if len(sys.argv) > 1 else 8001) as server:
        print(f"A stand-in for GitHub answers at http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
