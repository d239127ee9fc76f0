"""The yardstick: a Tornado handler that answers 200 and does nothing else. Prints its port."""

from __future__ import annotations

import asyncio
import logging
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


class Answer(RequestHandler):
    def post(self) -> None:
        self.write("ok")


async def main() -> None:
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application([(r"/.*", Answer)])).add_sockets(sockets)
    sys.stdout.write(f"{sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
