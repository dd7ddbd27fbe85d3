"""A TCP relay in front of PostgreSQL that reads startup packets, as a pooler does.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict

TLS_REQUEST, GSS_REQUEST = 80877103, 80877104


@dataclass
class StartupRelay:
    """The parameters of each startup packet so far, and the names of those that are refused."""

    url: str = ""
    refused: tuple[str, ...] = ()
    startups: list[dict[str, str]] = field(default_factory=list)
    server: dict[str, str] = field(default_factory=dict)
    flows: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: the server does not answer any more

    def lead_to(self, url: str) -> None:
        """Relay new connections to the server of a URL; those that are open stay where they are."""
        self.server = {name: str(value) for name, value in conninfo_to_dict(url).items()}


@asynccontextmanager
async def startup_relay(url: str, *refused: str) -> AsyncIterator[StartupRelay]:
    """Relay to the server of a URL. Startup packets with one of the `refused` parameters get an error."""
    relay = StartupRelay(refused=refused)
    relay.lead_to(url)
    relay.flows.set()

    connections: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                await _serve(relay, relay.server, reader, writer)
            finally:
                writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    relay.url = f"postgresql://{relay.server.get('user', 'postgres')}@127.0.0.1:{port}/{relay.server['dbname']}"
    try:
        yield relay
    finally:
        listening.close()
        for connection in filter(None, connections):
            connection.cancel()
        await asyncio.gather(*filter(None, connections), return_exceptions=True)


async def _serve(
    relay: StartupRelay, server: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    code, packet = await _packet(reader)
    while code in (TLS_REQUEST, GSS_REQUEST):
        writer.write(b"N")
        code, packet = await _packet(reader)
    words = [word.decode() for word in packet[8:].split(b"\0")]
    parameters = dict(zip(words[::2], words[1::2], strict=False))
    parameters.pop("", None)
    relay.startups.append(parameters)
    if found := [name for name in relay.refused if name in parameters]:
        error = f"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: {found[0]}\0\0".encode()
        writer.write(b"E" + struct.pack("!i", len(error) + 4) + error)
        await writer.drain()
        return
    host = server.get("host", "127.0.0.1")
    port = server.get("port", "5432")
    there = (
        await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        if host.startswith("/")
        else await asyncio.open_connection(host, int(port))
    )
    try:
        there[1].write(packet)
        await asyncio.gather(_pump(relay, reader, there[1]), _pump(relay, there[0], writer))
    finally:
        there[1].transport.abort()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a packet of the beginning, which has no type: its code, and all its bytes."""
    head = await reader.readexactly(8)
    length, code = struct.unpack("!ii", head)
    return code, head + await reader.readexactly(length - 8)


async def _pump(relay: StartupRelay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while some := await reader.read(65536):
            await relay.flows.wait()
            writer.write(some)
            await writer.drain()
    writer.close()
