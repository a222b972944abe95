"""Model servers and a cache, as crates/serving asks them."""

import json
import socket
import urllib.parse
import urllib.request

TIMEOUT = 5


def call(replica, model, method, path="", body=None):
    """One request to a model server."""
    content = None if body is None else json.dumps(body, default=int).encode()
    url = f"{replica['url']}/perch/v1/models/{model}{path}"
    request = urllib.request.Request(url, content, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return json.loads(answer.read() or "null")


def state(replica, model):
    """What a replica reports."""
    return call(replica, model, "GET")


def activate(replica, model, version):
    """Have a replica serve a version, and read it back."""
    call(replica, model, "PUT", "/active", {"version": version})
    if state(replica, model)["active"] != version:
        raise RuntimeError("the replica does not serve what it was told to")


def generation(cache, model):
    """What the cache's pointer names."""
    place, key = urllib.parse.urlsplit(cache["redis"]["url"]), f"{model}:generation".encode()
    with socket.create_connection((place.hostname, place.port), TIMEOUT) as connection:
        connection.sendall(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key))
        lines = connection.makefile("rb")
        length = int(lines.readline()[1:])
        return lines.read(length).decode() if length >= 0 else None
