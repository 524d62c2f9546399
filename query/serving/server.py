"""Serve a lake on this machine, to whoever has the link."""

import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from ...lake.errors import InputError
from .application import application, prepare
from .asking import Served
from .kept import Leave

if TYPE_CHECKING:
    from ..lake import Lake

HOST = "127.0.0.1"
_GRACE_S = 2


class Server:
    """A lake that is served: read-only, on this machine alone.

    It listens from the beginning, so that the link works as soon as `run` is called.

    Parameters
    ----------
    lake
        The lake.
    port
        The port to listen at; 0 for any that is free.

    Attributes
    ----------
    link
        What to open; it works once.

    Raises
    ------
    InputError
        The port is taken.
    """

    def __init__(self, lake: "Lake", port: int = 0) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((HOST, port))
        except OSError as error:
            self._listener.close()
            raise InputError(f"port {port} cannot be used ({error.strerror}); choose another one") from error
        self._listener.listen(128)
        number = self._listener.getsockname()[1]
        self._served = Served(lake)
        app = application(self._served, number)
        self.link = f"http://{HOST}:{number}/?token={app.token}"
        settings = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=_GRACE_S, server_header=False
        )
        self._server = uvicorn.Server(settings)

    def run(self) -> None:
        """Answer until Ctrl-C, or until another thread calls `stop`."""
        leave = Leave()
        preparing = threading.Thread(target=prepare, args=[self._served, leave], name="prepare")
        preparing.start()
        try:
            with self._listener:
                self._server.run([self._listener])
        finally:
            leave.leave()
            # It may ask again after it was interrupted.
            while preparing.is_alive():
                self._served.interrupt()
                preparing.join(0.05)

    def stop(self) -> None:
        """Let `run` end."""
        self._server.should_exit = True
