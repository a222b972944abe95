"""What a function writes belongs to the invocation that wrote it, however busy the machine is.

AWS: Lambda Developer Guide, "Working with Lambda function logs": what a function writes before it answers is in its log.
ministack reads a worker's output in a thread and waits a few milliseconds for its lines; where that thread is late, the lines
come with the next invocation or never. A function writes before it answers, so its output is in the pipe by then: reading
goes on until the pipe is empty.
"""
import contextlib
import fcntl
import os
import queue
import select
import struct
import termios
import threading
import time

from ministack.core import lambda_runtime as LR

CHUNK = 65536
LIMIT_SECONDS = 5.0


def unread(fd):
    """Bytes in a pipe that nobody has read."""
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, struct.pack("i", 0)))[0]


class Pipe:
    """The output of one process: `reading` is held from taking bytes out of the pipe until their lines are in the queue."""

    def __init__(self, fd):
        self.fd, self.reading, self.is_open = fd, threading.Lock(), True

    def is_read(self):
        """Whether every byte that was written is in the queue."""
        with self.reading:
            return not self.is_open or unread(self.fd) == 0


def keep(lines, line):
    """Put a line into a queue; the oldest makes room."""
    while True:
        try:
            return lines.put_nowait(line)
        except queue.Full:
            with contextlib.suppress(queue.Empty):
                lines.get_nowait()


def _pump(self, stream, lines):
    """Put every line of the output into a queue, until the worker's process has closed it."""
    pipe, rest = Pipe(stream.fileno()), b""
    self._perch_pipe = pipe
    waiting = select.poll()
    waiting.register(pipe.fd, select.POLLIN | select.POLLHUP)
    while pipe.is_open:
        waiting.poll()
        with pipe.reading:
            data = os.read(pipe.fd, CHUNK)
            pipe.is_open = bool(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole if data else filter(None, [rest]):
                keep(lines, line.decode("utf-8", errors="replace").rstrip("\r"))


def _collect(self, *_, **__):
    """The lines that were written so far."""
    deadline = time.monotonic() + LIMIT_SECONDS
    pipe = getattr(self, "_perch_pipe", None)
    while pipe and not pipe.is_read() and time.monotonic() < deadline:
        time.sleep(0.0005)      # the pump's turn
    lines = []
    with contextlib.suppress(queue.Empty):
        while True:
            lines.append(self._stderr_queue.get_nowait())
    return "\n".join(lines)


def install():
    """Patch the workers of the running ministack."""
    LR.ProvidedWorker._pump_output = _pump
    LR.ProvidedWorker._drain_stderr_bounded = _collect
