"""The body of an answer: decoded while it arrives, and bounded in size. No network."""

from __future__ import annotations

import zlib

from wechat_kf.errors import ResponseError

ACCEPT_ENCODING = "gzip"  # in a request; a server may send the body as it is, too
MAX_BODY = 1 << 20  # bytes; a hundred seats, the most there are, take some 50,000
_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_WITH_HEADER = zlib.MAX_WBITS | 16


class Body:
    """Collects one body. Neither the bytes that arrive nor what they decode to may exceed `MAX_BODY`.

    Other encodings are refused, and so are several on top of each other: 2 kB can hold gigabytes then.
    """

    def __init__(self, encoding: str) -> None:
        """`encoding` is the `Content-Encoding` of the answer; "" if it has none.

        Raises:
            ResponseError: it is none that was asked for.
        """
        name = encoding.strip().lower()
        if name not in _PLAIN | _GZIP:
            raise ResponseError(f"the answer has the encoding {name[:40]!r}")
        self._inflater = zlib.decompressobj(_WITH_HEADER) if name in _GZIP else None
        self._received = 0
        self._bytes = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take in what has arrived.

        Raises:
            ResponseError: it is too long, or damaged.
        """
        self._received += len(chunk)
        if self._received > MAX_BODY:
            raise _too_long()
        if self._inflater is None:
            self._bytes += chunk
            return
        try:
            # One byte over the limit shows that it is too long, whatever else the chunk holds.
            self._bytes += self._inflater.decompress(chunk, MAX_BODY + 1 - len(self._bytes))
        except zlib.error:
            raise ResponseError("the answer is damaged gzip") from None
        if len(self._bytes) > MAX_BODY:
            raise _too_long()

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            ResponseError: it ended too early.
        """
        if self._inflater and self._received and not self._inflater.eof:
            raise ResponseError("the answer is gzip that ends too early")
        return bytes(self._bytes)


def _too_long() -> ResponseError:
    return ResponseError(f"the answer is longer than {MAX_BODY} bytes")
