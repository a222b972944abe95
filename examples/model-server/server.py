"""Perch's contract of a model server (docs/model-servers.md) in Python's standard library: server.py PORT [MEMORY].
A model is model.json, {"words": {word: label}, "else": label}; callers POST {"text": "..."} to /predict/MODEL."""
import hashlib
import json
import sys
import threading
import urllib.request
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACTIVE, LOADED, BYTES = {}, defaultdict(dict), {}    # LOADED[model][version]: a dict, None while it loads, or an error
MEMORY, LOCK = int(sys.argv[2]) if len(sys.argv) > 2 else 1 << 30, threading.Lock()

def fetch(file):
    content = urllib.request.urlopen(file["url"], timeout=60).read()
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        raise ValueError(f"{file['path']} has another checksum than its manifest says")
    return content

def load(name, version, files):
    try:
        loaded = json.loads({file["path"]: fetch(file) for file in files}["model.json"])
    except Exception as error:    # the version before goes on answering
        loaded = error
    LOADED[name][version] = loaded

def answer(name, version, text):
    model = LOADED[name][version]
    return {"label": next((model["words"][w] for w in text.split() if w in model["words"]), model["else"]), "version": version}

def state(version, model):
    how = "loading" if model is None else "ready" if isinstance(model, dict) else "failed"
    return {"version": version, "state": how, **({"reason": str(model)} if how == "failed" else {})}

def carry_out(method, path, body):
    match [method, *path.strip("/").split("/")]:
        case ["GET", "health"]:
            return (200, {}) if ACTIVE else (503, {"error": "no model is active"})
        case ["POST", "predict", name]:
            return 200, answer(name, ACTIVE[name], body["text"])
        case [method, "perch", "v1", "models", name, *rest]:
            loaded, free = LOADED[name], MEMORY - sum(BYTES.values())
            ready = [version for version, model in loaded.items() if isinstance(model, dict)]
            match [method, *rest]:
                case ["GET"]:
                    return 200, {"active": ACTIVE.get(name), "loaded": [state(*item) for item in loaded.items()],
                                 "memory": {"freeBytes": max(free, 0)}, "generation": ACTIVE.get(name)}
                case ["PUT", "versions", version] if version in ready or loaded.get(version, 0) is None:
                    return 200 if version in ready else 202, {}
                case ["PUT", "versions", version]:
                    if body["bytes"] > free + BYTES.get((name, version), 0):
                        return 507, {"error": f"{version} needs {body['bytes']} bytes and {free} are free"}
                    loaded[version], BYTES[name, version] = None, body["bytes"]
                    threading.Thread(target=load, args=(name, version, body["files"]), daemon=True).start()
                    return 202, {}
                case ["POST", "versions", version, "probe"] if version in loaded:
                    return (200, answer(name, version, body["text"])) if version in ready else (409, {"error": "not ready"})
                case ["PUT", "active"]:
                    if body["version"] not in ready:
                        return 409, {"error": "not ready"}
                    ACTIVE[name] = body["version"]
                    return 200, {"active": ACTIVE[name]}
                case ["DELETE", "versions", version] if version == ACTIVE.get(name):
                    return 409, {"error": f"{version} answers callers"}
                case ["DELETE", "versions", version]:
                    return 204, loaded.pop(version, None) and BYTES.pop((name, version), None) and None
    return 404, {"error": "there is no such model, version or path"}

class Server(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            with LOCK:
                status, said = carry_out(self.command, self.path, json.loads(body or b"null"))
        except (KeyError, TypeError, ValueError) as error:
            status, said = 400, {"error": f"bad request: {error!r}"}
        text = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_):
        pass

if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
