"""Whether an edit leaves a file that parses and compiles as it should."""

from __future__ import annotations

from bisect import bisect_right

from codemtl.errors import EditError
from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.findings import Finding
from codemtl.syntax.results import edits_of, has_fix
from codemtl.syntax.tree import SourceTree, parse
from codemtl.syntax.verify import verify


class Soundness:
    """Verifies single edits, each within the function around it.

    Verifying against a whole file takes time in proportion to the file, for each finding; the
    patch as a whole is verified against the file once.
    """

    def __init__(self, tree: SourceTree) -> None:
        """``tree`` is the file that the edits are of."""
        self.tree = tree
        self.spans: list[tuple[int, int]] = []  # outermost functions
        for function in functions(tree):
            start, end = function.node.start_byte, function.node.end_byte
            if not self.spans or start >= self.spans[-1][1]:
                self.spans.append((start, end))
        self.starts = [start for start, _ in self.spans]
        self.parsed: dict[int, SourceTree] = {}
        self.names: dict[tuple[str, str], bool] = {}  # outside functions, which may be long

    def __call__(self, finding: Finding) -> bool:
        """Whether what repairs a finding is sound; nothing always is."""
        if not has_fix(finding):
            return True
        if finding.missing is not None:
            return self._is_sound(self.tree, edits_of(self.tree.data, [finding]))
        edit = Edit(finding.start, finding.end, finding.replacement)
        if finding.kind == UNDEFINED and not finding.function:  # one name is as sound as the next
            pair = (finding.original, finding.replacement)
            if pair not in self.names:
                self.names[pair] = self.of_edit(edit)
            return self.names[pair]
        return self.of_edit(edit)

    def of_edit(self, edit: Edit) -> bool:
        """Whether one edit is sound."""
        tree = self.tree
        index = bisect_right(self.starts, edit.start) - 1
        start, end = self.spans[index] if index >= 0 else (0, 0)
        if edit.end <= end and "\n" not in edit.replacement:  # else its indentation matters
            if start not in self.parsed:
                self.parsed[start] = parse(tree.data[start:end])
            tree = self.parsed[start]
            edit = Edit(edit.start - start, edit.end - start, edit.replacement)
        return self._is_sound(tree, [edit])

    @staticmethod
    def _is_sound(tree: SourceTree, edits: list[Edit]) -> bool:
        try:
            verify(tree, edits)
        except EditError:
            return False
        return True
