"""Faults of requests, as data: each is queued for some requests, or switched on for all."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from enum import StrEnum

from wechat_kf.simulator import bodies

JSON = "application/json; encoding=utf-8"
HTML_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body></html>\r\n"
)


class FaultMode(StrEnum):
    """The kinds of fault. Several of one answer are applied in this order."""

    DOWN = "down"  # no answer at all, and nothing is carried out
    SLOW = "slow"  # `seconds` later
    ERRCODE = "errcode"  # a refusal with `errcode`; nothing is carried out
    ANSWER_LOST = "answer_lost"  # carried out, and then the connection breaks
    ANSWER_LATE = "answer_late"  # carried out at once, and answered `seconds` later
    NOT_DONE = "not_done"  # a write that is answered like others and changes nothing, as WeChat's delete at times
    LIST_LAG = "list_lag"  # a write that the next `reads` of the list do not show
    EMPTY = "empty"  # a list without rows
    TEXT_NUMBERS = "text_numbers"  # "2001" where 2001 stood
    OTHER_LIST = "other_list"  # the answer of getonlinekflist to getkflist, as on the vendor's page
    CONTROL = "control"  # raw control characters in names
    TRUNCATED = "truncated"  # JSON that stops in the middle
    BOM = "bom"
    CONTENT_TYPE = "content_type"  # JSON labelled as text
    FLOAT_DEADLINES = "float_deadlines"  # 1795003600.0
    MILLISECOND_DEADLINES = "millisecond_deadlines"
    UNREADABLE_DEADLINES = "unreadable_deadlines"  # a word
    HUGE_NUMBERS = "huge_numbers"  # of thousands of digits
    DEEP = "deep"  # lists in lists, 200,000 of them
    TOO_LONG = "too_long"  # 2 MB of blanks after the answer
    HTML = "html"  # an error page of a proxy, HTTP 502
    GZIP = "gzip"  # compressed, as a client may request
    BOMB = "bomb"  # 65 kB of gzip that hold 64 MB
    STACKED = "stacked"  # the same compressed twice, `Content-Encoding: gzip, gzip`
    DRIP = "drip"  # one byte every `seconds`


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. It is queued for the number of requests in `times`; None: on until cleared."""

    kind: FaultMode
    times: int | None = 1
    path: str | None = None  # None: on every path
    seconds: float = 0
    errcode: int = -1
    reads: int = 1


@dataclass(frozen=True, slots=True)
class RequestFault:
    """The faults of one request, if any."""

    faults: tuple[Fault, ...] = ()

    @property
    def seconds(self) -> float:
        """Return the delay before the request is carried out."""
        later = (FaultMode.ANSWER_LATE, FaultMode.DRIP)
        return sum(fault.seconds for fault in self.faults if fault.kind not in later)

    @property
    def answer_delay(self) -> float:
        """Return the delay between carrying the request out and answering it, in seconds."""
        return sum(fault.seconds for fault in self.faults if fault.kind is FaultMode.ANSWER_LATE)

    @property
    def drip(self) -> float:
        """Return the delay before each byte of the body, in seconds; 0 to send it at once."""
        return max((fault.seconds for fault in self.faults if fault.kind is FaultMode.DRIP), default=0)

    @property
    def content_encoding(self) -> str:
        """Return the header's value; "" to omit the header."""
        if FaultMode.STACKED in self.kinds:
            return "gzip, gzip"
        return "gzip" if {FaultMode.GZIP, FaultMode.BOMB} & self.kinds else ""

    @property
    def kinds(self) -> frozenset[FaultMode]:
        return frozenset(fault.kind for fault in self.faults)

    @property
    def content_type(self) -> str:
        if FaultMode.HTML in self.kinds:
            return "text/html"
        return "text/plain" if FaultMode.CONTENT_TYPE in self.kinds else JSON

    @property
    def down(self) -> bool:
        return FaultMode.DOWN in self.kinds

    @property
    def hidden_reads(self) -> int:
        """Return how many reads of the list do not show this write."""
        return max((fault.reads for fault in self.faults if fault.kind is FaultMode.LIST_LAG), default=0)

    @property
    def errcode(self) -> int | None:
        """Return the errcode of the refusal, if this request is refused."""
        return next((fault.errcode for fault in self.faults if fault.kind is FaultMode.ERRCODE), None)

    def corrupt(self, status: int, body: bytes) -> tuple[int, bytes]:
        """Apply the faults to an answer."""
        for kind in FaultMode:
            if kind in self.kinds:
                status, body = _corrupt(kind, status, body)
        return status, body


class Faults:
    """The queued faults, and those that are on."""

    def __init__(self) -> None:
        self._queued: list[Fault] = []
        self._on: list[Fault] = []

    def inject(self, *faults: Fault) -> None:
        """Queue faults with `times`, one per request, in order; switch on those without."""
        for fault in faults:
            if fault.times is None:
                self._on.append(fault)
            else:
                self._queued += [fault] * fault.times

    def clear(self) -> None:
        """Remove all faults."""
        self._queued.clear()
        self._on.clear()

    def next_request_fault(self, path: str) -> RequestFault:
        """Take the faults of the next request on `path`: all that are on, and the first queued one."""
        met = [fault for fault in self._on if fault.path in (None, path)]
        for position, fault in enumerate(self._queued):
            if fault.path in (None, path):
                met.append(self._queued.pop(position))
                break
        return RequestFault(tuple(met))


def _corrupt(kind: FaultMode, status: int, body: bytes) -> tuple[int, bytes]:
    match kind:
        case FaultMode.HTML:
            return 502, HTML_PAGE
        case FaultMode.TRUNCATED:
            return status, body[: len(body) // 2]
        case FaultMode.BOM:
            return status, b"\xef\xbb\xbf" + body
        case FaultMode.CONTROL:
            return status, body.replace(b'"kf_nick":"', b'"kf_nick":"\x0b\x01\n')
        case FaultMode.OTHER_LIST:
            return status, body.replace(b'"kf_list"', b'"kf_online_list"')
        case FaultMode.EMPTY | FaultMode.TEXT_NUMBERS:
            return status, _rewritten(kind, body)
        case FaultMode.FLOAT_DEADLINES:
            return status, bodies.float_deadlines(body)
        case FaultMode.MILLISECOND_DEADLINES:
            return status, bodies.millisecond_deadlines(body)
        case FaultMode.UNREADABLE_DEADLINES:
            return status, bodies.unreadable_deadlines(body)
        case FaultMode.HUGE_NUMBERS:
            return status, bodies.huge_numbers(body)
        case FaultMode.DEEP:
            return status, bodies.deep()
        case FaultMode.TOO_LONG:
            return status, bodies.too_long(body)
        case FaultMode.GZIP:
            return status, gzip.compress(body)
        case FaultMode.BOMB:
            return status, bodies.bomb()
        case FaultMode.STACKED:
            return status, bodies.stacked_bomb()
        case _:
            return status, body


def _rewritten(kind: FaultMode, body: bytes) -> bytes:
    parse_int = str if kind is FaultMode.TEXT_NUMBERS else int
    answer = json.loads(body, parse_int=parse_int)
    if kind is FaultMode.EMPTY:
        answer = {name: [] if isinstance(value, list) else value for name, value in answer.items()}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()
