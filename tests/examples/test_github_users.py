"""The example from end to end: FastAPI, worker and Redis as real processes, GitHub as a local stand-in."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples.github_users.fake_github import FakeGithub
from tests.processes import eventually, listens, started
from tests.redis_server import free_port, redis_server


@pytest.fixture
def github() -> Iterator[FakeGithub]:
    """A stand-in for GitHub on a free port."""
    with FakeGithub(0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def test_users_are_fetched_through_the_queue_with_typed_answers_and_retries(github: FakeGithub, tmp_path: Path) -> None:
    """202 at once and without a worker; then results, a typed failure, and rate limits waited for."""
    port = free_port()
    with redis_server() as redis:
        settings = {"TYPEDTASKS_URL": redis.url, "GITHUB_API_URL": f"http://127.0.0.1:{github.server_port}"}
        with (
            started("-m", "uvicorn", "examples.github_users.app:app", "--port", str(port), folder=tmp_path, **settings) as app,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=40) as client,
        ):
            eventually(lambda: listens(port), 20, lambda: app.output)
            logins = ["torvalds", "gvanrossum", "nobody", "limited", "exhausted"]
            answer = client.post("/users/fetch", json={"logins": logins})
            assert answer.status_code == 202
            ids = {accepted["login"]: accepted["task_id"] for accepted in answer.json()}
            assert list(ids) == logins
            assert client.get(f"/tasks/{ids['torvalds']}").json()["status"] == "pending"

            with started("-m", "typedtasks", "worker", "examples.github_users.tasks:broker", folder=tmp_path, **settings) as worker:
                answers = {login: client.get(f"/tasks/{id}", params={"wait": 20}).json() for login, id in ids.items()}
                assert worker.stop() == 0

            for login in ("torvalds", "gvanrossum", "limited", "exhausted"):
                assert answers[login]["status"] == "succeeded", answers[login]
                assert answers[login]["user"]["login"] == login
            assert answers["nobody"] == {
                "task_id": ids["nobody"],
                "status": "failed",
                "user": None,
                "error": "GitHub has no user 'nobody'",
            }
            first, second = github.asked["limited"]
            assert second - first >= 1.0
            assert len(github.asked["exhausted"]) == 2
            assert len(github.asked["nobody"]) == 1

            assert client.post("/users/fetch", json={"logins": ["not a login"]}).status_code == 422
            assert client.get("/tasks/nonsense").status_code == 404
            assert app.stop() in (0, -signal.SIGTERM)  # uvicorn ends in order, then raises the signal once more
