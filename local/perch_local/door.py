"""A way from containers to a stack that listens on 127.0.0.1 only.

It listens on the host's address of Docker's bridge, which no other machine reaches, and hands connections on.
"""
import contextlib
import errno
import socket
import socketserver
import threading

from perch_local.docker_daemon import DockerError


class Door:
    """Forwards connections to `address`:`port` to 127.0.0.1:`port`. `needed` is False where Docker does that itself."""

    def __init__(self, address, port):
        self.address, self.port, self.needed = address, port, True
        self._server = None

    def __enter__(self):
        try:
            self._server = _Server((self.address, self.port), _Forward)
        except OSError as failed:
            # Docker Desktop: the bridge is inside a virtual machine, and host.docker.internal reaches this host.
            if failed.errno != errno.EADDRNOTAVAIL:
                raise DockerError(f"can't listen on {self.address}:{self.port} for containers: {failed.strerror}; "
                                  "choose another stack with PERCH_LOCAL_PORT") from failed
            self.needed = False
            return self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(self, *_):
        if self._server:
            self._server.shutdown()
            self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    # A container that was removed says no goodbye: its connection's thread ends with the process.
    daemon_threads, block_on_close, allow_reuse_address = True, False, True


class _Forward(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.server_address[1])) as stack:
            answers = threading.Thread(target=_copy, args=(stack, self.request), daemon=True)
            answers.start()
            _copy(self.request, stack)
            answers.join()


def _copy(source, sink):
    """Everything from one socket to the other, the end included."""
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            sink.sendall(block)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
