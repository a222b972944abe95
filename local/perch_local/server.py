"""Starts the emulator with every module of this package installed; refuses what it was not written for."""
import sys
from importlib import import_module, metadata, util

from perch_local import MINISTACK_VERSION

# Later modules wrap what earlier ones put in place, so the order matters.
MODULES = ("workers", "output", "metrics", "emf", "metric_statistics", "registry", "image_lists", "images", "events", "alarms", "aliases",
           "versions", "provisioned", "state_machines", "lambda_actions", "authz", "callbacks", "invocations", "async_invoke", "delivery",
           "schedules", "streams", "parameters", "objects", "cloudformation", "http_apis", "balancers", "ecs", "codedeploy")


def refusal():
    """Why this environment cannot run the server, or None."""
    try:
        found = metadata.version("ministack")
    except metadata.PackageNotFoundError:
        return f"ministack is not installed; run local/setup.sh (it installs ministack=={MINISTACK_VERSION})"
    if found != MINISTACK_VERSION:
        return (f"this package patches ministack {MINISTACK_VERSION}, found {found}; "
                f"run local/setup.sh or install ministack=={MINISTACK_VERSION}")
    if not util.find_spec("cbor2"):
        return ("cbor2 is not installed: CloudWatch calls of the Rust SDK come in CBOR and would be answered as empty; "
                "run local/setup.sh")
    return None


def serve():
    """Run the server in this process; its settings come from the environment (docs/local.md)."""
    why = refusal()
    if why:
        sys.exit(f"perch_local: {why}")
    from ministack import app
    for name in MODULES:
        import_module(f"perch_local.{name}").install()
    sys.argv[1:] = []          # app.main() reads options of its own
    app.main()
