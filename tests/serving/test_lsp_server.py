"""The language server, really started, asked by a client over its standard streams."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

PROGRAM = """
import time
from dataclasses import replace
import codemtl.inference as inference
from codemtl.inference.fake import FakePredictor

class Fake(FakePredictor):
    def repair(self, tree, *arguments):
        if b"for ever" in tree.data:
            time.sleep(60)
        if b"slow" in tree.data:
            time.sleep(1.5)
        if b"fault" in tree.data:
            raise ValueError("a fault")
        found = super().repair(tree, *arguments)
        if b"missing" in tree.data:
            found = [[insertion(one) for one in row] for row in found]
        return found

def insertion(one):
    return replace(one, end=one.start, original="", replacement="not ")

inference.load_predictor = lambda model=None, threads=None: Fake({"leng": "len"})
from codemtl.cli import main
main()
"""
TEXT = 'leng = None\n\n\ndef f(items):\n    return "😀é", leng(items)\n'
WHOLE = types.Range(types.Position(0, 0), types.Position(9, 0))


class Editor:
    """A client with one document."""

    def __init__(self, folder: Path, encoding: str = "utf-16", versions: bool = True) -> None:
        self.folder, self.versions = folder, versions
        self.encodings = [types.PositionEncodingKind(encoding)]
        self.uri = (folder / "a.py").as_uri()
        self.client = LanguageClient("test", "1")
        self.shown: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.registered: list[types.Registration] = []
        self.logged: list[str] = []
        self.told: list[str] = []

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def shown(params: types.PublishDiagnosticsParams) -> None:
            self.shown.put_nowait(params)

        @self.client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def registered(params: types.RegistrationParams) -> None:
            self.registered += params.registrations

        @self.client.feature(types.WINDOW_LOG_MESSAGE)
        def logged(params: types.LogMessageParams) -> None:
            self.logged.append(params.message)

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def told(params: types.ShowMessageParams) -> None:
            self.told.append(params.message)

    async def __aenter__(self) -> Editor:
        await self.client.start_io(sys.executable, "-c", PROGRAM, "serve", "--lsp", cwd=self.folder)
        general = types.GeneralClientCapabilities(position_encodings=self.encodings)
        edits = types.WorkspaceEditClientCapabilities(document_changes=self.versions or None)
        watched = types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
        workspace = types.WorkspaceClientCapabilities(
            workspace_edit=edits, did_change_watched_files=watched
        )
        capabilities = types.ClientCapabilities(general=general, workspace=workspace)
        self.server = await self.client.initialize_async(
            types.InitializeParams(capabilities, root_uri=self.folder.as_uri())
        )
        self.client.initialized(types.InitializedParams())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        process = self.client._server
        assert process is not None and process.stderr is not None
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert await process.stderr.read() == b""
        await self.client.stop()

    def open(self, text: str) -> None:
        item = types.TextDocumentItem(self.uri, "python", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def close(self) -> None:
        identifier = types.TextDocumentIdentifier(self.uri)
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))

    def change(self, version: int, text: str) -> None:
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version, self.uri),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def diagnostics(self) -> types.PublishDiagnosticsParams:
        return await asyncio.wait_for(self.shown.get(), 30)

    async def actions(
        self, place: types.Range, only: list[types.CodeActionKind | str] | None = None
    ) -> list[types.CodeAction]:
        found = await self.client.text_document_code_action_async(
            types.CodeActionParams(
                types.TextDocumentIdentifier(self.uri), place,
                types.CodeActionContext([], only=only),
            )
        )  # fmt: skip
        return [one for one in found or [] if isinstance(one, types.CodeAction)]


def run(task: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(task, 90))


def edits(action: types.CodeAction) -> list[Any]:
    assert action.edit is not None and action.edit.document_changes is not None
    (change,) = action.edit.document_changes
    assert isinstance(change, types.TextDocumentEdit)
    return list(change.edits)


@pytest.mark.parametrize(("encoding", "column"), [("utf-16", 18), ("utf-8", 21), ("utf-32", 17)])
def test_findings_and_repairs_in_the_editor_s_columns(
    tmp_path: Path, encoding: str, column: int
) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path, encoding) as editor:
            editor.open(TEXT)
            shown = await editor.diagnostics()
            (one,) = shown.diagnostics
            assert (one.code, one.source, one.data) == (
                "variable-misuse", "codemtl", {"confidence": 0.8},
            )  # fmt: skip
            place = types.Range(types.Position(4, column), types.Position(4, column + 4))
            assert one.range == place and shown.version == 1
            quick, everything = await editor.actions(place)
            assert quick.title == "Replace by 'len'" and quick.kind == "quickfix"
            assert edits(quick) == edits(everything) == [types.TextEdit(place, "len")]
            kinds = [types.CodeActionKind.Source]
            assert await editor.actions(place, [*kinds]) == [everything]
            assert everything.kind == "source.fixAll.codemtl"  # which a setting can name
            for kind in ("source.fixAll", "source.fixAll.codemtl"):
                assert await editor.actions(place, [kind]) == [everything]
            assert await editor.actions(place, ["source.fixAll.other"]) == []
            assert await editor.actions(place, [""]) == [quick, everything]
            start = types.Range(types.Position(0, 0), types.Position(0, 0))
            assert await editor.actions(start, [types.CodeActionKind.QuickFix]) == []

    run(dialogue())


def test_only_the_newest_text_counts(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open(TEXT)
            await editor.diagnostics()
            editor.change(2, TEXT + "# more\n")
            editor.change(3, TEXT.replace("leng(items)", "len(items)"))
            assert await editor.actions(WHOLE) == []  # what is known is of the text before
            shown = await editor.diagnostics()
            assert (shown.version, list(shown.diagnostics)) == (3, [])
            editor.close()
            assert (await editor.diagnostics()).version is None
            assert editor.shown.empty()

    run(dialogue())


def test_what_comes_too_late_is_not_shown(tmp_path: Path) -> None:
    """A text that is replaced, or closed and opened with another, while it is looked at."""

    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open(TEXT + "# slow\n")
            await asyncio.sleep(0.5)
            editor.change(2, "x = 1\n")
            shown = await editor.diagnostics()
            assert (shown.version, list(shown.diagnostics)) == (2, [])
            editor.change(3, TEXT + "# slow\n")
            await asyncio.sleep(0.8)
            editor.close()
            assert (await editor.diagnostics()).version is None
            editor.open("y = 1\n")
            shown = await editor.diagnostics()
            assert (shown.version, list(shown.diagnostics)) == (1, [])
            assert await editor.actions(WHOLE) == [] and editor.shown.empty()

    run(dialogue())


def test_a_fault_leaves_nothing_standing(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open(TEXT)
            assert len((await editor.diagnostics()).diagnostics) == 1
            editor.change(2, TEXT + "# fault\n")
            shown = await editor.diagnostics()
            assert (shown.version, list(shown.diagnostics)) == (2, [])
            assert "ValueError: a fault" in editor.logged[-1]

    run(dialogue())


def test_an_editor_that_knows_no_versions(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path, versions=False) as editor:
            editor.open(TEXT)
            await editor.diagnostics()
            action, _ = await editor.actions(WHOLE)
            assert action.edit is not None and action.edit.document_changes is None
            assert [*(action.edit.changes or {})] == [editor.uri]

    run(dialogue())


def test_settings_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.codemtl]\nignore = ["variable-misuse"]\n')

    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open(TEXT)
            assert list((await editor.diagnostics()).diagnostics) == []
            (tmp_path / "pyproject.toml").write_text("[tool.codemtl]\nno = 1\n")
            editor.change(2, TEXT)
            assert list((await editor.diagnostics()).diagnostics) == []
            assert "has no key 'no'" in editor.logged[-1]
            editor.change(3, TEXT)
            await editor.diagnostics()
            (told,) = editor.told  # once, for it comes again with each change
            assert told.startswith(f"codemtl: {tmp_path / 'pyproject.toml'}: [tool.codemtl] has no")

    run(dialogue())


@pytest.mark.parametrize(("encoding", "column"), [("utf-16", 18), ("utf-8", 20), ("utf-32", 18)])
def test_a_byte_order_mark_of_the_editor_s_text(tmp_path: Path, encoding: str, column: int) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path, encoding) as editor:
            editor.open("\ufeffdef f(a): return leng, a\nleng = 1\n")
            (one,) = (await editor.diagnostics()).diagnostics
            place = types.Range(types.Position(0, column), types.Position(0, column + 4))
            assert one.range == place
            editor.change(2, "\ufeffdef f(a):\n    return undefd\n")
            (one,) = (await editor.diagnostics()).diagnostics
            assert one.code == "undefined-name"
            assert one.range.start == types.Position(1, 11)

    run(dialogue())


def test_what_cannot_be_read_is_named_once(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open("x = '\0'\n")
            await editor.diagnostics()
            (said,) = editor.logged
            assert said.count("a.py") == 1 and "NUL" in said

    run(dialogue())


def test_a_text_without_a_file_after_the_start_folder_was_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "start"
    folder.mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.codemtl]\nmin-confidence = 0.5\n")

    async def dialogue() -> None:
        async with Editor(folder) as editor:
            folder.rmdir()
            editor.uri = "untitled:Untitled-1"
            editor.open(TEXT)
            assert len((await editor.diagnostics()).diagnostics) == 1
            assert editor.logged == []

    run(dialogue())


def test_a_file_that_comes_without_a_save(tmp_path: Path) -> None:
    """As by a change of branches: what it defines is defined in the project."""
    (tmp_path / "pyproject.toml").touch()
    text = "class A:\n    some_format = 1\n\n    def f(self):\n        return self.some_foramt\n"

    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open(text)
            (one,) = (await editor.diagnostics()).diagnostics
            assert one.message.startswith("nothing in the project defines")
            (asked,) = editor.registered
            assert asked.method == "workspace/didChangeWatchedFiles"
            other = tmp_path / "b.py"
            other.write_text("def g(a):\n    a.some_foramt = 2\n")
            event = types.FileEvent(other.as_uri(), types.FileChangeType.Created)
            editor.client.workspace_did_change_watched_files(
                types.DidChangeWatchedFilesParams([event])
            )
            editor.change(2, text)
            assert list((await editor.diagnostics()).diagnostics) == []

    run(dialogue())


def test_a_repair_that_only_adds_says_so(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open("def f(a):\n    return a and leng\n\n\nleng = 1  # missing\n")
            await editor.diagnostics()
            quick, _ = await editor.actions(WHOLE)
            assert quick.title == "Insert 'not '"

    run(dialogue())


def test_an_import_that_is_missing_is_added_above(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open("import sys\n\n\ndef f(a):\n    return os.sep + json.dumps(a)\n")
            shown = await editor.diagnostics()
            assert [one.range.start for one in shown.diagnostics] == [
                types.Position(4, 11), types.Position(4, 20),
            ]  # fmt: skip
            first, second, everything = await editor.actions(WHOLE)
            assert [first.title, second.title] == ["Add 'import os'", "Add 'import json'"]
            top = types.Range(types.Position(0, 0), types.Position(0, 0))
            assert edits(first) == [types.TextEdit(top, "import os\n")]
            assert edits(everything) == [types.TextEdit(top, "import json\nimport os\n")]

    run(dialogue())


def test_a_save_of_what_is_not_open_is_no_fault(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            identifier = types.TextDocumentIdentifier(editor.uri)
            editor.client.text_document_did_save(types.DidSaveTextDocumentParams(identifier))
            editor.open(TEXT)
            assert len((await editor.diagnostics()).diagnostics) == 1
            assert editor.told == []

    run(dialogue())


def test_a_closed_standard_input() -> None:
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-c", PROGRAM, "serve", "--lsp"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("codemtl: standard input is closed")


def test_mistakes_of_an_editor_leave_no_traceback(tmp_path: Path) -> None:
    """Nor does one that dies while a text is looked at."""
    document = {"uri": "untitled:a", "languageId": "python", "version": 1, "text": "# for ever\n"}
    sent: list[Any] = [
        {"id": 1, "method": "initialize", "params": {"processId": None, "capabilities": {}}},
        {"id": 2, "method": "textDocument/codeAction", "params": {}},
        {"method": "textDocument/didOpen", "params": 3},
        {"id": 3, "method": "no/such", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
    ]
    bodies = [b"{", b"[]", *(json.dumps({"jsonrpc": "2.0", **one}).encode() for one in sent)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "serve", "--lsp"], cwd=tmp_path, timeout=60, check=False,
        input=b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(one), one) for one in bodies),
        capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Invalid Params" in done.stdout and b"Method Not Found: no/such" in done.stdout


@pytest.mark.parametrize("text", [TEXT, TEXT + "# for ever\n"])
def test_ctrl_c_waits_neither_for_the_editor_nor_for_the_model(tmp_path: Path, text: str) -> None:
    async def dialogue() -> None:
        editor = await Editor(tmp_path).__aenter__()
        editor.open(text)
        await asyncio.sleep(0.5)
        process = editor.client._server
        assert process is not None and process.stderr is not None
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == 130
        assert await process.stderr.read() == b""
        await editor.client.stop()

    run(dialogue())


def test_the_end_does_not_wait_for_the_model(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with Editor(tmp_path) as editor:
            editor.open(TEXT + "# for ever\n")
            await asyncio.sleep(0.5)

    run(dialogue())
