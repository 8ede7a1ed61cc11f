"""The HTTP server, really started, asked over a real connection."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from ..conftest import Outcome, start

SOURCE = "leng = None\n\n\ndef f(items):\n    return leng(items)\n\n\ndef g():\n    pass\n"
FAKE = """
import time

class Fake(FakePredictor):
    def repair(self, tree, *arguments):
        if b"slow" in tree.data:
            time.sleep(60)
        if b"fault" in tree.data:
            raise ValueError("a fault")
        return super().repair(tree, *arguments)

fake = Fake({"leng": "len"}, generated=["pass", "return 1", "return 2"])
"""


class Server:
    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, path: str, body: Any = None, kind: str = "application/json", host: str | None = None
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": kind, "Host": host or f"127.0.0.1:{self.port}"}
        connection.request("GET" if data is None else "POST", path, data, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text.startswith("{") else text


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    tree = tmp_path_factory.mktemp("tree")
    (tree / ".git").mkdir()
    folder = tree / "served"
    folder.mkdir()
    (folder / "a.py").symlink_to("b.py")
    (folder / "pyproject.toml").write_text(
        '[tool.codemtl]\nmin-confidence = 0.5\nstyle = "google"\ncandidates = 2\n'
    )
    with start(FAKE, "serve", "--http", "127.0.0.1:0", cwd=folder) as process:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        assert line.startswith("codemtl: serving at http://127.0.0.1:"), line
        try:
            yield Server(int(line.rpartition(":")[2]))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        assert process.returncode == 130
        assert process.stderr.read() == b""


def test_repair(server: Server) -> None:
    status, document = server.ask("/repair", {"source": SOURCE, "path": "x/a.py"})
    assert status == 200 and document["version"] == 1
    (file,) = document["files"]
    assert (file["path"], file["status"]) == ("x/a.py", "ok")
    (found,) = file["findings"]
    assert (found["replacement"], found["line"], found["confidence"]) == ("len", 5, 0.8)
    for settings in ({"min-confidence": 0.9}, {"ignore": ["variable-misuse"]}, {"function": "g"}):
        document = server.ask("/repair", {"source": SOURCE, **settings})[1]
        assert document["files"][0]["findings"] == []
    latin = {"source": "# coding: latin-1\nx = 'é'\ndef f():\n    return leng\nleng = 1\n"}
    (found,) = server.ask("/repair", latin)[1]["files"][0]["findings"]
    assert (found["line"], found["column"]) == (4, 11)


def test_summarize(server: Server) -> None:
    status, document = server.ask("/summarize", {"source": SOURCE, "insert": True})
    assert status == 200
    one, two = document["files"][0]["summaries"]
    assert (one["function"], two["function"]) == ("f", "g")
    assert one["summary"] in one["docstring"] and "Args:" in one["docstring"]  # as settings say
    plain = server.ask("/summarize", {"source": SOURCE, "insert": True, "style": "plain"})[1]
    assert "Args:" not in plain["files"][0]["summaries"][0]["docstring"]
    assert server.ask("/summarize", {"source": SOURCE})[1]["files"][0]["diff"] is None


def test_summarize_gives_a_diff(server: Server, tmp_path: Path) -> None:
    asked = {"source": SOURCE, "insert": True, "path": "/nowhere/x/a.py", "function": "g"}
    (file,) = server.ask("/summarize", asked)[1]["files"]
    assert file["path"] == "/nowhere/x/a.py"
    (tmp_path / "a.py").write_text(SOURCE)
    run(["git", "apply", "-"], input=file["diff"].encode(), cwd=tmp_path, check=True)
    new = (tmp_path / "a.py").read_text()
    assert new == SOURCE.replace("def g():\n", 'def g():\n    """Do what the name says."""\n')


def test_a_byte_order_mark_is_no_text(server: Server) -> None:
    """As of a file: no column counts it, and Python reads what follows."""
    source = "\ufeffdef f(a): return leng, undefd, a\nleng = 1\n"
    (file,) = server.ask("/repair", {"source": source})[1]["files"]
    assert (file["status"], file["message"]) == ("ok", None)
    found = {one["kind"]: one["column"] for one in file["findings"]}
    assert found == {"variable-misuse": 17, "undefined-name": 23}


def test_generate(server: Server) -> None:
    assert server.ask("/generate", {"text": "add one"})[1]["candidates"]
    for wish, count in (({}, 2), ({"candidates": 1}, 1)):
        asked = {"source": SOURCE, "line": 5, **wish}
        assert len(server.ask("/generate", asked)[1]["candidates"]) == count
    status, document = server.ask("/generate", {"source": SOURCE, "path": "a.py", "line": 5})
    assert (status, document["line"], document["path"]) == (200, 5, "a.py")
    assert server.ask("/generate", {"source": SOURCE, "function": "g"})[0] == 200


def test_info(server: Server) -> None:
    assert server.ask("/info")[1]["model"]["name"] == "fake"


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/repair", b"{", 400, "this is no JSON"),
        ("/repair", b"[1]", 400, "send a JSON object"),
        ("/repair", {}, 400, "source is missing"),
        ("/repair", {"source": 3}, 400, "source must be of type str, not 3"),
        ("/repair", {"source": "x = 1\0"}, 400, "holds NUL bytes"),
        ("/repair", {"source": "\ud800"}, 400, "half a character"),
        ("/repair", {"source": "", "model": "x"}, 400, "there is no model"),
        ("/repair", {"source": "", "\ud800": 1}, 400, "there is no \ud800"),
        ("/repair", {"source": "", "select": []}, 400, "no kind of findings is left"),
        ("/repair", b"[" * 200_000, 400, "this is no JSON"),
        ("/repair/", {}, 404, "Not Found; there are /repair"),
        ("/summarize", {"source": "", "path": "a\0.py"}, 400, "must not hold a null character"),
        ("/repairs", {}, 404, "Not Found; there are /repair, /summarize, /generate and /info"),
        ("/info", {}, 405, "Method Not Allowed; /info takes "),
        ("/repair", None, 405, "Method Not Allowed; /repair takes POST"),
        ("/repair", {"source": "# fault\n"}, 500, "ValueError: a fault"),
        ("/repair", {"source": "", "min-confidence": 2}, 400, "must be a number from 0 to 1"),
        ("/repair", {"source": SOURCE, "function": "h"}, 400, "no function or class 'h'"),
        ("/summarize", {"source": "", "style": "loud"}, 400, "style must be one of google"),
        ("/summarize", {"source": "", "x": 1, "y": 2}, 400, "there is no x, y"),
        ("/summarize", {"source": "", "replace": True}, 400, "replace says what to do with insert"),
        (
            "/summarize",
            {"source": "", "replace": True, "missing-only": True},
            400,
            "missing-only and replace exclude each other",
        ),
        ("/generate", {"source": SOURCE}, 400, "say what to write"),
        ("/generate", {"text": "x", "source": SOURCE}, 400, "a text or a source, not both"),
        ("/generate", {"text": "x", "candidates": True}, 400, "must be of type int"),
        ("/generate", {"text": "x", "candidates": 0}, 400, "at least 1"),
        ("/generate", {"source": SOURCE, "line": 99}, 400, "has no line 99"),
        ("/repair", b" " * (20 * 2**20 + 1), 413, "longer than 20 MB"),
    ],
)
def test_wrong_requests(server: Server, path: str, body: Any, status: int, message: str) -> None:
    found, document = server.ask(path, body)
    assert found == status
    assert message in document["error"]


def test_no_page_in_a_browser_can_use_it(server: Server) -> None:
    """Forms of other sites send no JSON; a name that another site points here is not ours."""
    body = {"source": SOURCE}
    assert server.ask("/repair", body, kind="text/plain")[0] == 415
    assert server.ask("/repair", body, kind="Application/JSON")[0] == 200
    status, document = server.ask("/repair", body, host="evil.example:80")
    message = "evil.example is no name of this server; call it by its address"
    assert status == 421 and document["error"] == message
    for host in (f"LOCALHOST:{server.port}", "[::1]", "192.168.0.1", "127.0.0.1"):
        assert server.ask("/repair", body, host=host)[0] == 200


def test_names_are_only_names(server: Server) -> None:
    """Whatever stands where the server was started: see the fixture."""
    asked = {"source": SOURCE, "path": "/nowhere/x/a.py", "line": 5}
    document = server.ask("/generate", asked)[1]
    assert document["path"] == "/nowhere/x/a.py"
    assert document["candidates"][0]["diff"].startswith("--- a/a.py\n+++ b/a.py\n")
    assert server.ask("/repair", {"source": SOURCE, "path": "\ud800"})[0] == 200
    half = {"source": SOURCE, "path": "\ud800.py", "insert": True}
    assert "+++ b/?.py" in server.ask("/summarize", half)[1]["files"][0]["diff"]


def test_a_caller_that_hangs_up_is_no_fault(server: Server) -> None:
    head = b"POST /repair HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"Content-Length: 100\r\n\r\n{")
    assert server.ask("/info")[0] == 200  # and nothing is said at the end: see the fixture


def test_what_a_path_takes_is_said_in_the_head_too(server: Server) -> None:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("DELETE", "/repair")
        assert connection.getresponse().getheader("Allow") == "POST"


def test_a_second_ctrl_c_waits_for_nothing(tmp_path: Path) -> None:
    with start(FAKE, "serve", "--http", "127.0.0.1:0", cwd=tmp_path) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(b":")[2])
        kind = {"Content-Type": "application/json"}
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("POST", "/repair", json.dumps({"source": "# slow\n"}), kind)
            for _ in range(2):
                time.sleep(1)
                process.send_signal(signal.SIGINT)
            assert connection.getresponse().status == 503
        assert process.wait(20) == 130
        assert process.stderr.read() == b""


def test_one_ctrl_c_does_not_wait_for_half_a_request(tmp_path: Path) -> None:
    code = FAKE + "from codemtl import cli_serve\ncli_serve.PATIENCE = 1\n"
    with start(code, "serve", "--http", "127.0.0.1:0", cwd=tmp_path) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as half:
            head = "POST /repair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            half.sendall(head.encode() + b'Content-Length: 99\r\n\r\n{"source"')
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_server_that_is_ended_says_so_to_who_waits(tmp_path: Path, number: int) -> None:
    """As by Ctrl-C, without waiting for the model; and it ends by the signal."""
    code = FAKE + "from codemtl import cli_serve\ncli_serve.PATIENCE = 1\n"
    with start(code, "serve", "--http", "127.0.0.1:0", cwd=tmp_path) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(b":")[2])
        kind = {"Content-Type": "application/json"}
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("POST", "/repair", json.dumps({"source": "# slow\n"}), kind)
            time.sleep(1)
            process.send_signal(number)
            assert connection.getresponse().status == 503
        assert process.wait(20) == -number
        assert b"Traceback" not in process.stderr.read()


def test_the_traceback_of_a_fault_can_be_had(tmp_path: Path) -> None:
    code = FAKE + "import os; os.environ['CODEMTL_DEBUG'] = '1'\n"
    with start(code, "serve", "--http", "127.0.0.1:0", cwd=tmp_path) as process:
        assert process.stderr is not None
        server = Server(int(process.stderr.readline().rpartition(b":")[2]))
        assert server.ask("/repair", {"source": "# fault\n"})[0] == 500
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        said = process.stderr.read()
    assert said.startswith(b"Traceback") and said.endswith(b"ValueError: a fault\n")


@pytest.mark.parametrize("place", ["8000", "localhost:", ":1", "localhost:99999", "localhost:x"])
def test_wrong_places(run: Any, place: str) -> None:
    outcome: Outcome = run("serve", "--http", place)
    assert outcome.code == 2
    assert "give HOST:PORT, as 127.0.0.1:8000" in outcome.err


def test_a_name_that_no_host_can_have(run: Any) -> None:
    outcome: Outcome = run("serve", "--http", "é" * 70 + ":0")
    assert outcome.code == 2 and "no host can be called so; name another" in outcome.err


def test_a_port_in_use_and_no_choice(run: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome: Outcome = run("serve", "--http", f"127.0.0.1:{taken.getsockname()[1]}")
    assert outcome.code == 2 and "Address already in use" in outcome.err
    for flags in ((), ("--lsp", "--http", "127.0.0.1:0")):
        outcome = run("serve", *flags)
        assert outcome.code == 2 and "say for whom" in outcome.err


def test_a_long_request_lets_a_short_one_have_its_turn(tmp_path: Path) -> None:
    """And nothing more is done for a caller that hung up, so that one Ctrl-C ends it."""
    code = """
import time

class Fake(FakePredictor):
    def repair(self, tree, functions, *arguments):
        if b"long" in tree.data:
            time.sleep(len(functions) * 0.1)
        return super().repair(tree, functions, *arguments)

fake = Fake({"leng": "len"})
"""
    long = {"source": "".join(f"def long{n}(a):\n    return a\n\n" for n in range(1000))}
    with start(code, "serve", "--http", "127.0.0.1:0", cwd=tmp_path) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(b":")[2])
        kind = {"Content-Type": "application/json"}
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("POST", "/repair", json.dumps(long), kind)
            time.sleep(1)
            status, document = Server(port).ask("/repair", {"source": SOURCE})
            assert status == 200 and document["summary"]["findings"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
