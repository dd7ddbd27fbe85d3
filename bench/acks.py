"""A client in a process of its own: it times acknowledgements, undisturbed by the answers that follow them."""

from __future__ import annotations

import http.client
import json
import sys
import time
from urllib.parse import urlencode, urlsplit

from bot.demo.slack import sign

WARM_UP = 200
REST = 0.004  # seconds: what follows an acknowledgement must not run into the next one


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port)


def ack(connection: http.client.HTTPConnection, body: str, secret: str) -> float:
    """Milliseconds from sending a signed command to its 200."""
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign(body, secret, stamp),
    }
    began = time.perf_counter()
    connection.request("POST", "/slack/events", body, headers)
    response = connection.getresponse()
    response.read()
    taken = (time.perf_counter() - began) * 1000
    if response.status != 200:
        raise RuntimeError(f"not acknowledged: {response.status}")
    return taken


def main() -> None:
    """Arguments: a secret, a response_url, how many pairs, and the addresses; prints a list of times for each."""
    secret, response_url, pairs, *urls = sys.argv[1:]
    fields = {
        "token": "x",
        "team_id": "T0001",
        "team_domain": "bench",
        "channel_id": "C0CARE",
        "channel_name": "care",
        "user_id": "U0MEI",
        "user_name": "mei",
        "command": "/kf",
        "text": "help",
        "api_app_id": "A0001",
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": "1.2.3",
    }
    body = urlencode(fields)
    connections = [connect(url) for url in urls]
    times: list[list[float]] = [[] for _ in urls]
    for number in range(WARM_UP + int(pairs)):
        places = range(len(urls)) if number % 2 else reversed(range(len(urls)))
        for place in places:
            taken = ack(connections[place], body, secret)
            if number >= WARM_UP:
                times[place].append(taken)
            time.sleep(REST)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
