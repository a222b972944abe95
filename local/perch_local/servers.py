"""A real redis-server on a free port, as a child process.

    with servers.redis() as cache:
        cache.command("SET", "news:generation", "v1")
        cache.url                                    # redis://127.0.0.1:PORT

`sh local/servers.sh redis` (part of `make setup`) puts the binary into .venv-servers. Nothing is written to disk
unless `keep=True`, which lets a restarted server have its keys again.
"""
import contextlib
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / ".venv-servers/redis/bin/redis-server"
READY_WITHIN = 30.0
ENDED_WITHIN = 10.0


class ServerError(Exception):
    """A message for the terminal."""


class CacheError(Exception):
    """The cache's own error reply, such as `WRONGPASS ...`."""


class Redis:
    """One redis-server; `start` and `stop` may be repeated, and the port stays the same."""

    def __init__(self, port=None, password=None, keep=False):
        if not BINARY.exists():
            raise ServerError("no redis-server in .venv-servers: run `make setup`")
        self.port = port or free_port()
        self.password = password
        self.keep = keep
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="perch-redis-"))
        self.log = self.folder / "redis.log"
        self.process = None

    @property
    def url(self):
        """Its address without a password, as target files have it."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        """Start it and wait until it answers."""
        if self.process and self.process.poll() is None:
            return self
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder),
                   "--appendonly", "yes" if self.keep else "no", "--appendfsync", "always"]
        if self.password:
            options += ["--requirepass", self.password]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BINARY, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        deadline = time.monotonic() + READY_WITHIN
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log.read_text(errors="replace")[-2000:]
                self.stop()
                raise ServerError(f"redis-server did not start on port {self.port}:\n{text}")
            time.sleep(0.02)
        return self

    def answers(self):
        """True when it answers PING."""
        try:
            return self.command("PING") == "PONG"
        except (OSError, CacheError):
            return False

    def stop(self):
        """End it; its port is free when this returns."""
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(ENDED_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def pause(self):
        """Hold it: connections are taken, answers do not come."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        """Let a held server go on."""
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        """End it and remove its folder."""
        if self.process:
            self.resume()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *words):
        """One command's reply: text, a number, a list, or None."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            lines = connection.makefile("rb")
            if self.password:
                connection.sendall(_request("AUTH", self.password))
                _reply(lines)
            connection.sendall(_request(*words))
            return _reply(lines)


@contextlib.contextmanager
def redis(**settings):
    """A running redis-server, ended with the block."""
    server = Redis(**settings)
    try:
        yield server.start()
    finally:
        server.close()


def free_port():
    """A port of this host that nothing listens on, and that nobody else is given for a minute.

    It had a connection, whose end leaves the port in TIME_WAIT: Linux gives it to no socket that asks for any port, and to
    one that asks for this port with SO_REUSEADDR, as servers do.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()):
            listening.accept()[0].close()
        return listening.getsockname()[1]


def _request(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _reply(lines):
    line = lines.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the cache closed the connection")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        raise CacheError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else lines.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return None if rest == "-1" else [_reply(lines) for _ in range(int(rest))]
    return rest
