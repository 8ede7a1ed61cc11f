"""Reading and writing of the user's files, so that nothing is ever lost.

A file is read once, with its hash. A write replaces it in one step by a complete new file, keeps
encoding, byte order mark, line ends, mode and owner, and refuses if the file is not the one that
was read: whoever else writes at the same time wins.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import io
import os
import stat
import tempfile
import tokenize
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from codemtl.ending import tidy
from codemtl.errors import EditError, FileChangedError, SourceError, WriteError
from codemtl.syntax.tree import error_count, parse

SIZE_LIMIT = 10 * 2**20  # bytes; no source written by people is longer
TEMPORARY_PREFIX = ".codemtl-"
ACCESS_LIST = "system.posix_acl_access"

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run again",
    errno.EDQUOT: "your disk quota is used up; free some space and run again",
    errno.EFBIG: "the system limits the size of files below what is needed",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied; check the permissions of the file and of its folder",
    errno.EPERM: "the system does not permit it; check the attributes of the file",
    errno.EIO: "the device reports an input/output error",
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as it was read. ``data`` is its text in UTF-8, without a byte order mark."""

    path: Path  # as the user named it
    data: bytes  # UTF-8; line ends as in the file
    encoding: str  # of the file on disk, from its coding cookie; "utf-8" by default
    bom: bool  # the file starts with a UTF-8 byte order mark
    sha256: str  # of the bytes on disk
    resolved: Path | None  # the real file behind symbolic links; None if it is not on disk

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> SourceFile:
        """Read a file of at most ``SIZE_LIMIT`` bytes; SourceError says why it cannot be read."""
        named = Path(path)
        try:
            resolved = named.resolve(strict=True)
            raw = _read(resolved)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
            raise SourceError(f"{named}: {_read_problem(error)}") from error
        return cls._decoded(raw, named, resolved)

    @classmethod
    def from_bytes(cls, raw: bytes, path: str | os.PathLike[str] = "-") -> SourceFile:
        """Take bytes that came from elsewhere (standard input, an editor); see ``read``."""
        return cls._decoded(raw, Path(path), None)

    @classmethod
    def from_text(cls, text: str, path: str | os.PathLike[str] = "-") -> SourceFile:
        """Take text that is decoded already, whatever its coding cookie says."""
        try:
            raw = text.encode()
        except UnicodeEncodeError as error:
            raise SourceError(f"{path}: holds half a character (a lone surrogate)") from error
        if len(raw) > SIZE_LIMIT or "\0" in text:
            return cls.from_bytes(raw, path)  # says what is wrong
        bom = raw.startswith(codecs.BOM_UTF8)
        digest = hashlib.sha256(raw).hexdigest()
        data = raw[len(codecs.BOM_UTF8) * bom :]
        return cls(Path(path), data, "utf-8", bom, sha256=digest, resolved=None)

    @classmethod
    def _decoded(cls, raw: bytes, path: Path, resolved: Path | None) -> SourceFile:
        if len(raw) > SIZE_LIMIT:
            raise SourceError(
                f"{path}: larger than {SIZE_LIMIT // 2**20} MB; exclude it, or split it"
            )
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise SourceError(f"{path}: encoded in UTF-16, which Python does not read; use UTF-8")
        if b"\0" in raw:
            raise SourceError(f"{path}: holds NUL bytes, so it is not Python source")
        bom = raw.startswith(codecs.BOM_UTF8)
        try:
            encoding = _encoding(raw)
            text = raw[len(codecs.BOM_UTF8) * bom :].decode(encoding)
            data = text.encode("utf-8")
        except (SyntaxError, LookupError, ValueError) as error:
            raise SourceError(
                f"{path}: cannot be decoded ({error}); save it as UTF-8, "
                "or declare its encoding in the first line: # -*- coding: NAME -*-"
            ) from error
        found = cls(path, data, encoding, bom, hashlib.sha256(raw).hexdigest(), resolved)
        if found.raw(data) != raw:
            raise SourceError(
                f"{path}: the encoding {encoding} would not give the same bytes back; "
                "save the file as UTF-8"
            )
        return found

    @property
    def text(self) -> str:
        """The text, with its line ends and without a byte order mark."""
        return self.data.decode("utf-8")

    def encode(self, new_data: bytes) -> bytes:
        """The bytes on disk for UTF-8 text ``new_data``: in the encoding of this file.

        Raises EditError if that encoding has no such characters, if the text declares another
        encoding, or if it has more syntax errors than the text that was read.
        """
        if b"\0" in new_data:
            raise EditError(f"{self.path}: the new text holds NUL bytes")
        try:
            raw = self.raw(new_data)
            encoding = _encoding(raw)
        except (SyntaxError, LookupError, ValueError) as error:
            raise EditError(
                f"{self.path}: the new text cannot be encoded in {self.encoding}: {error}"
            ) from error
        if encoding != self.encoding:
            raise EditError(
                f"{self.path}: the new text declares {encoding}, the file is in {self.encoding}"
            )
        if error_count(parse(new_data)) > error_count(parse(self.data)):
            raise EditError(f"{self.path}: the new text has syntax errors that the file has not")
        return raw

    def write(self, new_data: bytes) -> SourceFile:
        """Replace the file by ``new_data`` (UTF-8) in one step; returns the file as it is now.

        Raises FileChangedError if the file is not the one that was read, WriteError if the system
        refuses, EditError as ``encode`` does. In each case the file is as it was, and no
        temporary file is left. A hard link to the file keeps the old text.
        """
        raw = self.encode(new_data)
        if self.resolved is None:
            raise WriteError(f"{self.path}: was not read from a file, so it cannot be written")
        self._check_unchanged()
        try:
            status = os.stat(self.resolved)
            if not status.st_mode & 0o222 or not os.access(self.resolved, os.W_OK):
                raise WriteError(f"{self.path}: is read-only; make it writable and run again")
            with tidy():
                self._replace(self.resolved, raw, status)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, str(error))
            raise WriteError(f"{self.path}: not written, {reason}") from error
        return SourceFile(
            self.path, new_data, self.encoding, self.bom, hashlib.sha256(raw).hexdigest(),
            self.resolved,
        )  # fmt: skip

    def _replace(self, target: Path, raw: bytes, status: os.stat_result) -> None:
        """Write a complete copy beside ``target``, then rename it over ``target``."""
        descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=target.parent)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(raw)
                stream.flush()
                _copy_attributes(descriptor, target, status)
                os.fsync(descriptor)
            self._check_unchanged()
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        # From here on the new file stands; a folder that cannot be synced does not change that.
        with suppress(OSError):
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _check_unchanged(self) -> None:
        try:
            resolved = self.path.resolve(strict=True)
            same = resolved == self.resolved
            same = same and hashlib.sha256(_read(resolved)).hexdigest() == self.sha256
        except (OSError, RuntimeError) as error:
            raise FileChangedError(
                f"{self.path}: not written, it cannot be read any more ({_read_problem(error)})"
            ) from error
        if not same:
            raise FileChangedError(
                f"{self.path}: not written, it changed since it was read; run again"
            )

    @property
    def saved(self) -> bytes:
        """The bytes that the text has on disk, also of a text that an editor sent decoded."""
        with suppress(SyntaxError, LookupError, ValueError):
            return replace(self, encoding=_encoding(self.data)).raw(self.data)
        return self.raw(self.data)

    def raw(self, data: bytes) -> bytes:
        """UTF-8 text in the encoding of this file, unchecked."""
        body = data if self.encoding == "utf-8" else data.decode("utf-8").encode(self.encoding)
        return codecs.BOM_UTF8 + body if self.bom else body


def _encoding(raw: bytes) -> str:
    """The encoding that Python reads ``raw`` in: "utf-8" unless a coding cookie says otherwise."""
    found, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    return "utf-8" if found == "utf-8-sig" else found


def _read(path: Path) -> bytes:
    """Read a regular file, at most one byte more than ``SIZE_LIMIT``; raises OSError."""
    # Without O_NONBLOCK, opening a named pipe would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as stream:
        return stream.read(SIZE_LIMIT + 1)


def _read_problem(error: OSError | RuntimeError) -> str:
    match error:
        case FileNotFoundError():
            return "no such file; check the spelling"
        case IsADirectoryError():
            return "is a folder; name a file in it"
        case PermissionError():
            return "permission denied; check its permissions"
        case NotADirectoryError():
            return "a part of the path is not a folder"
        case OSError(strerror=str(text)):
            return text
    return str(error)


def _copy_attributes(descriptor: int, source: Path, status: os.stat_result) -> None:
    """Give an open file the mode, access list and, where the system lets us, owner of another."""
    if hasattr(os, "fchown"):
        # Owner before mode, as changing the owner clears bits of the mode. A user may not give
        # files away, but may set the group to any of their own.
        for owner, group in ((status.st_uid, -1), (-1, status.st_gid)):
            with suppress(PermissionError):
                os.fchown(descriptor, owner, group)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
    if hasattr(os, "listxattr"):
        _copy_extended(descriptor, source)


def _copy_extended(descriptor: int, source: Path) -> None:
    """Give an open file the extended attributes of another that the system lets us set."""
    try:
        names = os.listxattr(source)
    except OSError:  # the file system has none
        return
    for name in names:
        try:
            os.setxattr(descriptor, name, os.getxattr(source, name))
        except OSError:
            if name == ACCESS_LIST:  # without it the bits of the mode would let others in
                raise
