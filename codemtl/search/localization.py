"""Where the bug may be: what the failing tests run and the passing ones do not, and where they
stopped.

A line's suspicion is Ochiai's (Abreu et al. 2007): of F failing tests e_f run it and e_p passing
ones, e_f / √(F · (e_f + e_p)). A line where an exception came from, or where a program that does
not end was when it was stopped, is several times as suspicious.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cached_property
from pathlib import Path

from tree_sitter import Node

from codemtl.search.outcomes import Baseline
from codemtl.syntax.tree import SourceTree, walk

RAISED = 4.0  # factor of the line from which an exception came
STACK = 1.5  # of the lines that had called it
STOPPED = 3.0  # of the loop in which a program was stopped
DECIDES = 2.0  # in it, of the condition and of lines that assign to what it asks for
OUTSIDE = 0.4  # of statements outside of functions
MAX_SETTING = 2000  # bytes of one; more are tables
_SETTING = ("assignment", "augmented_assignment")
LOOPS = ("for_statement", "while_statement")
_NAME = re.compile(r"[A-Za-z_]\w*")
_STATEMENT_PARENTS = ("block", "module")


class Suspicion:
    """How suspicious the lines of one file are, from 0 up."""

    def __init__(self, tree: SourceTree, path: Path, baseline: Baseline) -> None:
        self.tree = tree
        failing = baseline.failing
        self.known = any(test.lines for test in baseline.tests)
        self.lines: dict[int, float] = _ochiai(path, baseline)
        self.run = frozenset(self.lines)  # lines that failing tests run
        for test in failing:
            here = [line for where, line in test.trace if where == path]
            for line in here[:-1]:
                self._raise(line, STACK)
            if here and test.timed_out:
                self._raise(here[-1], STOPPED)
                self._raise_loop(here[-1])
            elif here:
                self._raise(here[-1], RAISED)

    def covers(self, node: Node) -> bool:
        """Whether a failing test runs anything below the header of a definition."""
        if not self.known:
            return True
        first, last = node.start_point[0] + 2, node.end_point[0] + 1
        if first > last:  # all on one line
            first = last
        return any(first <= line <= last for line in self.run)

    def highest(self, node: Node) -> float:
        """The suspicion of the most suspicious line of a definition."""
        if not self.known:
            return 1.0
        lines = range(node.start_point[0] + 1, node.end_point[0] + 2)
        return max((self.lines.get(line, 0.0) for line in lines), default=0.0)

    def __call__(self, start: int, end: int) -> float:
        """The suspicion of the statement that holds the bytes from ``start``.

        It is 0 where no failing test goes: nothing that is changed there can help.
        """
        if not self.known:
            return 1.0
        node = self.tree.root.descendant_for_byte_range(start, max(start, end - 1))
        if node is None:
            return 0.0
        return max(self.lines.get(line, 0.0) for line in self._lines_of(node))

    def outside(self, start: int, end: int) -> float:
        """The same of a statement outside of functions.

        It runs when the file is imported; what counts are lines that use what it sets.
        """
        node = self.tree.root.descendant_for_byte_range(start, max(start, end - 1))
        while node is not None and node.type not in _SETTING:
            node = node.parent
        target = node.child_by_field_name("left") if node is not None else None
        if node is None or target is None or node.end_byte - node.start_byte > MAX_SETTING:
            return 0.0
        names = _NAME.findall(self.tree.text(target))
        return OUTSIDE * max((self._uses.get(name, 0.0) for name in names), default=0.0)

    @cached_property
    def _uses(self) -> dict[str, float]:
        """The suspicion of the most suspicious line that has a word."""
        found: dict[str, float] = {}
        for number, line in enumerate(self.tree.data.split(b"\n"), 1):
            here = self.lines.get(number, 0.0) if self.known else 1.0
            for name in _NAME.findall(line.decode("utf-8", "replace")) if here else ():
                found[name] = max(found.get(name, 0.0), here)
        return found

    def _lines_of(self, node: Node) -> tuple[int, int]:
        """The line of a node and that on which its statement begins, from 1."""
        statement = node
        while statement.parent is not None and statement.parent.type not in _STATEMENT_PARENTS:
            if statement.type in ("elif_clause", "else_clause", "except_clause"):
                break
            statement = statement.parent
        return node.start_point[0] + 1, statement.start_point[0] + 1

    def _raise(self, line: int, factor: float) -> None:
        self.lines[line] = max(self.lines.get(line, 0.0), 0.5) * factor

    def _raise_loop(self, line: int) -> None:
        """The innermost loop around a line: its head and all that it does."""
        text = self.tree.data.split(b"\n")[line - 1]
        first = (line - 1, len(text) - len(text.lstrip()))
        node = self.tree.root.descendant_for_point_range(first, (line - 1, len(text)))
        while node is not None and node.type not in LOOPS:
            node = node.parent
        if node is not None:
            for one in range(node.start_point[0] + 1, node.end_point[0] + 2):
                if one != line and one in self.run:
                    self._raise(one, STOPPED)
            for one in self._deciding(node):
                self._raise(one, DECIDES)

    def _deciding(self, loop: Node) -> list[int]:
        """The line of a loop's condition, and those that set what it asks for."""
        condition = loop.child_by_field_name("condition")
        if condition is None:
            return []
        asked = set(_NAME.findall(self.tree.text(condition)))
        found = {loop.start_point[0] + 1}
        for node in walk(loop):
            target = node.child_by_field_name("left") if "assignment" in node.type else None
            if target is not None and asked & set(_NAME.findall(self.tree.text(target))):
                found.add(node.start_point[0] + 1)
        return sorted(found & self.run)


def _ochiai(path: Path, baseline: Baseline) -> dict[int, float]:
    failing, passing = Counter[int](), Counter[int]()
    for test in baseline.tests:
        (passing if test.passed else failing).update(test.lines.get(path, ()))
    total = len(baseline.failing)
    return {
        line: count / math.sqrt(total * (count + passing[line])) for line, count in failing.items()
    }
