"""One HAProxy process for the load balancers of a stack.

`sh local/servers.sh haproxy` (part of `make setup`) puts the program into .venv-servers. A reload starts a process that
takes the listening sockets from the one before it (`-x`) and lets it end its connections (`-sf`), so no request is
lost. Weights and targets change through the runtime API (HAProxy Management Guide, "Unix Socket commands").
"""
import atexit
import os
import pathlib
import socket
import subprocess
import tempfile
import time

from perch_local.scope import log

BINARY = pathlib.Path(__file__).resolve().parents[3] / ".venv-servers/haproxy/bin/haproxy"
READY_WITHIN = 30.0
ENDED_WITHIN = 5.0


class ProxyError(Exception):
    """HAProxy did not take what it was given."""


class Proxy:
    """The process and its runtime API."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="perch-elb-"))
        self.process = None
        atexit.register(self.stop)

    def alive(self):
        """Whether it runs."""
        return bool(self.process) and self.process.poll() is None

    def load(self, text):
        """Run with this configuration from now on."""
        if not BINARY.exists():
            raise ProxyError("no haproxy in .venv-servers: run `make setup`")
        file, before = self.folder / "haproxy.cfg", self.process if self.alive() else None
        file.write_text(text)
        command = [str(BINARY), "-db", "-f", str(file)]
        if before:
            command += ["-x", str(self.folder / "admin.sock"), "-sf", str(before.pid)]
        with open(self.folder / "haproxy.log", "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        deadline = time.monotonic() + READY_WITHIN
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                reason = (self.folder / "haproxy.log").read_text(errors="replace")[-2000:]
                self.process = before
                raise ProxyError(f"haproxy refused its configuration:\n{reason}")
            time.sleep(0.01)

    def _answers(self):
        try:
            return f"Pid: {self.process.pid}\n" in self._ask("show info")
        except OSError:
            return False

    def tell(self, *commands):
        """The answer of the runtime API to some commands.

        For a moment after a reload the process that ends takes connections, too. What it was told is told again to the one
        that stays: each answer says who gave it.
        """
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                info, _, answer = self._ask("show info", *commands).partition("\n\n")
                if f"Pid: {self.process.pid}\n" in info:
                    return answer
                failed = ProxyError("the process before the last reload still answers")
            except OSError as wrong:
                failed = wrong
            if not self.alive() or time.monotonic() > deadline:
                raise failed
            time.sleep(0.01)

    def _ask(self, *commands):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.folder / "admin.sock"))
            connection.sendall((";".join(commands) + "\n").encode())
            out = b""
            while data := connection.recv(65536):
                out += data
        return out.decode()

    def set_map(self, name, lines):
        """Replace a map at once, in the file and in the process."""
        path = self.folder / f"{name}.map"
        path.write_text("".join(f"{key} {value}\n" for key, value in lines))
        if not self.alive():
            return
        version = self.tell(f"prepare map {path}").strip().rsplit(" ", 1)[-1]
        if not version.isdigit():
            return                          # not loaded yet: the next load reads the file
        answer = self.tell(*(f"add map @{version} {path} {key} {value}" for key, value in lines), f"commit map @{version} {path}")
        if answer.strip():
            raise ProxyError(f"map {name}: {answer.strip()}")

    def set_server(self, group, number, slot, moved):
        """Give a slot a target, or another state."""
        name = f"{group}/s{number}"
        commands = [f"set server {name} addr {slot.host} port {slot.port}"] if moved else []
        answer = self.tell(*commands, f"set server {name} weight {0 if slot.state == 'drain' else 1}",
                           f"set server {name} state {'ready' if slot.state == 'drain' else slot.state}")
        if "No such" in answer or "nvalid" in answer:
            log.error("haproxy: %s: %s", name, answer.strip())

    def stop(self):
        """End it."""
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(ENDED_WITHIN)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process = None


def bindable(address, port):
    """None when a listener can be opened there, else why not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as failed:
            return os.strerror(failed.errno)
    return None
