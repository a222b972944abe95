"""A task in `awsvpc` mode has an address of its own; this opens its container ports there.

AWS: ECS Developer Guide, "Amazon ECS task networking options for Fargate": a task is reached at the address of its network
interface and the port of its container. Here the program listens on a free port of 127.0.0.1, and bytes that come to
127.x.y.z:containerPort are passed on. A load balancer goes to the program directly.
"""
import asyncio
import threading

from perch_local.scope import log

_loop, _doors = None, {}
_guard = threading.Lock()


def _running_loop():
    global _loop
    with _guard:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, daemon=True, name="perch-ecs-doors").start()
    return _loop


async def _pass_on(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


def _through(port):
    async def serve(reader, writer):
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        writer.close()
        inner_writer.close()
    return serve


def open_at(address, port, real_port):
    """Open a door; a port that is taken is left shut and told in the log."""
    call = asyncio.run_coroutine_threadsafe(asyncio.start_server(_through(real_port), address, port), _running_loop())
    try:
        _doors[address, port] = call.result(5)
    except OSError as taken:
        log.error("the port %s of a task's address %s can't be opened: %s", port, address, taken)


def shut(address, port):
    """Close a door."""
    door = _doors.pop((address, port), None)
    if door:
        _running_loop().call_soon_threadsafe(door.close)
