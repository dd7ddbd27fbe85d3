"""The body of an answer, decoded while it arrives and limited in size. No network."""

from __future__ import annotations

import zlib

from wechat_kf.errors import ResponseError

ACCEPT_ENCODING = "gzip"  # in a request; a server may also send the body uncompressed
MAX_BODY = 1 << 20  # bytes; 100 seats, the maximum, take about 50,000
_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_WITH_HEADER = zlib.MAX_WBITS | 16


class Body:
    """Collector of one body. Neither the received nor the decoded bytes may exceed `MAX_BODY`.

    Other and nested encodings are refused: with nested ones 2 kB can contain gigabytes.
    """

    def __init__(self, encoding: str) -> None:
        """Prepare for a `Content-Encoding`; "" if the answer has none.

        Raises:
            ResponseError: the encoding was not requested.
        """
        name = encoding.strip().lower()
        if name not in _PLAIN | _GZIP:
            raise ResponseError(f"the answer has the encoding {name[:40]!r}")
        self._inflater = zlib.decompressobj(_WITH_HEADER) if name in _GZIP else None
        self._received = 0
        self._bytes = bytearray()

    def add(self, chunk: bytes) -> None:
        """Add received bytes.

        Raises:
            ResponseError: the body is too long, or damaged.
        """
        self._received += len(chunk)
        if self._received > MAX_BODY:
            raise _too_long()
        if self._inflater is None:
            self._bytes += chunk
            return
        try:
            # One byte over the limit proves that the body is too long; the rest need not be decoded.
            self._bytes += self._inflater.decompress(chunk, MAX_BODY + 1 - len(self._bytes))
        except zlib.error:
            raise ResponseError("the answer is damaged gzip") from None
        if len(self._bytes) > MAX_BODY:
            raise _too_long()

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            ResponseError: the body ended too early.
        """
        if self._inflater and self._received and not self._inflater.eof:
            raise ResponseError("the answer is gzip that ends too early")
        return bytes(self._bytes)


def _too_long() -> ResponseError:
    return ResponseError(f"the answer is longer than {MAX_BODY} bytes")
