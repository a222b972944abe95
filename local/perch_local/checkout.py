"""Where one local stack keeps its files: `.local/<port>/` at the repository root."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFAULT_PORT = 4566
REGION = "us-east-1"
# Alarms of 10 s periods are checked every 1.5 s, those of 60 s every 9 s.
ALARM_SCALE = "0.15"
# The waits between tries of an asynchronous invocation: 0.6 s and 1.2 s instead of 1 and 2 minutes.
RETRY_SCALE = "0.01"


class Stack:
    """One local stack of this checkout: its port and its files."""

    def __init__(self, port=None):
        self.port = int(port or os.environ.get("PERCH_LOCAL_PORT") or DEFAULT_PORT)
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = ROOT / ".local" / str(self.port)
        self.pid_file, self.log = self.folder / "server.json", self.folder / "server.log"

    def client_env(self):
        """What `sam`, `aws`, `perch` and tests need to talk to this stack: the same names as local/env.sh."""
        path = os.pathsep.join([str(ROOT / ".venv" / "bin"), str(ROOT / ".venv-sam" / "bin"), os.environ.get("PATH", os.defpath)])
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return dict(kept, PATH=path, AWS_ENDPOINT_URL=self.url, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
                    AWS_DEFAULT_REGION=REGION, AWS_REGION=REGION, AWS_PAGER="", SAM_CLI_TELEMETRY="0",
                    PERCH_LOCAL_PORT=str(self.port), PERCH_LAMBDA_RESOLUTION="1", PERCH_STACK="perch")

    def server_env(self):
        """The server's environment; Lambda functions inherit it, so nothing of the caller's shell gets in but these."""
        kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH") if k in os.environ}
        tuned = {k: v for k, v in os.environ.items()
                 if k in ("PERCH_ALARM_SCALE", "PERCH_ALARM_WINDOW", "PERCH_CLOCK", "PERCH_RETRY_SCALE", "PERCH_SCHEDULE_SCALE", "PERCH_ECR_STRICT",
                          "PERCH_LAMBDA_RESOLUTION", "PERCH_MAX_POINTS_PER_SERIES", "LAMBDA_WARM_TTL_SECONDS", "LOG_LEVEL")}
        return {**kept, "PYTHONPATH": str(ROOT / "local"), "AWS_ENDPOINT_URL": self.url, "GATEWAY_PORT": str(self.port),
                "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "AUTH": "true", "PERCH_ALLOW_AWS_SOURCES": "1",
                "PERCH_LAMBDA_RESOLUTION": "1", "PERCH_ALARM_SCALE": ALARM_SCALE, "PERCH_RETRY_SCALE": RETRY_SCALE,
                "LAMBDA_WARM_TTL_SECONDS": "60", "TMPDIR": str(self.folder / "tmp"), "S3_DATA_DIR": str(self.folder / "s3"),
                "STATE_DIR": str(self.folder / "state"), **tuned}
