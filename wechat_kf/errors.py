"""The family of errors, split by what a caller does next. What an operator does next is in `advice`."""

from __future__ import annotations

from wechat_kf.advice import Next, advice


class KfError(Exception):
    """Base of everything this package raises."""


class TransportError(KfError):
    """No answer we can read arrived: network, time-out, HTTP status. Ask again in a while.

    Its text names the call and the kind of fault, never the URL, which holds the token.
    """

    def __init__(
        self,
        reason: str,
        *,
        attempts: int = 1,
        status: int | None = None,
        proxy: bool = False,
        timed_out: bool = False,
    ) -> None:
        super().__init__(f"{reason} (after {attempts} attempts)" if attempts > 1 else reason)
        self.reason = reason
        self.attempts = attempts
        self.status = status  # the HTTP status, where it was not 2xx
        self.proxy = proxy  # the proxy failed or refused, not WeChat
        self.timed_out = timed_out

    def after(self, attempts: int) -> TransportError:
        """Return the same fault as the end of so many attempts."""
        return TransportError(
            self.reason,
            attempts=attempts,
            status=self.status,
            proxy=self.proxy,
            timed_out=self.timed_out,
        )


class ResponseError(KfError):
    """An answer arrived, but not in the documented shape."""


class APIError(KfError):
    """The API refused: a non-zero `errcode`. The text is WeChat's, for a log; `advice` is for people."""

    def __init__(self, errcode: int, errmsg: str, *, rid: str | None = None, address: str | None = None) -> None:
        super().__init__(f"{errmsg} (errcode {errcode}{f', rid {rid}' if rid else ''})")
        self.errcode = errcode
        self.errmsg = errmsg  # without the tail that holds the rid
        self.rid = rid  # names the call to WeChat's support; harmless to show
        self.address = address  # ours, as WeChat saw and refused it (40164, 61004)
        self.advice = advice(errcode).text


class TokenError(APIError):
    """The access token is refused. Out of a read: also its replacement, so the AppSecret may be wrong."""


class BusyError(APIError):
    """Nothing is wrong with the call: the same one may succeed later."""


class QuotaError(APIError):
    """The calls of today are spent. Ask no more before tomorrow."""


class SetupError(APIError):
    """A person must change something before this can succeed."""


_FAMILY: dict[Next, type[APIError]] = {
    Next.GIVE_UP: APIError,
    Next.RENEW: TokenError,
    Next.WAIT: BusyError,
    Next.TOMORROW: QuotaError,
    Next.TELL: SetupError,
}


def api_error(errcode: int, errmsg: str, *, rid: str | None = None, address: str | None = None) -> APIError:
    """Return the member of the family that `errcode` calls for."""
    return _FAMILY[advice(errcode).next](errcode, errmsg, rid=rid, address=address)
