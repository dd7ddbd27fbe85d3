"""The Slack simulator over HTTP: requests, responses and faults. It contains no rules of Slack."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bot.demo.slack_simulator import hooks, web_api_methods
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.simulator import RESPONSE_URL, ApiCall, SlackSimulator
from bot.demo.slack_simulator.slack_faults import SlackFault

NO_FAULT = SlackFault(taken=True)


def application(slack: SlackSimulator) -> web.Application:
    """Build the server: `/api/{method}`, the response_urls, and `/link/` for Socket Mode."""
    app = web.Application()
    app.router.add_route("*", "/api/{method}", partial(_web_api, slack))
    app.router.add_post("/{kind:commands|actions}/{team}/{key}", partial(_response_url, slack))
    app.router.add_get("/link/", slack.sockets.serve)
    app.router.add_get("/", _front_page)
    app.router.add_route("*", "/{rest:.*}", partial(_nowhere, slack))
    app.on_shutdown.append(partial(_close_sockets, slack))
    return app


async def _front_page(_: web.Request) -> web.StreamResponse:
    """Lead a visitor to the documentation, as the host of Slack's response_urls does."""
    raise web.HTTPFound("https://docs.slack.dev/")


async def _web_api(slack: SlackSimulator, request: web.Request) -> web.StreamResponse:
    method = request.match_info["method"]
    fault, token, arguments, said = NO_FAULT, "", dict[str, Any](), dict[str, Any]()
    try:
        token, arguments = await _read(slack, method, request)
    except Refusal as refusal:
        said = web_api_methods.answered(slack, method, refusal)
    else:
        slack.notify(method, "arrived", arguments)
        fault = slack.take_fault(method) or NO_FAULT
        if fault.taken:
            said = slack.call(method, arguments, token=token)
            slack.notify(method, "acted", arguments)
    headers = {"X-OAuth-Scopes": ",".join(sorted(slack.scopes))} if token == slack.bot_token else {}
    shown = said if fault.status is None else fault.body
    error = shown.get("error") if isinstance(shown, dict) else shown
    _note(slack, method, arguments, fault, 200, error)
    answer = web.json_response(said, headers=headers)
    return await _send(slack, method, arguments, request, await _respond(request, fault, answer))


async def _response_url(slack: SlackSimulator, request: web.Request) -> web.StreamResponse:
    fault, payload, status, said = NO_FAULT, dict[str, Any](), 200, "ok"
    try:
        payload = _payload(await request.text(), request.content_type)
    except Refusal as refusal:
        status, said = _refused(slack, refusal)
    else:
        slack.notify(RESPONSE_URL, "arrived", payload)
        fault = slack.take_fault(RESPONSE_URL) or NO_FAULT
        if fault.taken:
            status, said = _use(slack, request.match_info["key"], payload)
            slack.notify(RESPONSE_URL, "acted", payload)
    _note(slack, RESPONSE_URL, payload, fault, status, None if status == 200 else said)
    answer = web.Response(status=status, text=said)
    return await _send(slack, RESPONSE_URL, payload, request, await _respond(request, fault, answer))


def _use(slack: SlackSimulator, key: str, payload: dict[str, Any]) -> tuple[int, str]:
    try:
        hooks.use(slack, key, payload)
    except Refusal as refusal:
        return _refused(slack, refusal)
    return 200, "ok"


def _refused(slack: SlackSimulator, refusal: Refusal) -> tuple[int, str]:
    said = web_api_methods.answered(slack, RESPONSE_URL, refusal)["error"]
    return (404 if said in hooks.GONE else 400), said


def _note(
    slack: SlackSimulator, method: str, arguments: dict[str, Any], fault: SlackFault, status: int, error: str | None
) -> None:
    if fault.drop:
        slack.note(ApiCall(method, arguments, None))
    else:
        slack.note(ApiCall(method, arguments, fault.status or status, error))


async def _respond(request: web.Request, fault: SlackFault, answer: web.Response) -> web.Response | None:
    """Return the real answer, or the one that a fault replaces it by: None for a closed connection."""
    if fault.seconds:
        await asyncio.sleep(fault.seconds)
    if fault.drop:
        return None
    if fault.status is None:
        return answer
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if isinstance(fault.body, str):
        return web.Response(status=fault.status, text=fault.body, content_type="text/html", headers=headers)
    return web.json_response(fault.body, status=fault.status, headers=headers)


async def _send(
    slack: SlackSimulator, method: str, arguments: dict[str, Any], request: web.Request, answer: web.Response | None
) -> web.Response:
    """Return the answer for aiohttp to send; send it here if a caller waits until it has been sent."""
    if answer is None:
        return hang_up(request)
    if slack.watches(method, "answered"):
        try:
            await answer.prepare(request)
            await answer.write_eof()
        except ConnectionError:  # the app did not wait for it
            return answer
        slack.notify(method, "answered", arguments)
    return answer


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer. The returned response is not sent."""
    if request.transport:
        request.transport.close()
    return web.Response()


async def _read(slack: SlackSimulator, method: str, request: web.Request) -> tuple[str, dict[str, Any]]:
    """Take token and arguments out of header, query, and form or JSON body.

    A token counts in the header, the query and a form, that of an app in the header alone. In JSON Slack
    overlooks it, and a whole body of JSON where the method takes none.

    Raises:
        Refusal: invalid_json, json_not_object, invalid_post_type.
    """
    arguments: dict[str, Any] = dict(request.query)
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    body = await request.text()
    if body and request.content_type == "application/x-www-form-urlencoded":
        arguments |= dict(parse_qsl(body, keep_blank_values=True))
    token = arguments.pop("token", "")
    if method == web_api_methods.OPEN_SOCKET:
        token = ""
    if body and request.content_type == "application/json" and not web_api_methods.takes_json(method):
        slack.unexpected.append(f"{method}: a body of JSON, which it overlooks")
    elif body and request.content_type == "application/json":
        arguments |= _object(body)
        arguments.pop("token", None)
    elif body and request.content_type != "application/x-www-form-urlencoded":
        raise Refusal("invalid_post_type", note=f"a body of {request.content_type}")
    return bearer if scheme == "Bearer" else token, arguments


def _payload(body: str, content_type: str) -> dict[str, Any]:
    """Read what is posted to a response_url: JSON, or a form whose one field holds JSON."""
    if content_type == "application/x-www-form-urlencoded":
        body = dict(parse_qsl(body)).get("payload", "")
    elif content_type != "application/json":
        raise Refusal("invalid_payload", note=f"an answer of {content_type}")
    return _object(body)


def _object(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        raise Refusal("invalid_json", note="a body of broken JSON") from None
    if not isinstance(found, dict):
        raise Refusal("json_not_object", note="a JSON body that is no object")
    return found


async def _nowhere(slack: SlackSimulator, request: web.Request) -> web.StreamResponse:
    slack.unexpected.append(f"{request.method} {request.path}: there is nothing at Slack")
    return web.Response(status=404)


async def _close_sockets(slack: SlackSimulator, app: web.Application) -> None:
    await slack.sockets.close()
