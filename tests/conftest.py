"""One private stack for every end-to-end test; the releases of one target come one after the other.

Each test leaves the alias with all traffic on one version, and the guard at rest.
"""

import os

# A minute of CodeDeploy takes three seconds, here and on the stack.
os.environ["PERCH_CLOCK"] = "0.05"

import pytest
from perch_local import deploy, lifecycle
from perch_local.checkout import Stack
from perch_local.servers import free_port

from stack import RELEASE_WITHIN, TARGET_FILE, Stage, alias, aws, idle, make_guard, perch, until

import install  # isort: skip; `stack` says where it is


@pytest.fixture(scope="session")
def stage():
    stack, before = Stack(free_port()), dict(os.environ)
    lifecycle.start(stack)
    try:
        os.environ.update(stack.client_env())
        deploy.deploy(stack, say=lambda _: None)
        install.install(stack)
        make_guard()
        perch("apply", "-f", str(TARGET_FILE))
        stage = Stage()
        try:
            yield stage
        finally:
            stage.close()
    finally:
        os.environ.clear()
        os.environ.update(before)
        aws.cache_clear()
        lifecycle.stop(stack)


@pytest.fixture
def quiet(stage):
    """The state that a test starts from."""
    until(idle, "the end of what another test began", RELEASE_WITHIN)
    return alias()[0]
