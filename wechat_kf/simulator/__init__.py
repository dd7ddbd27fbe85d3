"""A simulator of the documented API, sans-I/O: tests mount it, the demo serves it.

An adapter takes the fault of each request, applies its delay and headers, and passes on the rest:

    simulator = world.addressed(path, query, body)    # only where several accounts have one address
    fault = simulator.next_request_fault(path)
    await sleep(fault.seconds)
    status, body = simulator.answer(method, path, query, body, now, client_ip, fault=fault)
    await sleep(fault.answer_delay)
    reply(status, body, fault.content_type, fault.content_encoding)    # or hang up on ConnectionError

It sends each byte of the body `fault.drip` seconds after the one before.
"""

from wechat_kf.simulator.account_type import AccountType
from wechat_kf.simulator.api import Simulator
from wechat_kf.simulator.endpoint import Call
from wechat_kf.simulator.faults import Fault, FaultMode, RequestFault
from wechat_kf.simulator.seats import Seat
from wechat_kf.simulator.token_service import ServiceFault, TokenService, TokenShape
from wechat_kf.simulator.world import World

__all__ = [
    "AccountType",
    "Call",
    "Fault",
    "FaultMode",
    "RequestFault",
    "Seat",
    "ServiceFault",
    "Simulator",
    "TokenService",
    "TokenShape",
    "World",
]
