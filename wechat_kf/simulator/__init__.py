"""A simulator of the documented API, sans-I/O: tests mount it, the demo serves it.

An adapter takes the fault of each request, applies its delay and headers, and passes on the rest:

    fault = simulator.next_request_fault(path)
    await sleep(fault.seconds)
    status, body = simulator.answer(method, path, query, body, now, client_ip, fault=fault)
    await sleep(fault.answer_delay)
    reply(status, body, fault.content_type, fault.content_encoding)    # or hang up on ConnectionError

It sends each byte of the body `fault.drip` seconds after the one before.
"""

from wechat_kf.simulator.account_type import AccountType
from wechat_kf.simulator.api import Call, Simulator
from wechat_kf.simulator.faults import Fault, FaultMode, RequestFault
from wechat_kf.simulator.seats import Seat

__all__ = ["AccountType", "Call", "Fault", "FaultMode", "RequestFault", "Seat", "Simulator"]
