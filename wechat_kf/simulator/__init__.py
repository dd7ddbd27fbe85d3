"""The API to run against, sans-I/O, after the documentation: tests mount it, a demo serves it.

An adapter asks for the mishap of a request, waits as it says, and passes the rest through:

    mishap = simulator.next_mishap(path)
    await sleep(mishap.seconds)
    status, body = simulator.answer(method, path, query, body, now, client_ip, mishap=mishap)
    reply(status, body, mishap.content_type, mishap.content_encoding)    # or hang up on ConnectionError

Each byte of the body waits for `mishap.drip` seconds.
"""

from wechat_kf.simulator.api import Call, Simulator
from wechat_kf.simulator.faults import Fault, FaultMode, RequestFault
from wechat_kf.simulator.seats import Seat

__all__ = ["Call", "Fault", "FaultMode", "RequestFault", "Seat", "Simulator"]
