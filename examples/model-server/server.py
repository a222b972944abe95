"""Perch's contract of a model server (docs/model-servers.md): server.py PORT [MEMORY], with requirements.txt installed.
A model is model.json, {"words": {word: label}, "else": label}; callers POST {"text": "..."} to /predict/MODEL."""
import hashlib
import json
import sys
import threading
import urllib.request

from bottle import Bottle, HTTPResponse, abort, request, response

ACTIVE, LOADED, BYTES, MODELS = {}, {}, {}, {}    # all but the first by (model, version); LOADED is what Perch is told
MEMORY, MODEL, VERSION = int((sys.argv[2:] or [1 << 30])[0]), "/perch/v1/models/<name>", "/perch/v1/models/<name>/versions/<version>"
app, LOCK = Bottle(), threading.Lock()
app.default_error_handler = lambda error: response.set_header("Content-Type", "application/json") or json.dumps({"error": str(error.body)})

def load(key, files):
    try:
        contents = {file["path"]: urllib.request.urlopen(file["url"], timeout=60).read() for file in files}
        if any(hashlib.sha256(contents[file["path"]]).hexdigest() != file["sha256"] for file in files):
            raise ValueError("a file has another checksum than its manifest says")
        model, said = json.loads(contents["model.json"]), {"version": key[1], "state": "ready"}
    except Exception as error:    # the version before goes on answering
        model, said = None, {"version": key[1], "state": "failed", "reason": str(error)}
    with LOCK:
        if key in LOADED:    # it was not unloaded meanwhile
            LOADED[key] = said
            MODELS.update({key: model} if model else {})

def answer(name, version):
    if not (model := MODELS.get((name, version))):
        abort(*(409, "not ready") if (name, version) in LOADED else (404, "there is no such version"))
    found = (model["words"][word] for word in request.json["text"].split() if word in model["words"])
    return {"label": next(found, model["else"]), "version": version}

def stage(name, version):
    key, wanted = (name, version), request.json
    if key not in MODELS and LOADED.get(key, {}).get("state") != "loading":
        if wanted["bytes"] > (free := MEMORY - sum(BYTES.values()) + BYTES.get(key, 0)):
            abort(507, f"{version} needs {wanted['bytes']} bytes and {free} are free")
        LOADED[key], BYTES[key] = {"version": version, "state": "loading"}, wanted["bytes"]
        threading.Thread(target=load, args=(key, wanted["files"]), daemon=True).start()
    return HTTPResponse({}, status=200 if key in MODELS else 202)

def activate(name):
    if (name, request.json["version"]) not in MODELS:
        abort(409, "not ready")
    ACTIVE[name] = request.json["version"]
    return {"active": ACTIVE[name]}

def unload(name, version):
    if version == ACTIVE.get(name):
        abort(409, f"{version} answers callers")
    with LOCK:
        for known in (LOADED, BYTES, MODELS):
            known.pop((name, version), None)
    return HTTPResponse(status=204)

def state(name):
    loaded = [entry for (of, _), entry in list(LOADED.items()) if of == name]
    free = max(MEMORY - sum(BYTES.values()), 0)
    return {"active": ACTIVE.get(name), "loaded": loaded, "memory": {"freeBytes": free}, "generation": ACTIVE.get(name)}

app.get("/health", callback=lambda: {} if ACTIVE else abort(503, "no model is active"))
app.post("/predict/<name>", callback=lambda name: answer(name, ACTIVE.get(name)))
app.get(MODEL, callback=state)
app.put(VERSION, callback=stage)
app.post(VERSION + "/probe", callback=answer)
app.put(MODEL + "/active", callback=activate)
app.delete(VERSION, callback=unload)

if __name__ == "__main__":
    app.run(server="waitress", host="127.0.0.1", port=int(sys.argv[1]), quiet=True)
