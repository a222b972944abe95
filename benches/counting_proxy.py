"""Counts AWS calls: an HTTP proxy between a function and the stack that writes down service and operation of each."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import re
import threading
import urllib.parse
from collections.abc import Iterator

from perch_local.fault_answers import s3_operation

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
LAMBDA = (
    ("GET", r"/functions/[^/]+/aliases/[^/]+$", "GetAlias"),
    ("PUT", r"/functions/[^/]+/aliases/[^/]+$", "UpdateAlias"),
    ("GET", r"/functions/[^/]+/provisioned-concurrency$", "GetProvisionedConcurrencyConfig"),
    ("GET", r"/functions/[^/]+$", "GetFunction"),
    ("PUT", r"/functions/[^/]+/code$", "UpdateFunctionCode"),
    ("POST", r"/functions/[^/]+/versions$", "PublishVersion"),
)


def call_of(method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> str:
    """`Service.Operation` of a request: JSON, query, CBOR and REST protocols say it in different places."""
    place = urllib.parse.urlsplit(path).path
    if target := headers.get("X-Amz-Target"):
        service, _, operation = target.partition(".")
        names = {"DynamoDB_20120810": "DynamoDB", "AWSStepFunctions": "StepFunctions", "AmazonSSM": "SSM"}
        names.update(GraniteServiceVersion20100801="CloudWatch", AmazonEC2ContainerRegistry_V20150921="ECR")
        return f"{names.get(service, service)}.{operation}"
    if found := re.search(r"/service/GraniteServiceVersion20100801/operation/(\w+)", place):
        return f"CloudWatch.{found.group(1)}"
    for verb, pattern, operation in LAMBDA:
        if method == verb and re.search(pattern, place):
            return f"Lambda.{operation}"
    if found_s3 := s3_operation(method, path, headers.get("Authorization", "")):
        return f"S3.{found_s3}"
    if action := urllib.parse.parse_qs(body.decode(errors="replace")).get("Action"):
        return {"Publish": "SNS.Publish"}.get(action[0], f"CloudWatch.{action[0]}")
    return f"{method} {place}"


class CountingProxy:
    """Forwards every request to one address, and keeps the calls in the order in which they ended."""

    def __init__(self, upstream: str) -> None:
        self.calls: list[str] = []
        place = urllib.parse.urlsplit(upstream)
        host, port, calls = str(place.hostname), int(place.port or 80), self.calls

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def forward(self) -> None:
                """Send the request on, its signed headers as they are."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                onward = http.client.HTTPConnection(host, port)
                kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                onward.request(self.command, self.path, body, kept)
                answer = onward.getresponse()
                content = answer.read()
                onward.close()
                calls.append(call_of(self.command, self.path, self.headers, body))
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                # The answer to HEAD names the length of a body that does not come.
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[CountingProxy]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()

    def take(self) -> list[str]:
        """The calls since the last time."""
        taken = list(self.calls)
        self.calls.clear()
        return taken
