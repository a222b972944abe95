"""The way from functions to AWS on which faults happen: an HTTP proxy with one door per execution environment.

Each environment gets the address of its own door as AWS_ENDPOINT_URL, so a door knows whose call it carries: the
function, what its event is about, and the process to kill. Requests go on as they came, with their signatures.
Every call is written down: what it was, how it was answered, and the fault it met.
"""
import asyncio
import contextlib
import json
import threading
import time

from perch_local import fault_answers
from perch_local.fault_plan import Place

LIMIT = 2 ** 20


class Proxy:
    """An event loop on a thread of its own, and the doors of all environments."""

    def __init__(self, host, port, faults, log=None):
        self.upstream, self.faults, self.log = (host, port), faults, log
        self.loop, self._lock = asyncio.new_event_loop(), threading.Lock()
        threading.Thread(target=self.loop.run_forever, daemon=True, name="perch-faults").start()

    def open(self, environment):
        """A new door for an environment, which has `function`, `event` and `kill()`; (URL, what closes it)."""
        door = Door(self, environment)
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(door.serve, "127.0.0.1", 0, limit=LIMIT), self.loop).result(10)
        port = server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}", lambda: self.loop.call_soon_threadsafe(server.close)

    def write(self, place, status, fault, body):
        """One line about one call; of an alias's update also what it asked for."""
        if not self.log:
            return
        line = {"at": round(time.time(), 3), "function": place.function, "subject": place.subject, "release": place.release,
                "operation": place.operation, "status": status, "fault": fault.kind if fault else None}
        if place.operation == "Lambda.UpdateAlias":
            line["body"] = json.loads(body)
        with self._lock:
            self.log.write(json.dumps(line) + "\n")
            self.log.flush()


class Door:
    """One environment's connections."""

    def __init__(self, proxy, environment):
        self.proxy, self.environment = proxy, environment

    async def serve(self, reader, writer):
        """Carry the requests of one connection until either side ends it."""
        onward = None
        try:
            while request := await read_message(reader):
                onward = onward or await asyncio.open_connection(*self.proxy.upstream, limit=LIMIT)
                if not await self.carry(request, writer, onward):
                    return
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass            # one side has gone; so does the other
        finally:
            for stream in (writer, onward[1] if onward else None):
                if stream:
                    stream.close()

    async def carry(self, request, writer, onward):
        """One request and its answer, or the fault instead; whether the connection goes on."""
        head, body = request
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        protocol, service, operation = fault_answers.call_of(method, path, headers_of(head), body)
        subject, release = self.proxy.faults.about(self.environment.event)
        place = Place("call", self.environment.function, subject, release, f"{service}.{operation}")
        fault = self.proxy.faults.choose(place)
        kind = fault.kind if fault else None
        if kind in ("drop", "kill-before"):
            return self.end(place, fault, None, writer, body)
        if kind in ("throttle", "error"):
            answer = (fault_answers.throttled if kind == "throttle" else fault_answers.broken)(protocol, service)
            self.proxy.write(place, answer[0], fault, body)
            writer.write(message(*answer))
            await writer.drain()
            return True
        if kind == "delay":
            await asyncio.sleep(fault.seconds)
        reader, sink = onward
        sink.write(head + body)
        await sink.drain()
        answer = await read_message(reader, method == "HEAD")
        if not answer:
            return False
        status = int(answer[0].split(b" ", 2)[1])
        if kind in ("reset", "kill-after"):
            return self.end(place, fault, status, writer, body)
        self.proxy.write(place, status, fault, body)
        if kind == "hang":
            await asyncio.sleep(fault.seconds)
        writer.write(answer[0] + answer[1])
        await writer.drain()
        return b"connection: close" not in answer[0].lower()

    def end(self, place, fault, status, writer, body):
        """Break the connection, with or without the process at its end."""
        self.proxy.write(place, status, fault, body)
        if fault.kind.startswith("kill"):
            self.environment.kill()
        writer.transport.abort()
        return False


def headers_of(head):
    """Header fields by their name in lower case."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


async def read_message(reader, bodiless=False):
    """(head, body) of a request or an answer as they came; None at the end of the connection.

    The answer to HEAD names the length of a body that does not come.
    """
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        found = headers_of(head)
        if bodiless:
            return head, b""
        if found.get("transfer-encoding", "").lower() == "chunked":
            return head, await read_chunks(reader)
        return head, await reader.readexactly(int(found.get("content-length") or 0))
    return None


async def read_chunks(reader):
    """The chunks of a body as they came, the last one and its trailer included."""
    parts = []
    while True:
        size = await reader.readuntil(b"\r\n")
        parts += [size, await reader.readexactly(int(size.split(b";")[0], 16) + 2)]
        if int(size.split(b";")[0], 16) == 0:
            return b"".join(parts)


def message(status, headers, body):
    """An answer in the form it has on the wire."""
    lines = [f"HTTP/1.1 {status} {'Bad Request' if status < 500 else 'Internal Server Error'}"]
    lines += [f"{name}: {value}" for name, value in {**headers, "content-length": len(body)}.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
