"""The image that `sam local invoke` runs functions in, and its copy that knows where the local stack is.

AWS's base image is pulled where that is possible. Where it is not, a minimal Debian stands in under the same name: it
has a C library at least as new (2.36, Amazon Linux 2023 has 2.34), and SAM adds its own runtime emulator to either.
"""
import contextlib
import ipaddress
import json
import pathlib
import platform
import shutil
import subprocess

from perch_local.docker_daemon import FOLDER, DockerError, apt_install, is_root

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
BASE = f"public.ecr.aws/lambda/provided:al2023-{ARCHITECTURE}"
STAND_IN = "perch.stand-in"
SUITE = "bookworm"
ARCHIVE = FOLDER / f"stand-in-{SUITE}-{ARCHITECTURE}.tar"
PULL_WITHIN = 300.0
# This machine as containers of Docker Desktop reach it.
HOST = "host.docker.internal"


def base_image(docker, say=print):
    """Have the base image; returns what it is, for people."""
    found = _label(docker)
    if found is None:
        pulled = _pull(docker)
        if pulled:
            say(f"{BASE} can't be pulled here ({pulled}); making the stand-in")
            stand_in(docker, say)
        found = _label(docker)
    return f"a stand-in for AWS's: {found}" if found else "AWS's own"


def _label(docker):
    """What stands in for the base image, "" for AWS's own, None when there is none."""
    done = docker.run("image", "inspect", BASE, "--format", "{{json .Config.Labels}}")
    return (json.loads(done.stdout) or {}).get(STAND_IN, "") if done.returncode == 0 else None


def _pull(docker):
    """Pull the base image; returns why it could not be."""
    try:
        done = docker.run("pull", "--quiet", BASE, seconds=PULL_WITHIN)
    except subprocess.TimeoutExpired:
        return f"not done after {PULL_WITHIN:.0f} s"
    return (done.stderr.strip().splitlines() or ["no reason given"])[-1] if done.returncode else None


def stand_in(docker, say=print):
    """Import a minimal Debian under the base image's name; the archive is kept."""
    if not ARCHIVE.exists():
        _bootstrap(say)
    with open(ARCHIVE, "rb") as archive:
        docker.ask("import", "--change", f"LABEL {STAND_IN}=debian-{SUITE}", "-", BASE, stdin=archive, seconds=300)


def _bootstrap(say):
    if not is_root():
        raise DockerError(f"{BASE} can't be pulled, and its stand-in can be made by root only: run this command once as root, "
                          "or pull the image where there is a network and `docker load` it here")
    if not shutil.which("debootstrap"):
        apt_install("debootstrap", say=say)
    root = FOLDER / "rootfs"
    shutil.rmtree(root, ignore_errors=True)
    # minbase has no certificates, which AWS's image has and TLS clients look for.
    for call in (["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, str(root)],
                 ["tar", "-C", str(root), "--exclude=./usr/share/doc", "--exclude=./usr/share/man", "--exclude=./usr/share/locale",
                  "--exclude=./var/cache/*", "--exclude=./var/lib/apt/*", "-cf", f"{ARCHIVE}.part", "."]):
        done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            log = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            raise DockerError(f"{call[0]} failed:\n{log}")
    pathlib.Path(f"{ARCHIVE}.part").rename(ARCHIVE)
    shutil.rmtree(root)


def image_for(port):
    """The name of the image for one stack. SAM derives its own image's name from the part before the colon."""
    return f"perch-local/port-{port}:latest"


def copy_for(docker, port, host):
    """The base image with the stack's address in it, as containers reach it; returns its name.

    `--env-vars` only changes variables that the template names, and the template names no endpoint: on AWS there is
    none to set.
    """
    box = docker.ask("create", BASE, "/bootstrap")
    try:
        docker.ask("commit", "--change", f"ENV AWS_ENDPOINT_URL=http://{host}:{port}", box, image_for(port))
    finally:
        docker.run("rm", "--force", box)
    return image_for(port)


def remove_copy(docker, port):
    """Remove what `copy_for` and SAM made for one stack, with a container that an interrupted call has left."""
    names = [image_for(port), image_for(port).replace("latest", f"rapid-{ARCHITECTURE}")]
    with contextlib.suppress(subprocess.TimeoutExpired):
        left = [box for name in names for box in docker.run("ps", "-aq", "--filter", f"ancestor={name}").stdout.split()]
        if left:
            docker.run("rm", "--force", *left)
        docker.run("image", "rm", "--force", *names)


def gateway(docker):
    """The host's address on the network of containers."""
    return gateway_of(json.loads(docker.ask("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}")))


def gateway_of(ranges):
    """The gateway that Docker names, or else the first address, which is the bridge's."""
    for entry in ranges or []:
        network = ipaddress.ip_network(entry["Subnet"])
        if network.version == 4:
            return entry.get("Gateway") or str(next(network.hosts()))
    raise DockerError("Docker's network `bridge` has no address")
