"""Standard output and error that a closed pipe does not break, and that send a terminal no control characters."""

from __future__ import annotations

import io
from typing import Any, TextIO

from bot.runtime.escaping import escape


class _UntilClosed(io.RawIOBase):
    """Passes bytes on to a file, and discards them once its reader has closed the pipe."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int | None:
        try:
            return self._file.write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()


class _Escaping(io.TextIOWrapper):
    """Escapes control characters, which may be in the words of WeChat, of Slack or of an exception."""

    def write(self, text: str, /) -> int:
        super().write(escape(text, keep="\n\t"))
        return len(text)


def lasting(stream: TextIO) -> TextIO:
    """Return a stream like this one that never raises for a closed pipe, nor for a character it cannot encode.

    It escapes control characters. The encoding, and whether it is a terminal, stay. What was written before goes
    out first.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return _Escaping(
        # Below the buffer: that one would keep what cannot be written, and fail with it at the end of the process.
        io.BufferedWriter(_UntilClosed(stream.buffer.raw if hasattr(stream.buffer, "raw") else stream.buffer)),
        encoding=stream.encoding,
        errors="replace",  # a terminal in GBK has no emoji, and must still show the rest
        line_buffering=True,
    )
