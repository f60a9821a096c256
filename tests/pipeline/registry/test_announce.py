import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline.registry.announce import announce

SLOW = (sys.executable, "-c", "import time; time.sleep(60)")
FACTS = {"event": "promoted", "name": "Ä"}


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; answers 500 below /broken, and too late below /slow."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/slow"):
            self.server.released.wait(10)
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(content)))
        self.send_response(500 if self.path.startswith("/broken") else 204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.released = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def url(server: HTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_a_webhook_gets_json(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert announce(FACTS, url(server, "/hook?key=1"), (), 5) == (["webhook"], [])
    monkeypatch.setenv("HOOK", url(server, "/other"))
    assert announce(FACTS, "env:HOOK", (), 5) == (["webhook"], [])
    assert server.got == [(path, "application/json", FACTS) for path in ("/hook?key=1", "/other")]


def test_what_fails_is_told_without_the_address(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert announce(FACTS, url(server, "/broken/secret"), (), 5) == ([], ["webhook at 127.0.0.1 answered 500"])
    late = announce(FACTS, url(server, "/slow/secret"), (), 0.05)
    assert late == ([], ["webhook at 127.0.0.1 did not answer within 0.05 s"])
    server.released.set()
    closed = announce(FACTS, "http://127.0.0.1:1/secret", (), 5)
    assert closed == ([], ["webhook at 127.0.0.1 cannot be reached: Connection refused"])
    monkeypatch.setenv("HOOK", "file:///etc/passwd")
    assert announce(FACTS, "env:HOOK", (), 5)[1] == ["webhook not sent: env:HOOK holds no http(s) URL"]
    monkeypatch.delenv("HOOK")
    assert announce(FACTS, "env:HOOK", (), 5)[1] == ["webhook not sent: env:HOOK holds no http(s) URL"]


def test_a_command_gets_json_on_its_stdin_and_no_shell(tmp_path: Path) -> None:
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    out = tmp_path / "$(touch x); out"
    assert announce(FACTS, None, (sys.executable, "-c", code, str(out)), 30) == (["command"], [])
    assert json.loads(out.read_text(encoding="utf-8")) == FACTS


def test_a_command_does_not_inherit_the_registry_of_a_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECANT_REGISTRY", "sftp://user:secret@host/models")
    code = "import os, sys; sys.exit('secret' in str(os.environ))"
    assert announce(FACTS, None, (sys.executable, "-c", code), 30) == (["command"], [])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/no/such/program",), "command /no/such/program cannot be run: No such file or directory"),
        ((sys.executable, "-c", "raise SystemExit('why')"), f"command {sys.executable} ended with 1: why"),
        (SLOW, f"command {sys.executable} took more than 0.5 s and was stopped"),
    ],
)  # fmt: skip
def test_a_command_that_fails_is_told(command: tuple[str, ...], said: str) -> None:
    assert announce(FACTS, None, command, 0.5) == ([], [said])


def test_nobody_to_tell() -> None:
    assert announce(FACTS, None, (), 5) == ([], [])
