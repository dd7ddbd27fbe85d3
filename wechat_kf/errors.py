"""The errors, split by the caller's next step. The operator's next step is in `advice`."""

from __future__ import annotations

from wechat_kf.advice import Next, advice

# WeChat failed: the same call may succeed seconds later. No other errcode leaves open whether it was carried out.
SYSTEM_ERRORS = frozenset({-1, 61450})


class KfError(Exception):
    """Base of all errors of this package."""

    # Of a write: the request may have left, and no answer shows that it was not carried out. Read the list to find
    # out; the same write again might be carried out twice.
    may_have_taken_effect: bool = False
    # Of a call for an account: the third-party platform has the problem, and all its accounts with it.
    of_platform: bool = False


class TransportError(KfError):
    """No readable answer arrived: network, time-out, HTTP status. A later call may succeed.

    Its text names the call and the kind of fault, never the URL, which contains the token.
    """

    def __init__(
        self,
        reason: str,
        *,
        attempts: int = 1,
        status: int | None = None,
        proxy: bool = False,
        timed_out: bool = False,
        sent: bool = True,
    ) -> None:
        super().__init__(f"{reason} (after {attempts} attempts)" if attempts > 1 else reason)
        self.reason = reason
        self.attempts = attempts
        self.status = status  # the HTTP status, if it was not 2xx
        self.proxy = proxy  # the proxy failed or refused, not WeChat
        self.timed_out = timed_out
        self.sent = sent  # False: no part of the request can have reached WeChat

    def after(self, attempts: int) -> TransportError:
        """Return the same error, with the number of attempts."""
        return TransportError(
            self.reason,
            attempts=attempts,
            status=self.status,
            proxy=self.proxy,
            timed_out=self.timed_out,
            sent=self.sent,
        )


class ResponseError(KfError):
    """An answer arrived, but not in the documented shape."""


class APIError(KfError):
    """The API refused: a non-zero `errcode`. The text is WeChat's, for a log; `advice` is for people."""

    def __init__(self, errcode: int, errmsg: str, *, rid: str | None = None, address: str | None = None) -> None:
        super().__init__(f"{errmsg} (errcode {errcode}{f', rid {rid}' if rid else ''})")
        self.errcode = errcode
        self.errmsg = errmsg  # without the tail that contains the rid
        self.rid = rid  # identifies the call for WeChat's support; not secret
        self.address = address  # the caller's, as WeChat saw and refused it (40164, 61004)
        self.advice = advice(errcode).text


class TokenError(APIError):
    """The access token is refused. After a read its replacement is too, so the AppSecret may be wrong."""


class BusyError(APIError):
    """Nothing is wrong with the call: the same one may succeed later."""


class QuotaError(APIError):
    """Today's quota is spent: no call succeeds before tomorrow."""


class SetupError(APIError):
    """A person must change something before this can succeed."""


_CLASSES: dict[Next, type[APIError]] = {
    Next.GIVE_UP: APIError,
    Next.RENEW: TokenError,
    Next.WAIT: BusyError,
    Next.TOMORROW: QuotaError,
    Next.SETUP: SetupError,
}


def api_error(errcode: int, errmsg: str, *, rid: str | None = None, address: str | None = None) -> APIError:
    """Return the error for an `errcode`, of the class that fits the caller's next step."""
    return _CLASSES[advice(errcode).next](errcode, errmsg, rid=rid, address=address)
