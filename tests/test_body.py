"""Response bodies: decoded piece by piece, within the size limit."""

from __future__ import annotations

import gzip
from itertools import repeat

import pytest

from wechat_kf import ResponseError
from wechat_kf.body import MAX_BODY, Body
from wechat_kf.simulator import bodies

TEXT = b'{"kf_list":[]}'


def read(encoding: str, *chunks: bytes) -> bytes:
    body = Body(encoding)
    for chunk in chunks:
        body.add(chunk)
    return body.finish()


def bytewise(body: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in body]


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_plain_body_is_read_as_it_is(encoding):
    assert read(encoding, *bytewise(TEXT)) == TEXT
    assert read(encoding) == b""


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_read_whole_or_in_pieces(encoding):
    packed = gzip.compress(TEXT)
    assert read(encoding, packed) == read(encoding, *bytewise(packed)) == TEXT
    assert read(encoding) == b""


@pytest.mark.parametrize(
    "encoding", ["gzip, gzip", "gzip,gzip", "identity, gzip", "deflate", "br", "zstd", "compress", "x" * 9999]
)
def test_other_encodings_are_refused_before_the_body(encoding):
    with pytest.raises(ResponseError, match="has the encoding") as caught:
        Body(encoding)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_body_may_be_as_long_as_the_limit_and_not_a_byte_longer(encoding):
    def pack(body: bytes) -> bytes:
        return gzip.compress(body) if encoding else body

    assert len(read(encoding, pack(bytes(MAX_BODY)))) == MAX_BODY
    with pytest.raises(ResponseError, match="longer than"):
        read(encoding, pack(bytes(MAX_BODY + 1)))


def test_decompression_bomb_ends_at_the_limit():
    body = Body("gzip")
    with pytest.raises(ResponseError, match="longer than"):
        body.add(bodies.bomb())


def test_endless_gzip_that_holds_nothing_ends_at_the_limit():
    empty_block = b"\x00\x00\x00\xff\xff"
    body = Body("gzip")
    body.add(gzip.compress(b"")[:10])
    with pytest.raises(ResponseError, match="longer than"):
        list(map(body.add, repeat(empty_block)))


@pytest.mark.parametrize("length", [-4, 12, 1])
def test_gzip_that_ends_too_early_is_refused(length):
    with pytest.raises(ResponseError, match="too early"):
        read("gzip", gzip.compress(TEXT)[:length])


@pytest.mark.parametrize(
    "packed", [TEXT, gzip.compress(TEXT, mtime=0)[:-8] + b"\x00" * 8], ids=["not gzip", "checksum"]
)
def test_damaged_gzip_is_refused(packed):
    with pytest.raises(ResponseError, match="damaged"):
        read("gzip", packed)
