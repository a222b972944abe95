"""The contract of a model server (docs/model-servers.md) as a suite for any implementation of it.

    model_contract.check("http://127.0.0.1:8080", "news", {"v1": folder, "v2": folder}, {"text": "..."})
    python -m perch_local.model_contract URL MODEL '{"text": "..."}' v1=FOLDER v2=FOLDER

The suite serves the files of the folders itself, as presigned URLs do. It needs two versions that can be loaded, and
it ends with the first of them active. A server that starts with a model has it unloaded in the end.
"""
import contextlib
import hashlib
import http.server
import json
import pathlib
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

LOADED_WITHIN = 60.0


class Broken(Exception):
    """What the contract says and what the server did."""


class Server:
    """One model on the server under test."""

    def __init__(self, url, model):
        self.root, self.model = url.rstrip("/"), f"{url.rstrip('/')}/perch/v1/models/{model}"

    def ask(self, method, path="", body=None, root=None):
        """(status, JSON or None)."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request((root or self.model) + path, data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            with refused:
                text = refused.read()
            try:
                reason = json.loads(text)["error"]
            except (ValueError, KeyError, TypeError):
                raise Broken(f"{method} {path}: {refused.code} without {{\"error\": \"text\"}}: {text[:200]!r}") from None
            expect(isinstance(reason, str) and reason, f"{method} {path}: {refused.code} with an empty reason")
            return refused.code, {"error": reason}

    def state(self):
        status, state = self.ask("GET")
        expect(status == 200, f"GET: {status}, not 200")
        expect(isinstance(state.get("loaded"), list), "GET: `loaded` is no list")
        for entry in state["loaded"]:
            expect(entry.get("state") in ("ready", "loading", "failed"), f"GET: no such state in {entry}")
            expect(entry["state"] != "failed" or entry.get("reason"), f"GET: no reason in {entry}")
        return state

    def load_of(self, version):
        return next((entry for entry in self.state()["loaded"] if entry["version"] == version), {"state": None})

    def settled(self, version):
        """The version's entry once it is not loading any more."""
        deadline = time.monotonic() + LOADED_WITHIN
        while (entry := self.load_of(version))["state"] == "loading":
            expect(time.monotonic() < deadline, f"{version} is still loading after {LOADED_WITHIN:.0f} s")
            time.sleep(0.02)
        return entry


def expect(holds, otherwise):
    if not holds:
        raise Broken(otherwise)


def wanted(version, folder, files_url, **changes):
    """The body of PUT versions/VERSION for the files of a folder."""
    files = []
    for path in sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file()):
        content, name = path.read_bytes(), str(path.relative_to(folder))
        files.append({"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(),
                      "url": f"{files_url}?{urllib.parse.urlencode({'path': path})}"})
    return {"version": version, "source": f"s3://bucket/models/{version}/", "bytes": sum(f["size"] for f in files), "files": files, **changes}


@contextlib.contextmanager
def served():
    """A URL under which every file of this host can be read, as presigned URLs are."""
    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["path"][0]
            content = pathlib.Path(path).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def check(url, model, versions, probe):
    """Every sentence of the contract in turn; `Broken` for the first that does not hold."""
    server = Server(url, model)
    (first, first_folder), (second, second_folder) = list(versions.items())[:2]
    before = server.state()["active"]
    with served() as files:
        _loading(server, first, wanted(first, first_folder, files), probe)
        _activation(server, first, before)
        _second(server, first, second, wanted(second, second_folder, files), probe)
        _broken(server, first, wanted(f"{second}-broken", second_folder, files))
        _memory(server, first, wanted(f"{second}-large", second_folder, files))
    _unloading(server, first, second, before)


def _loading(server, version, body, probe):
    status, _ = server.ask("POST", "/versions/never-there/probe", probe)
    expect(status == 404, f"a probe of an unknown version: {status}, not 404")
    status, _ = server.ask("PUT", f"/versions/{version}", body)
    expect(status in (200, 202), f"PUT versions: {status}, not 202")
    entry = server.settled(version)
    expect(entry["state"] == "ready", f"{version} was to load: {entry}")
    status, _ = server.ask("PUT", f"/versions/{version}", body)
    expect(status == 200, f"PUT of a version that is ready: {status}, not 200")
    status, _ = server.ask("POST", f"/versions/{version}/probe", probe)
    expect(status == 200, f"a probe of a version that is ready: {status}, not 200")


def _activation(server, version, before):
    if before is None:
        status, _ = server.ask("GET", "/health", root=server.root)
        expect(status >= 500, f"health without an active model: {status}")
    for _ in range(2):
        status, said = server.ask("PUT", "/active", {"version": version})
        expect((status, said) == (200, {"active": version}), f"PUT active: {status} {said}")
    expect(server.state()["active"] == version, "GET after PUT active names another version")
    status, _ = server.ask("GET", "/health", root=server.root)
    expect(status == 200, f"health with an active model: {status}, not 200")
    status, _ = server.ask("PUT", "/active", {"version": "never-there"})
    expect(status in (404, 409), f"PUT active of an unknown version: {status}, not 409")
    expect(server.state()["active"] == version, "a refused PUT active changed the active version")


def _second(server, first, second, body, probe):
    status, _ = server.ask("PUT", f"/versions/{second}", body)
    expect(status in (200, 202), f"PUT of a second version: {status}, not 202")
    expect(server.state()["active"] == first, "loading a second version changed the active one")
    expect(server.settled(second)["state"] == "ready", f"{second} was to load beside {first}")
    expect(server.load_of(first)["state"] == "ready", f"{first} left when {second} was loaded")
    for version in (first, second):
        status, _ = server.ask("POST", f"/versions/{version}/probe", probe)
        expect(status == 200, f"a probe of {version}: {status}, not 200")
    for version in (second, first):
        status, said = server.ask("PUT", "/active", {"version": version})
        expect((status, said) == (200, {"active": version}), f"PUT active: {status} {said}")
        expect(server.state()["active"] == version, f"GET after PUT active of {version} names another version")


def _broken(server, first, body):
    wrong = {**body, "files": [{**file, "sha256": "0" * 64} for file in body["files"]]}
    status, _ = server.ask("PUT", f"/versions/{body['version']}", wrong)
    expect(status in (200, 202), f"PUT of files with a wrong checksum: {status}, not 202")
    entry = server.settled(body["version"])
    expect(entry["state"] == "failed", f"files with a wrong checksum: {entry}, not failed")
    expect(server.state()["active"] == first, "a failed load changed the active version")
    status, _ = server.ask("PUT", "/active", {"version": body["version"]})
    expect(status == 409, f"PUT active of a failed version: {status}, not 409")
    status, _ = server.ask("PUT", f"/versions/{body['version']}", body)
    expect(status == 202, f"PUT of a failed version: {status}, not 202: it is tried again")
    expect(server.settled(body["version"])["state"] == "ready", "a failed version could not be loaded again")
    expect(server.ask("DELETE", f"/versions/{body['version']}")[0] == 204, "DELETE of a version that is not active: not 204")


def _memory(server, first, body):
    memory = server.state().get("memory")
    if memory is None:
        return
    status, _ = server.ask("PUT", f"/versions/{body['version']}", {**body, "bytes": memory["freeBytes"] + 1})
    expect(status == 507, f"PUT of a model that is larger than the memory: {status}, not 507")
    expect(server.load_of(body["version"])["state"] is None, "a refused version is in `loaded`")
    expect(server.state()["active"] == first, "a refused load changed the active version")


def _unloading(server, first, second, before):
    status, _ = server.ask("DELETE", f"/versions/{first}")
    expect(status == 409, f"DELETE of the active version: {status}, not 409")
    expect(server.load_of(first)["state"] == "ready", "a refused DELETE unloaded the active version")
    for version in {second, before} - {first, None}:
        for _ in range(2):
            status, _ = server.ask("DELETE", f"/versions/{version}")
            expect(status == 204, f"DELETE of {version}: {status}, not 204, loaded or not")
        expect(server.load_of(version)["state"] is None, f"{version} is still there after DELETE")


if __name__ == "__main__":
    address, name, sample, *folders = sys.argv[1:]
    check(address, name, dict(pair.split("=", 1) for pair in folders), json.loads(sample))
    print(f"{address} keeps the contract")
