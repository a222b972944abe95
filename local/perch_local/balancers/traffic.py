"""The metrics of AWS/ApplicationELB, from one line that HAProxy writes for each request.

AWS: Application Load Balancers, "CloudWatch metrics for your Application Load Balancer"
(load-balancer-cloudwatch-metrics): which metric has which dimensions; RequestCount counts requests for which a target was
chosen; RequestCountPerTarget is an average, told by its Sum; TargetResponseTime ends when the target begins to answer.
PERCH_LAMBDA_RESOLUTION is the resolution of these metrics too; AWS has 60 s.
"""
import collections
import socket
import threading
import time

from perch_local import metrics
from perch_local.scope import acting_as, log

NAMESPACE = "AWS/ApplicationELB"
BUFFER = 4 * 2**20          # bytes of lines that wait while this process is busy

Request = collections.namedtuple("Request", "listener group server status ms ended")
Place = collections.namedtuple("Place", "account region balancer")      # of a listener: where its metrics go


def parse(line):
    """A line of `config.LOG`, or None for any other that HAProxy writes."""
    words = line.split()
    if len(words) != 6 or not words[3].lstrip("-").isdigit() or not words[4].lstrip("-").isdigit():
        return None
    return Request(words[0], words[1], None if words[2].startswith("<") else words[2], int(words[3]), int(words[4]), words[5])


def points(request, balancer, group, healthy):
    """[(metric, unit, value, [dimensions])] of one request; `group` is None where no target group was chosen."""
    alone, out = {"LoadBalancer": balancer}, []
    both = [alone] + ([{"TargetGroup": group, "LoadBalancer": balancer}] if group else [])
    kind = f"{request.status // 100}XX"
    if group and request.server:
        out.append(("RequestCount", "Count", 1.0, both))
        out.append(("RequestCountPerTarget", "Count", 1.0 / max(1, healthy), [{"TargetGroup": group}, both[1]]))
    if group and request.server and request.ms >= 0:
        out.append((f"HTTPCode_Target_{kind}_Count", "Count", 1.0, both))
        out.append(("TargetResponseTime", "Seconds", request.ms / 1000, both))
    elif request.status >= 400:
        out.append((f"HTTPCode_ELB_{kind}_Count", "Count", 1.0, [alone]))
        if request.status in (500, 502, 503, 504):
            out.append((f"HTTPCode_ELB_{request.status}_Count", "Count", 1.0, [alone]))
        if request.server and request.ended.startswith("S") and request.ended.endswith("C"):
            out.append(("TargetConnectionErrorCount", "Count", 1.0, both))
    return out


def store(place, values, at=None):
    """Keep values in the scope of the load balancer's owner."""
    at = (time.time() if at is None else at) // metrics.LAMBDA_RESOLUTION * metrics.LAMBDA_RESOLUTION
    with acting_as(place.account, place.region):
        for metric, unit, value, sets in values:
            for dims in sets:
                metrics.add(NAMESPACE, metric, dims, at, unit, value)


def hosts(place, group, healthy, unhealthy):
    """Keep how many targets of a group are in which state."""
    sets = [{"TargetGroup": group, "LoadBalancer": place.balancer}]
    store(place, [("HealthyHostCount", "Count", float(healthy), sets), ("UnHealthyHostCount", "Count", float(unhealthy), sets)])


class Ear:
    """Hears HAProxy's lines on a UDP port of its own; `look_up(listener, backend)` gives (place, group, healthy targets)."""

    def __init__(self, look_up):
        self.look_up = look_up
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True, name="perch-elb-metrics").start()

    def _listen(self):
        while True:
            try:
                self.hear(self.socket.recv(2048).decode(errors="replace"))
            except Exception:
                log.exception("a request of a load balancer was not counted")

    def hear(self, line):
        """Count one request."""
        request = parse(line.strip())
        found = request and self.look_up(request.listener, request.group)
        if found:
            place, group, healthy = found
            store(place, points(request, place.balancer, group, healthy))
