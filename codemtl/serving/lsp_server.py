"""The language server: findings as diagnostics while one types, repairs as quick fixes.

Editors send whole texts, so that lines are counted in one place, `codemtl.syntax.positions`. A text
is looked at when no other has come for a moment; of a text that is no more the newest nothing is
shown, and no more is looked at. A long text lets others have their turn, see `serving.turns`.
"""

from __future__ import annotations

import asyncio
import codecs
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from codemtl import __version__
from codemtl.errors import CodemtlError, UsageError
from codemtl.inference.predictor import Predictor
from codemtl.inference.project import Projects
from codemtl.inference.repair import RepairOptions, repair_source
from codemtl.inference.sources import internal_error, named
from codemtl.serving.turns import Abandoned, Turns
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.findings import Finding
from codemtl.syntax.positions import Encoding, Positions
from codemtl.syntax.results import FileResult, edits_of

NAME = "codemtl"
AT_ONCE = 4  # texts that are looked at; others wait
PAUSE = 0.3  # seconds without a change before a text is looked at
_QUICK = types.CodeActionKind.QuickFix
_ALL = f"{types.CodeActionKind.SourceFixAll.value}.{NAME}"  # so that editors can leave it out
_FULL = types.TextDocumentSyncKind.Full


class _Found(NamedTuple):
    """What a version of a document came to."""

    version: int | None
    diagnostics: Sequence[types.Diagnostic] = ()
    fixes: Sequence[Sequence[types.TextEdit]] = ()  # of each diagnostic
    titles: Sequence[str] = ()
    together: Sequence[types.TextEdit] = ()  # those that do not touch each other


def make_server(
    predictor: Predictor, options_for: Callable[[Path], RepairOptions]
) -> LanguageServer:
    """A server that is ready to start; ``options_for`` are the settings for a file.

    It shows what ``repair`` would, with the same suppressions, and writes nothing itself.
    """
    server = LanguageServer(NAME, __version__, text_document_sync_kind=_FULL)
    documents = _Documents(server, predictor, options_for)

    @server.feature(types.INITIALIZED)
    async def initialized(params: types.InitializedParams) -> None:
        await documents.watch()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def changed_on_disk(params: types.DidChangeWatchedFilesParams) -> None:
        documents.projects = Projects()  # as after a change of branches, or a file's new name

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        await documents.look(params.text_document.uri, 0.0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        await documents.look(params.text_document.uri, PAUSE)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: types.DidSaveTextDocumentParams) -> None:
        documents.projects = Projects()  # what was saved may define what another file lacks
        if params.text_document.uri in documents.turns:  # it is open
            await documents.look(params.text_document.uri, 0.0)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        documents.forget(params.text_document.uri)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[_QUICK, _ALL])
    )
    def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        return list(documents.actions(params))

    return server


class _Documents:
    """The open documents, and what is known of each."""

    def __init__(
        self,
        server: LanguageServer,
        predictor: Predictor,
        options_for: Callable[[Path], RepairOptions],
    ) -> None:
        self.server, self.sharing, self.options_for = server, Turns(predictor), options_for
        self.start = Path.cwd()  # which may be deleted later
        self.projects = Projects()
        self.threads = ThreadPoolExecutor(AT_ONCE)
        self.count = itertools.count()
        self.turns: dict[str, int] = {}  # the newest text of each, by a number of its own
        self.found: dict[str, _Found] = {}
        self.mistakes: set[str] = set()  # in settings, that were told

    async def watch(self) -> None:
        """Ask an editor that can to tell what changes on the disk."""
        workspace = self.server.client_capabilities.workspace
        known = workspace.did_change_watched_files if workspace is not None else None
        if known is None or not known.dynamic_registration:
            return
        files = types.FileSystemWatcher("**/*.{py,pyi}")
        wish = types.Registration(
            "files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
            types.DidChangeWatchedFilesRegistrationOptions([files]),
        )  # fmt: skip
        with suppress(JsonRpcException):  # it need not
            await self.server.client_register_capability_async(types.RegistrationParams([wish]))

    async def look(self, uri: str, pause: float) -> None:
        """Show what is found in the newest text of a document."""
        self.turns[uri] = turn = next(self.count)
        await asyncio.sleep(pause)
        if self.turns.get(uri) != turn:
            return
        document = self.server.workspace.get_text_document(uri)
        name = (document.path or uri).replace("\0", "")  # no file can be called so
        path = self.start / name  # of what is no file, such as untitled:1, a name in that folder
        text, version = document.source, document.version
        loop = asyncio.get_running_loop()

        def newest() -> bool:
            return self.turns.get(uri) == turn

        try:
            result = await loop.run_in_executor(
                self.threads, lambda: self._repaired(text, path, newest) if newest() else None
            )
            found = _Found(version) if result is None else _found(result, version, self._encoding())
        except Abandoned:
            return
        except Exception as error:
            self._tell(path, error)
            found = _Found(version)
        if newest():
            self.found[uri] = found
            self._publish(uri, found.diagnostics, version)

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self.turns.pop(uri, None)
        self.found.pop(uri, None)
        self._publish(uri, (), None)

    def actions(self, params: types.CodeActionParams) -> Iterator[types.CodeAction]:
        """The repairs of a range, and all of the document; none once its text has changed."""
        uri = params.text_document.uri
        found = self.found.get(uri)
        document = self.server.workspace.get_text_document(uri)
        if found is None or found.version != document.version:
            return
        if _wanted(_QUICK, params.context.only):
            best = True
            known = zip(found.diagnostics, found.fixes, found.titles, strict=True)
            for one, edits, title in known:
                if edits and _overlap(one.range, params.range):
                    yield types.CodeAction(
                        title, kind=_QUICK, diagnostics=[one], is_preferred=best,
                        edit=self._change(uri, found.version, edits),
                    )  # fmt: skip
                    best = False
        if found.together and _wanted(_ALL, params.context.only):
            change = self._change(uri, found.version, found.together)
            yield types.CodeAction("Take all repairs", kind=_ALL, edit=change)

    def _change(
        self, uri: str, version: int | None, edits: Sequence[types.TextEdit]
    ) -> types.WorkspaceEdit:
        """Of one version of the document, for editors that know versions."""
        workspace = self.server.client_capabilities.workspace
        known = workspace.workspace_edit if workspace is not None else None
        if known is None or not known.document_changes:
            return types.WorkspaceEdit(changes={uri: edits})
        place = types.OptionalVersionedTextDocumentIdentifier(uri, version)
        return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(place, [*edits])])

    def _repaired(self, text: str, path: Path, newest: Callable[[], bool]) -> FileResult:
        source, options = SourceFile.from_text(text, path), self.options_for(path)
        predictor = self.sharing.until(lambda: not newest())
        return repair_source(source, predictor, options, projects=self.projects)

    def _tell(self, path: Path, error: Exception) -> None:
        """Log it; a mistake in settings silences many files, so that it is shown too, once."""
        message = str(error) if isinstance(error, CodemtlError) else internal_error(error)
        level = types.MessageType.Warning
        self.server.window_log_message(types.LogMessageParams(level, named(str(path), message)))
        if isinstance(error, UsageError) and message not in self.mistakes:
            self.mistakes.add(message)
            self.server.window_show_message(types.ShowMessageParams(level, f"{NAME}: {message}"))

    def _encoding(self) -> Encoding:
        chosen = self.server.workspace.position_encoding
        return "utf-8" if chosen == "utf-8" else "utf-32" if chosen == "utf-32" else "utf-16"

    def _publish(
        self, uri: str, diagnostics: Sequence[types.Diagnostic], version: int | None
    ) -> None:
        self.server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, diagnostics, version)
        )


def _found(result: FileResult, version: int | None, encoding: Encoding) -> _Found:
    mark = codecs.BOM_UTF8 * result.bom  # which the editor's text has
    positions = Positions(mark + result.data)

    def place(one: Finding | Edit) -> types.Range:
        ends = (positions.units(len(mark) + at, encoding) for at in (one.start, one.end))
        return types.Range(*(types.Position(*end) for end in ends))

    def edit(one: Edit) -> types.TextEdit:
        return types.TextEdit(place(one), one.replacement)

    diagnostics = [
        types.Diagnostic(
            place(one), one.message, types.DiagnosticSeverity.Warning, code=one.kind, source=NAME,
            data={"confidence": round(one.confidence, 4)},
        )
        for one in result.findings
    ]  # fmt: skip
    fixes = [[*map(edit, edits_of(result.data, [one]))] for one in result.findings]
    titles = [*map(_title, result.findings)]
    return _Found(version, diagnostics, fixes, titles, [edit(one) for one in result.applied])


def _wanted(kind: str, only: Sequence[str] | None) -> bool:
    """Whether the editor asks for a kind of action, or for one above it, as the empty one is."""
    return only is None or any(one in ("", kind) or kind.startswith(one + ".") for one in only)


def _title(one: Finding) -> str:
    if one.missing is not None:
        return f"Add {one.missing.statement!r}"
    if not one.replacement:
        return "Remove"
    verb = "Insert" if one.start == one.end else "Replace by"
    return f"{verb} {one.replacement!r}"


def _overlap(one: types.Range, other: types.Range) -> bool:
    return one.start <= other.end and other.start <= one.end
