"""How the sandboxed processes talk to codemtl: frames of a JSON header and bytes, over pipes."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from typing import Any

_HEAD = struct.Struct(">II")


def send(fd: int, header: dict[str, Any], data: bytes = b"") -> None:
    """Write one frame."""
    text = json.dumps(header).encode()
    frame = memoryview(_HEAD.pack(len(text), len(data)) + text + data)
    while frame:
        frame = frame[os.write(fd, frame) :]


def receive(fd: int) -> tuple[dict[str, Any], bytes] | None:
    """Read one frame; None when the other side is gone."""
    head = _read(fd, _HEAD.size)
    if head is None:
        return None
    length, size = _HEAD.unpack(head)
    text, data = _read(fd, length), _read(fd, size)
    if text is None or data is None:
        return None
    return json.loads(text), data


def texts(header: dict[str, Any], data: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a candidate, each with what it is to hold: ``files`` of a header and the bytes.

    Example: ``[["/a.py", 3], ["/b.py", 2]]`` and ``b"x=1y"`` are ``x=1`` and ``y``, cut short.
    """
    begin = 0
    for path, size in header.get("files", ()):
        yield path, data[begin : begin + size]
        begin += size


def _read(fd: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
