"""The contract's reference implementation keeps it, and the suite finds one that does not."""
import contextlib
import json
import subprocess
import time

import pytest
from perch_local import model_contract, servers

SERVER = servers.ROOT / "examples/model-server/server.py"
PYTHON = servers.ROOT / ".venv-servers/bin/python"    # has the server's requirements.txt
PROBE = {"text": "the team won"}


@contextlib.contextmanager
def running(path, *arguments):
    port = servers.free_port()
    process = subprocess.Popen([PYTHON, str(path), str(port), *arguments], stdin=subprocess.DEVNULL)
    try:
        server = model_contract.Server(f"http://127.0.0.1:{port}", "news")
        deadline = time.monotonic() + 30
        while True:
            try:
                server.state()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, "the server did not start"
                time.sleep(0.02)
        yield server.root
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def versions(tmp_path):
    for version, label in (("v1", "news"), ("v2", "sport")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "model.json").write_text(json.dumps({"words": {"team": label}, "else": "news"}))
    return {version: tmp_path / version for version in ("v1", "v2")}


def test_the_reference_implementation_keeps_the_contract(versions):
    with running(SERVER) as url:
        model_contract.check(url, "news", versions, PROBE)
        model_contract.check(url, "news", versions, PROBE)
        assert model_contract.Server(url, "other").state()["loaded"] == []


@pytest.mark.parametrize(("written", "instead", "found"), [
    ('.hexdigest() != file["sha256"]', ".hexdigest() == None", "wrong checksum"),
    ("abort(507,", "abort(500,", "not 507"),
    ("if version == ACTIVE.get(name):", "if False:", "not 409"),
    ("LOADED[key], BYTES[key] =", "ACTIVE[name] = version; LOADED[key], BYTES[key] =",
     "changed the active one|health without an active model"),
    ('{"error": str(error.body)}', '{"message": str(error.body)}', "without"),
])
def test_an_implementation_that_breaks_it_is_found(versions, tmp_path, written, instead, found):
    text = SERVER.read_text()
    assert written in text
    broken = tmp_path / "server.py"
    broken.write_text(text.replace(written, instead))
    with running(broken) as url:
        with pytest.raises(model_contract.Broken, match=found):
            model_contract.check(url, "news", versions, PROBE)
