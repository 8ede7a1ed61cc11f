"""What a commit's message says: whether the commit repairs a program that was wrong.

Example: ``Fix off-by-one in the last page (#12)`` does; ``Fix flake8``, ``fix docs build``,
``Add retries, fixes #7`` and ``Revert "Fix x"`` do not.

Precision counts more than yield here, for the code of a commit cannot tell a repair from a whim.
"""

from __future__ import annotations

import re

NOT_A_FIX = "not a fix"
TRIVIAL = "docs, style, tests or build"
REVERT = "revert"
REVIEW = "review or merge"
PORTING = "porting"
FEATURE = "feature"

_FIX = re.compile(
    r"\b(fix(e[sd]|ing|up)?|(bug|hot)[-_ ]?fix(e[sd])?|bugs?|bogus|defect|regress(ion|ed)?|"
    r"crash(e[sd]|ing)?|segfault(s|ed)?|(in|un)correct(ly)?|wrong(ly)?|broken|mistakes?|"
    r"erroneous(ly)?|off[- ]by[- ](one|1)|typos?|forgot(ten)?|repair(s|ed)?|infinite|"
    r"\w+Error|\w+Exception|thinko|oversight|(wh)?oops|fail(s|ed|ing)? (to|when|if|on|for|with))\b",
    re.I,
)
# Issue trackers' words for "this closes a bug", wherever they stand.
_CLOSES = re.compile(
    r"\b(closes|fixes|resolves|partial|related)-bug\s*:?\s*#?\d|"
    r"\b(fix(e[sd])?|bug)\s*:?\s*(issues?\s*)?"
    r"(#|gh-|bug |lp:?\s?#?|https?://\S+/(issues|bugs?|\+bug)/)\d",
    re.I,
)
_KIND = re.compile(  # the first word where a project sorts its commits by kind
    r"^\W*(docs?|style|sty|chore|ci|cicd|build|bld|tests?|tst|refactor|perf|feat|feature|deps|dep|"
    r"release|rel|maint|mnt|enh|dev|typ|typing|bench|misc|clean|cleanup|wip|infra|lint|"
    r"examples?|tutorials?|readme|changelog|trivial|translations?|i18n|tooling|packaging|qa)"
    r"\b[^:\]]{0,30}[:\]]",
    re.I,
)
_SUBJECT = re.compile(  # what such a message is about; none of it is the program's logic
    r"\b(docs?|docstrings?|documentation|doctests?|comments?|readme|change ?log|changes\.\w+|"
    r"news(fragment)?|flake8?|pep-?8|pep-?257|pycodestyle|pyflakes|pylint|ruff|black|isort|"
    r"lint(er|ers|ing|s)?|linting|mypy|pyright|pyre|(type|typing) (hints?|hinting|annotations?|"
    r"checks?|errors?|issues?)|typing|annotations?|type-?checking|white ?spaces?|spelling|grammar|"
    r"misspell(ed|ings?)|copyright|licen[cs]e|sphinx|rst|travis|appveyor|circleci|jenkins|"
    r"github actions?|workflows?|azure pipelines?|\bci\b|unit ?tests?|test ?(suite|cases?|runs?)|"
    r"(failing|broken|flaky|unstable|func\w*|regression|slow) tests?|tests|coverage|"
    r"pre-?commit|setup\.(py|cfg)|pyproject|tox|makefile|docker\w*|conda|wheels?|"
    r"requirements|packaging|version (number|bump)|bump|release|codespell|code style|"
    r"cosmetics?|pragma|noqa|sonar\w*|lgtm|codacy|codeql|code smells?|deepsource|bugbear|"
    r"warnings?|deprecat\w+|merge conflicts?|conflicts?|tutorials?|notebooks?|examples?|"
    r"i18n|translations?|debug (print|output|log\w*|statements?|messages?)|print statements?|"
    r"logging|log (messages?|levels?|lines?|output|statements?|entry|format)|log|"
    r"(error|exception|warning|help|info) (messages?|texts?|strings?|output)|"
    r"messages?|wording|phrasing|help text|usage text|perf|performance|speed ?up|"
    r"slow\w*|faster|unnecessary|needless|redundant|superfluous|useless|harmless|"
    r"optimi[sz]\w*|refactor\w*|clean(ed|ing)? ?ups?|cleanups?|tidy|unused|"
    r"imports? (order|sort\w*)|"
    r"benchmarks?|tracebacks?|namings?|rename\w*|style|styling|formatting|indent(ation|ing)?s?)\b",
    re.I,
)
_OBJECT = re.compile(  # the same, where the word may also name something in the program
    r"\bfix(e[sd]|ing|up)?:?\s+(the |a |an |some |minor |small |more |up |other |new |last |all )*"
    r"([\w-]+ ){0,2}(tests?|format|build|links?|urls?|dependenc(y|ies)|version|headers?|"
    r"print|prints|names?|install(ation)?|nits?|titles?|labels?|spac(e|ing))"
    r"(\W*$| (for|in|on|of|after|with)\b| (errors?|issues?|failures?|problems?)\b)",
    re.I,
)
_REVIEW = re.compile(
    r"\b(code )?review(s|er|ers|ed)?\b|\bfeedback\b|\bnits?\b|\bnitpick|^fixup!|^squash!|"
    r"\bmerge\b|\bpr comments?\b|^\W*wip\b|\brebase|\bbackout\b|\bback out\b|^bump|^release",
    re.I,
)
_REVERT = re.compile(r"\b(revert(s|ed|ing)?|undo|rollback|roll back|reapply|re-apply)\b", re.I)
_PORTING = re.compile(
    r"\bpy(thon)?[ -]?[23](\.\d+)?k?\b|\bpy3k\b|\bpython ?3|\b2to3\b|\bpypy\d?\b|\bjython\b|"
    r"\bironpython\b|\bcompat\w*\b|\bnumpy ?[12](\.\d+)*\b|\bunicode_literals\b|\bsix\b|"
    r"\bfor (the )?(new(er|est)?|latest|old(er)?|recent) (versions?|releases?)\b|"
    r"\bdjango ?\d|\bpandas ?\d|\bnew (api|version|release) of\b|\bpython ?2\b",
    re.I,
)
_FEATURE = re.compile(
    r"^\W*(\[[^\]]*\]\W*|[\w.]{1,20}: ?|\(?#\d+\)?\W*)*"
    r"(add(s|ed|ing)?|implement\w*|allow(s|ed|ing)?|support(s|ed|ing)?|improv\w*|simplif\w*|"
    r"updat(e|es|ed|ing)|upgrad\w*|mov(e|es|ed|ing)|introduc\w*|enabl\w*|disabl\w*|new|switch\w*|"
    r"extend(s|ed|ing)?|expos\w*|document\w*|deprecat\w*|drop(s|ped)?|convert\w*|"
    r"replac\w*|chang(e|es|ed|ing)|us(e|es|ed|ing)|provid\w*|enhanc\w*|initial|create[sd]?|"
    r"port(s|ed|ing)?|tweak\w*|adjust\w*|increase\w*|reduc\w*|better|more|set|test(s|ed|ing)?|"
    r"log|unify|rework\w*|rewrit\w*|reorgani[sz]\w*|generali[sz]e\w*|make it possible|version|"
    r"bench\w*|debug\w*|print|comment\w*|silence\w*|suppress\w*|mark|skip|xfail|split|try)\b",
    re.I,
)
_REVERTED = re.compile(r"This reverts commit ([0-9a-f]{7,64})")
_LEADING_FIX = re.compile(r"^\W*([\w./()-]{1,40}:\s*)?(bug ?)?fix|^\W*bug", re.I)


def rejection(message: str) -> str | None:
    """Why a commit does not count as a repair, judging by its message; None if it counts."""
    subject = first_line(message)
    if _FIX.search(subject) is None and _CLOSES.search(message) is None:
        return NOT_A_FIX
    reason = _other_purpose(subject)
    if reason is None and _FEATURE.match(subject) and not _LEADING_FIX.match(subject):
        return FEATURE
    return reason


def may_be_silent(message: str) -> bool:
    """Whether the commit can be a repair although its message does not say so."""
    return rejection(message) == NOT_A_FIX and _other_purpose(first_line(message)) is None


def _other_purpose(subject: str) -> str | None:
    """What a commit is for, if its subject says that it is no change of the program's logic."""
    if _REVERT.search(subject):
        return REVERT
    if _REVIEW.search(subject):
        return REVIEW
    if _KIND.match(subject) or _SUBJECT.search(subject) or _OBJECT.search(subject):
        return TRIVIAL
    return PORTING if _PORTING.search(subject) else None


def reverted(message: str) -> list[str]:
    """Names of the commits that a message says it takes back, perhaps shortened."""
    return _REVERTED.findall(message)


def first_line(message: str) -> str:
    """The subject of a commit."""
    return message.strip().partition("\n")[0].strip()
