"""Where load balancers and targets are on this machine.

A load balancer has a loopback address of its own, 127.64.0.0 to 127.127.255.255, made from its ARN and the stack's port;
it is the load balancer's DNSName, so a listener's port is the same as on AWS. Where ports below 1024 may not be opened, they
are 10000 higher, and DNSName has the one of port 80. A target is at its address, an instance at 127.0.0.1; a task that
runs here says where it really listens with `place`.
"""
import functools
import hashlib
import os

from perch_local.balancers.proxy import bindable

PRIVILEGED, MOVED_BY = 1024, 10000
_places = {}                # (target id, port) -> (host, port)


def loopback(name, first):
    """An address 127.x.y.z made from a name; x is one of 64 from `first`."""
    digest = hashlib.sha256(f"{os.environ.get('GATEWAY_PORT', '')} {name}".encode()).digest()
    return f"127.{first + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 254}"


def of_balancer(arn):
    """The address of a load balancer."""
    return loopback(arn, 64)


@functools.cache
def privileged_ports():
    """Whether this process may open ports below 1024."""
    return bindable("127.64.0.1", 80) != os.strerror(13)


def door(port, privileged=None):
    """The port of this machine that a listener's port is."""
    allowed = privileged_ports() if privileged is None else privileged
    return port if port >= PRIVILEGED or allowed else port + MOVED_BY


def dns_name(arn, privileged=None):
    """DNSName of a load balancer."""
    moved = door(80, privileged)
    return of_balancer(arn) + ("" if moved == 80 else f":{moved}")


def place(target, port, host, real_port):
    """A target that runs on this machine is at another address than the one it is registered by."""
    _places[target, int(port)] = (host, int(real_port))


def forget(target, port):
    """The target is gone."""
    _places.pop((target, int(port)), None)


def of_target(target, port):
    """(host, port) of a registered target."""
    return _places.get((target, int(port))) or ("127.0.0.1" if target.startswith("i-") else target, int(port))
