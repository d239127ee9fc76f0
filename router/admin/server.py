"""The server of the admin listener, and what it says to callers that are too many."""

from __future__ import annotations

import logging
import time

from tornado.iostream import IOStream

from router.bounded import BoundedServer, write_and_close
from router.payload import dump_json

log = logging.getLogger("router.admin")

_SECONDS_BETWEEN_LINES = 60.0

_BODY = dump_json({"error": "too_many_connections", "message": "too many connections are open already"}) + b"\n"

_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 60\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


class AdminServer(BoundedServer):
    """Serves administrators, probes and their tools: few callers, who must not use up the descriptors of deliveries."""

    most_connections = 128
    _say_again_at = 0.0

    def turn_away(self, stream: IOStream) -> None:
        if time.monotonic() >= self._say_again_at:
            self._say_again_at = time.monotonic() + _SECONDS_BETWEEN_LINES
            hint = "find out who keeps them open; idle ones end after a minute"
            log.warning("admin.too_many_connections", extra={"open": self.open_connections, "hint": hint})
        write_and_close(stream, _REFUSAL)
