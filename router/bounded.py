"""Tornado's HTTP server with a bound of its connections: each takes a descriptor, and idle ones are cheap to open."""

from __future__ import annotations

from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError


class BoundedServer(HTTPServer):
    """
    Serves as many connections as it may, and sends further callers away until one ends.

    Attributes:
        most_connections: Open at the same time.
        open_connections: Open now, without those that were sent away.
    """

    most_connections = 512
    open_connections = 0

    def turn_away(self, stream: IOStream) -> None:
        """Take leave of a caller who is one too many; the stream is this method's to close."""
        stream.close()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self.open_connections >= self.most_connections:
            self.turn_away(stream)
            return
        self.open_connections += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        self.open_connections -= 1


def write_and_close(stream: IOStream, data: bytes) -> None:
    """Say a last word that is small enough for the socket to take it at once."""
    try:
        stream.write(data)
    except StreamClosedError:
        return
    stream.close()
