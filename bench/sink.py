"""
Where messages arrive: answers `ok` to every POST, as cheaply as it can. Prints its port.

`GET` tells in JSON how many came since the last GET, when the first and the last one did, in seconds of the monotonic
clock, and how long those that say when they were `sent` were under way, in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_SENT = re.compile(rb'"sent": ?"(\d+)"')
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Arrived:
    count = 0
    first = 0.0
    last = 0.0
    under_way: list[float] = []  # noqa: RUF012 - one process, one sink


class Wire(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._data, 0, end + 2)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._data) < size:
                return
            is_get = self._data.startswith(b"GET")
            request, self._data = self._data[:size], self._data[size:]
            self._transport.write(self._told() if is_get else self._taken(request))

    def _taken(self, request: bytes) -> bytes:
        Arrived.last = time.monotonic()
        Arrived.first = Arrived.first or Arrived.last
        Arrived.count += 1
        if sent := _SENT.search(request):
            Arrived.under_way.append((time.monotonic_ns() - int(sent[1])) / 1e6)
        return _OK

    def _told(self) -> bytes:
        told = {
            "count": Arrived.count,
            "first": Arrived.first,
            "last": Arrived.last,
            "under_way": sorted(Arrived.under_way),
        }
        body = json.dumps(told).encode()
        Arrived.count, Arrived.first, Arrived.under_way = 0, 0.0, []
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Wire, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
