"""What scope analysis, without the model, says of a file: names, attributes, imports, calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codemtl.inference.broken_calls import BrokenCall, broken_calls
from codemtl.inference.missing_attributes import missing_attributes
from codemtl.inference.missing_imports import elsewhere
from codemtl.inference.predictor import Calibration
from codemtl.inference.project import Project
from codemtl.inference.stale_imports import StaleImport, stale_imports
from codemtl.syntax.actions import CALL
from codemtl.syntax.edits import Edit
from codemtl.syntax.findings import Finding
from codemtl.syntax.imports import Import
from codemtl.syntax.lone_attributes import lone_attributes
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.undefined import UndefinedName
from codemtl.syntax.undefined_attributes import lone_members

Guesses = Mapping[int, tuple[str, float]]  # byte of an undefined name -> name, its probability
SURE = 0.9  # from here on the model's guess counts more than a name that is only spelled alike


def scope_findings(
    scopes: Scopes, guesses: Guesses, calibration: Calibration, project: Project | None
) -> list[Finding]:
    """The findings of a file: names, attributes, imports, calls.

    A name is imported as other files of the project do, or replaced by what changes of the file put
    in its place elsewhere, by the file's own suggestion or by the model's guess. An attribute that
    another file of the project mentions is defined there, unless the class is known whole; without
    a project only those are reported of which the file knows enough. An import of the project's own
    modules must lead somewhere, and a call fit what it calls.
    """
    attributes = {one.start: one for one in scopes.undefined_attributes}
    where = "the file"
    if project is not None:
        where = "the project"
        lone = [*lone_members(scopes), *lone_attributes(scopes)]
        found = {one.start: one for one in lone} | attributes
        attributes = {k: one for k, one in found.items() if not project.mentions(one.name)}
    attributes = {one.start: one for one in missing_attributes(scopes, project)} | attributes
    ways: dict[tuple[str, int], str | Import | None] = {}  # all functions see the same of a name
    names = []
    for one in scopes.undefined_names:
        key = one.name, one.start if one.function is None or one.added else -1
        if key not in ways:
            ways[key] = _elsewhere(one, scopes, project)
        names.append(_of_name(one, guesses.get(one.start), calibration, ways[key]))
    return [
        *names,
        *(_of_attribute(attributes[at], where, calibration) for at in sorted(attributes)),
        *(_of_import(one, calibration) for one in _stale(scopes, project)),
        *(_of_call(one, scopes.tree.data, calibration) for one in broken_calls(scopes, project)),
    ]


def _stale(scopes: Scopes, project: Project | None) -> list[StaleImport]:
    return [] if project is None else stale_imports(scopes, project)


def _of_import(one: StaleImport, calibration: Calibration) -> Finding:
    message = (
        f"there is no module {one.module!r}" if one.lacks is None
        else f"the module {one.module!r} has no {one.lacks!r}"
    )  # fmt: skip
    name = UndefinedName(one.start, one.end, one.module, one.function, ())
    return _finding(name, message, one.instead or one.module, calibration.stale_import)


def _of_call(one: BrokenCall, data: bytes, calibration: Calibration) -> Finding:
    edit, confidence = one.repair, calibration.broken_call
    if edit is None:
        callee = one.known.node.child_by_field_name("function") or one.known.node
        edit = Edit(callee.start_byte, callee.end_byte, one.known.callee)
        confidence = calibration.broken_call_alone
    original = data[edit.start : edit.end].decode("utf-8", "replace")
    return Finding(
        function=one.function, kind=CALL, start=edit.start, end=edit.end, original=original,
        replacement=edit.replacement, confidence=confidence, message=one.trouble,
    )  # fmt: skip


def _elsewhere(one: UndefinedName, scopes: Scopes, project: Project | None) -> str | Import | None:
    """As the rest of the project has a name, or programs at large have.

    But none ``from`` a module, if the file itself has it as ``x.name``.
    """
    if one.added:
        return None
    found = elsewhere(one, scopes, project)
    if isinstance(found, Import) and found.member is not None and _is_attribute(one):
        return None
    return found


def _is_attribute(one: UndefinedName) -> bool:
    return bool(one.suggestions) and one.suggestions[0].endswith(f".{one.name}")


def _of_name(
    one: UndefinedName,
    guess: tuple[str, float] | None,
    calibration: Calibration,
    elsewhere: str | Import | None,
) -> Finding:
    message = f"{one.name!r} is defined nowhere in reach"
    if isinstance(elsewhere, Import):
        found = _finding(one, message, one.name, calibration.missing_import)
        message += f"; {elsewhere.statement!r} is missing"
        return replace(found, message=message, missing=elsewhere)
    if elsewhere is not None:
        return _finding(one, message, elsewhere, calibration.missing_import)
    replacement, confidence = _meant(one, guess, calibration)
    found = _finding(one, message, replacement, confidence)
    if replacement == one.renamed:
        found = replace(found, message=f"{found.message} A change of this file renamed it so")
    return found


def _meant(
    one: UndefinedName, guess: tuple[str, float] | None, calibration: Calibration
) -> tuple[str, float]:
    """What should stand there, the name itself if nobody knows, and how sure that is."""
    suggested = one.suggestions[0] if one.suggestions else None
    guessed = guess[0] if guess is not None else None
    sure = guess is not None and guess[1] > SURE and "." not in (suggested or "")
    if sure and suggested is not None and guessed == suggested:
        return suggested, calibration.undefined_name_agreed
    if one.renamed is not None and not _is_attribute(one):
        agreed = one.renamed in (suggested, guessed)
        return one.renamed, (
            calibration.undefined_name_agreed if agreed else calibration.undefined_name
        )
    if sure and guessed is not None:
        return guessed, calibration.undefined_name
    if suggested is not None:
        return suggested, calibration.undefined_name
    if guessed is not None:
        return guessed, calibration.undefined_name_guessed
    return one.name, calibration.undefined_name_alone


def _of_attribute(one: UndefinedName, where: str, calibration: Calibration) -> Finding:
    message = f"nothing in {where} defines the attribute {one.name!r}"
    if not one.suggestions:
        return _finding(one, message, one.name, calibration.undefined_attribute_alone)
    return _finding(one, message, one.suggestions[0], calibration.undefined_attribute)


def _finding(one: UndefinedName, message: str, replacement: str, confidence: float) -> Finding:
    if replacement != one.name:
        message += f"; did you mean {replacement!r}?"
    return Finding(
        function=one.function,
        kind=one.kind,
        start=one.start,
        end=one.end,
        original=one.name,
        replacement=replacement,
        confidence=confidence,
        message=message,
    )
