"""Reading says clearly what it cannot take; writing changes the edit and nothing else."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codemtl.errors import CodemtlError, EditError, FileChangedError, SourceError, WriteError
from codemtl.syntax.files import SIZE_LIMIT, SourceFile

BOM = b"\xef\xbb\xbf"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount or change the user")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that must hold no temporary file at the end of the test."""
    yield tmp_path
    assert not [found for found in tmp_path.rglob("*") if found.name.startswith(".codemtl-")]


def _file(folder: Path, data: bytes, name: str = "a.py") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


EXACT = {
    "plain": b"x = 1 < 2\n",
    "crlf, bom and tabs": BOM + b"if x:\r\n\ty = 1 < 2\t\r\n\r\n",
    "latin-1": "# -*- coding: latin-1 -*-\r\nname = 'é\x85ß'\r\nx = 1 < 2".encode("latin-1"),
    "cp1252": "# coding: cp1252\nname = '€'\nx = 1 < 2\n".encode("cp1252"),
    "shift-jis": "#!/x\n# vim: set fileencoding=shift_jis :\nn = 'ソ'\nx = 1 < 2".encode(
        "shift-jis"
    ),
    "mixed line ends": b"x = 1 < 2\r\ny = 2\rz = 3\n\x0c\n  \n",
    "no newline at the end": b"x = 1 < 2",
    "utf-8 cookie and bom": BOM + "# coding: utf-8\nx = '😀' if 1 < 2 else 3\n".encode(),
    "syntax error elsewhere": b"x = = (\n\n\ny = 1 < 2\n",
}


@pytest.mark.parametrize("raw", EXACT.values(), ids=EXACT.keys())
def test_every_byte_outside_the_edit_is_kept(folder: Path, raw: bytes) -> None:
    path = _file(folder, raw)
    source = SourceFile.read(path)
    assert not source.data.startswith(BOM)
    assert source.text.encode() == source.data
    after = source.write(source.data.replace(b"1 < 2", b"1 >= 2"))
    assert path.read_bytes() == raw.replace(b"1 < 2", b"1 >= 2")
    # What write returns can be written again.
    assert after == SourceFile.read(path)
    after.write(source.data)
    assert path.read_bytes() == raw


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o4711])
def test_the_mode_is_kept(folder: Path, mode: int) -> None:
    path = _file(folder, b"x = 1\n")
    path.chmod(mode)
    SourceFile.read(path).write(b"x = 2\n")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"x = 2\n"


@needs_root
def test_the_owner_is_kept(folder: Path) -> None:
    path = _file(folder, b"x = 1\n")
    os.chown(path, 12345, 54321)
    SourceFile.read(path).write(b"x = 2\n")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_through_a_link(folder: Path) -> None:
    (folder / "real").mkdir()
    target = _file(folder / "real", b"x = 1\n")
    link = folder / "link.py"
    link.symlink_to(target)
    SourceFile.read(link).write(b"x = 2\n")
    assert link.is_symlink()
    assert target.read_bytes() == b"x = 2\n"


def test_a_link_that_points_elsewhere_meanwhile(folder: Path) -> None:
    for name in ("one.py", "two.py"):
        _file(folder, b"x = 1\n", name)
    link = folder / "link.py"
    link.symlink_to("one.py")
    source = SourceFile.read(link)
    link.unlink()
    link.symlink_to("two.py")
    with pytest.raises(FileChangedError, match="it changed"):
        source.write(b"x = 2\n")
    assert (folder / "one.py").read_bytes() == (folder / "two.py").read_bytes() == b"x = 1\n"


def test_read_only_file(folder: Path) -> None:
    path = _file(folder, b"x = 1\n")
    path.chmod(0o444)
    with pytest.raises(WriteError, match="read-only"):
        SourceFile.read(path).write(b"x = 2\n")
    assert path.read_bytes() == b"x = 1\n"


def test_changed_between_reading_and_writing(folder: Path) -> None:
    path = _file(folder, b"x = 1\n")
    source = SourceFile.read(path)
    before = path.stat()
    path.write_bytes(b"x = 9\n")  # of the same size, and the clock turned back
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(FileChangedError, match="changed since it was read"):
        source.write(b"x = 2\n")
    assert path.read_bytes() == b"x = 9\n"


def test_changed_in_the_last_moment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the temporary file is being synced, somebody else saves the file."""
    path = _file(folder, b"x = 1\n")
    source = SourceFile.read(path)
    monkeypatch.setattr(os, "fsync", lambda _: path.write_bytes(b"x = 9\n"))
    with pytest.raises(FileChangedError):
        source.write(b"x = 2\n")
    assert path.read_bytes() == b"x = 9\n"


def test_touched_but_not_changed(folder: Path) -> None:
    path = _file(folder, b"x = 1\n")
    source = SourceFile.read(path)
    os.utime(path, (1, 1))
    source.write(b"x = 2\n")
    assert path.read_bytes() == b"x = 2\n"


def test_removed_between_reading_and_writing(folder: Path) -> None:
    path = _file(folder, b"x = 1\n")
    source = SourceFile.read(path)
    path.unlink()
    with pytest.raises(FileChangedError, match="no such file"):
        source.write(b"x = 2\n")
    assert not path.exists()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"x = 1\0\n", "NUL bytes"),
        (b"\x7fELF\x02\x01\x01\0\0", "NUL bytes"),
        ("x = 1\n".encode("utf-16"), "UTF-16"),
        (b"x = '\xe9'\n", "cannot be decoded"),
        (b"a\nb\nc\nx = '\xe9'\n", "cannot be decoded"),
        (b"# coding: no-such-encoding\n", "no-such-encoding"),
        (b"# coding: rot13\nk = 1\n", "cannot be decoded"),
        (b"# coding: utf-7\nx = '+AGE-'\n", "would not give the same bytes back"),
        (BOM + b"# coding: latin-1\n", "cannot be decoded"),
        (b"# coding: ascii\nx = '\xc3\xa9'\n", "cannot be decoded"),
        (b"x" * (SIZE_LIMIT + 1), "larger than 10 MB"),
    ],
)
def test_unreadable_content(folder: Path, raw: bytes, words: str) -> None:
    path = _file(folder, raw)
    with pytest.raises(SourceError, match=words) as caught:
        SourceFile.read(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == raw


def test_a_long_line_is_no_problem(folder: Path) -> None:
    path = _file(folder, b"x = '" + b"y" * (SIZE_LIMIT - 10) + b"'\n")
    start = time.perf_counter()
    assert len(SourceFile.read(path).data) == SIZE_LIMIT - 3
    assert time.perf_counter() - start < 5


def _loop(folder: Path) -> Path:
    (folder / "loop.py").symlink_to("loop.py")
    return folder / "loop.py"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.py")
    return folder / "pipe.py"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "gone.py", "no such file"),
        (lambda folder: folder, "is a folder"),
        (lambda folder: _file(folder, b"") / "b.py", "not a folder"),
        (_loop, "link"),
        (_pipe, "not a regular file"),
        (lambda folder: Path("/dev/zero"), "not a regular file"),
        (lambda folder: folder / ("x" * 300), "too long"),
    ],
    ids=["missing", "folder", "below a file", "loop", "pipe", "device", "long name"],
)
def test_unreadable_path(folder: Path, make: Callable[[Path], Path], words: str) -> None:
    path = make(folder)
    with pytest.raises(SourceError, match=words) as caught:
        SourceFile.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "new", "words"),
    [
        (b"x = 1\n", b"x = (1\n", "syntax errors"),
        (b"x = 1\n", b"x = 1\0\n", "NUL"),
        (b"x = 1\n", b"x = '\xff'\n", "cannot be encoded"),
        (b"# coding: latin-1\nx = 1\n", "# coding: latin-1\nx = '€'\n".encode(), "cannot be enc"),
        (b"# coding: latin-1\nx = 1\n", b"# coding: cp1252\nx = 1\n", "declares cp1252"),
        (b"x = 1\n", b"# coding: latin-1\nx = 1\n", "declares iso-8859-1"),
    ],
)  # fmt: skip
def test_refused_content(folder: Path, raw: bytes, new: bytes, words: str) -> None:
    path = _file(folder, raw)
    with pytest.raises(EditError, match=words):
        SourceFile.read(path).write(new)
    assert path.read_bytes() == raw


def test_standard_input() -> None:
    source = SourceFile.from_bytes(BOM + b"x = 1\r\n", "shown.py")
    assert source.data == b"x = 1\r\n"
    assert source.encode(b"x = 2\r\n") == BOM + b"x = 2\r\n"
    with pytest.raises(WriteError, match="not read from a file"):
        source.write(b"x = 2\r\n")


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EIO, "input/output"),
        (errno.EROFS, "file system is read-only"),
        (errno.EXDEV, "Invalid cross-device link"),
    ],
)
def test_a_failing_system_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, words: str
) -> None:
    path = _file(folder, b"x = 1\n")
    source = SourceFile.read(path)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(WriteError, match=words):
        source.write(b"x = 2\n")
    assert path.read_bytes() == b"x = 1\n"


def test_interrupted_by_the_keyboard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(folder, b"x = 1\n")
    source = SourceFile.read(path)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        source.write(b"x = 2\n")
    assert path.read_bytes() == b"x = 1\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "codemtl-test", str(where)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"mounting is not permitted: {done.stderr.strip()}")
    yield where
    subprocess.run(["umount", str(where)], check=True)


@needs_root
def test_full_disk(small_disk: Path) -> None:
    old = b"x = 1  #" + b"o" * 100_000 + b"\n"
    path = _file(small_disk, old)
    source = SourceFile.read(path)
    with pytest.raises(WriteError, match="the disk is full"):
        source.write(b"x = 2  #" + b"n" * 200_000 + b"\n")
    assert path.read_bytes() == old
    assert os.listdir(small_disk) == ["a.py"]
    source.write(b"x = 2\n")  # and what fits goes through
    assert path.read_bytes() == b"x = 2\n"


@needs_root
def test_read_only_file_system(small_disk: Path) -> None:
    path = _file(small_disk, b"x = 1\n")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(WriteError, match="read-only"):
        SourceFile.read(path).write(b"x = 2\n")
    assert path.read_bytes() == b"x = 1\n"
    assert os.listdir(small_disk) == ["a.py"]


def test_limit_on_the_size_of_files(folder: Path) -> None:
    """Another way to run out of space, that needs no rights: the system stops the write."""
    path = _file(folder, b"x = 1\n")
    program = textwrap.dedent("""
        import resource, sys
        from codemtl.errors import WriteError
        from codemtl.syntax.files import SourceFile
        source = SourceFile.read(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            source.write(b"x = 2  #" + b"n" * 100_000)
        except WriteError as error:
            print(error)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert "limits the size" in done.stdout
    assert path.read_bytes() == b"x = 1\n"


def _as_nobody(action: Callable[[], object]) -> str:
    """Run ``action`` in a child without root's rights; the message of its error, or ""."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            action()
            os.write(writing, b"-")
        except CodemtlError as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as stream:
        return stream.read().decode()


@pytest.fixture
def open_folder(folder: Path) -> Path:
    """A folder that other users can reach."""
    for one in (folder, *folder.parents):
        mode = one.stat().st_mode
        if one.is_relative_to(tempfile.gettempdir()) and not mode & 0o001:
            one.chmod(mode | 0o011)
    return folder


@needs_root
def test_no_permission_to_read(open_folder: Path) -> None:
    path = _file(open_folder, b"x = 1\n")
    path.chmod(0o600)
    assert "SourceError" in _as_nobody(lambda: SourceFile.read(path))
    assert "permission denied" in _as_nobody(lambda: SourceFile.read(path))


@needs_root
def test_no_permission_to_write(open_folder: Path) -> None:
    path = _file(open_folder, b"x = 1\n")
    source = SourceFile.read(path)
    path.chmod(0o644)
    assert "WriteError" in _as_nobody(lambda: source.write(b"x = 2\n"))  # the file forbids it
    path.chmod(0o666)
    assert "permission denied" in _as_nobody(lambda: source.write(b"x = 2\n"))  # the folder
    assert path.read_bytes() == b"x = 1\n"
    open_folder.chmod(0o777)
    assert _as_nobody(lambda: source.write(b"x = 2\n")) == "-"
    assert path.read_bytes() == b"x = 2\n"


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="the system has no extended attributes")
def test_extended_attributes_are_kept(tmp_path: Path) -> None:
    place = tmp_path / "a.py"
    place.write_text("x = 1\n")
    try:
        os.setxattr(place, "user.note", b"mine")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    SourceFile.read(place).write(b"x = 2\n")
    assert place.read_text() == "x = 2\n"
    assert os.getxattr(place, "user.note") == b"mine"


def test_a_byte_order_mark_of_text_is_no_text() -> None:
    source = SourceFile.from_text("\ufeffx = 'é'\n")
    assert (source.text, source.bom, source.encoding) == ("x = 'é'\n", True, "utf-8")
    assert source.raw(source.data) == b"\xef\xbb\xbfx = '\xc3\xa9'\n"
