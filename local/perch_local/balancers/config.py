"""HAProxy's configuration of all load balancers of a stack (pure).

HAProxy 2.6 Configuration Manual. One frontend per listener, one backend per target group with a fixed number of
slots for targets, so that targets come, go and drain through the runtime API; only new listeners, rules, groups or
more slots need a reload.
"""
import collections

from perch_local.balancers import routes

SLOTS = 8                   # a group begins with so many, and grows by as many
# What one request was, for metrics: frontend, backend, server, status, ms until the response began, how it ended.
LOG = r"%f\ %b\ %s\ %ST\ %Tr\ %ts"

# A target that could not be reached is a 502 on AWS; its own answer of 503 stays (load-balancer-troubleshooting).
BAD_GATEWAY = ("  http-response set-var(txn.answered) bool(true)",
               "  http-after-response set-status 502 if { status 503 } { srv_id gt 0 } !{ var(txn.answered) -m found }")

Listener = collections.namedtuple("Listener", "name address port rules idle")
Group = collections.namedtuple("Group", "name slots algorithm")
Slot = collections.namedtuple("Slot", "host port state")        # state as HAProxy has it: ready, drain or maint
EMPTY = Slot("127.0.0.1", 9, "maint")
_BALANCE = {"round_robin": "roundrobin", "least_outstanding_requests": "leastconn", "weighted_random": "random"}


def slots_for(count):
    """How many slots a group with so many targets has."""
    return max(SLOTS, -(-count // SLOTS) * SLOTS)


def server(number, slot):
    """The line of one slot."""
    weight = " weight 0" if slot.state == "drain" else ""
    return f"  server s{number} {slot.host}:{slot.port}{weight}" + (" disabled" if slot.state == "maint" else "")


def group(one, slots):
    """A target group; targets that are down are out of it by the runtime API, never by HAProxy's own checks."""
    lines = [f"backend {one.name}", f"  balance {_BALANCE.get(one.algorithm, 'roundrobin')}"]
    return lines + [server(i, slots[i] if i < len(slots) else EMPTY) for i in range(one.slots)]


def listener(one, maps):
    """A listener and the backends of its fixed answers."""
    lines = [f"frontend {one.name}", f"  bind {one.address}:{one.port}", f"  timeout client {one.idle}s", "  option forwardfor",
             "  http-request set-header X-Forwarded-Proto http", f"  http-request set-header X-Forwarded-Port {one.port}", *BAD_GATEWAY]
    rules = routes.in_order(one.rules)
    lines += ["  " + routes.line(rule, maps) for rule in rules]
    for rule in rules:
        lines += routes.answer(rule)
    return lines


def whole(listeners, groups, servers, folder, log_port):
    """The file: a reload takes the listening sockets over from the process before it, so no connection is refused."""
    lines = ["global", f"  log 127.0.0.1:{log_port} len 1024 format raw local0", "  maxconn 4000", "  hard-stop-after 60s",
             f"  stats socket {folder}/admin.sock mode 600 level admin expose-fd listeners",
             "defaults", "  mode http", "  log global", f"  log-format {LOG}", "  timeout connect 10s", "  timeout client 60s",
             "  timeout server 60s", "  timeout http-request 60s", "  retries 0", "  option http-keep-alive",
             f"backend {routes.NOWHERE}", "  http-request return status 503"]
    for one in groups:
        lines += group(one, servers.get(one.name, ()))
    for one in listeners:
        lines += listener(one, folder)
    return "\n".join(lines) + "\n"
