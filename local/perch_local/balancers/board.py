"""What the stores of ministack say, brought to HAProxy: listeners, rules, weights and targets.

`sync` may be called at any time and any number of times: it compares what HAProxy was given with what it should have,
and changes the difference. A change of weights or of targets goes through the runtime API, all else is a reload.
"""
import threading
import time

from ministack.services import alb as A
from perch_local import clock
from perch_local.balancers import addresses, config, health, routes
from perch_local.balancers.proxy import Proxy, ProxyError, bindable
from perch_local.balancers.traffic import Ear, Place
from perch_local.scope import log


def rows(store):
    """{ARN: ((account, region), record)} of a store."""
    return {key[-1]: (key[:-1], row) for key, row in list(store._data.items())}


def attribute(given, name, default):
    """The value of an attribute of a load balancer or target group."""
    return next((row["Value"] for row in given or () if row["Key"] == name), default)


class Board:
    """The load balancers of this stack; one lock for all of it."""

    def __init__(self):
        self.lock = threading.RLock()
        self.proxy, self.ear = Proxy(), Ear(self.look_up)
        self.targets = {}                       # target group -> {(id, port): health.Target}
        self.slots = {}                         # target group -> the keys of its slots
        self.structure, self.sent, self.maps = None, {}, {}
        self.places, self.groups, self.bound = {}, {}, []

    def sync(self):
        """Bring HAProxy to what the stores say."""
        with self.lock:
            used = self._uses()
            for arn, (_, group) in rows(A._tgs).items():
                self._register(arn, group)
            self._maps()
            listeners = self._listeners()
            if not listeners:
                self.proxy.stop()
                self.structure = None
                return
            groups = [config.Group(routes.group_name(arn), config.slots_for(len(self.slots[arn])), self._attribute(
                arn, "load_balancing.algorithm.type", "round_robin")) for arn in sorted(used) if arn in self.slots]
            structure = config.whole(listeners, groups, {}, self.proxy.folder, self.ear.port)
            servers = {routes.group_name(arn): self._servers(arn) for arn in used if arn in self.slots}
            try:
                if structure != self.structure or not self.proxy.alive():
                    self.proxy.load(config.whole(listeners, groups, servers, self.proxy.folder, self.ear.port))
                    self.structure, self.sent = structure, servers
                else:
                    self._difference(servers)
            except (OSError, ProxyError) as failed:
                log.error("load balancers: %s", failed)

    def _uses(self):
        """{target group: load balancers that may send to it}, and where metrics of what HAProxy names go."""
        listeners, balancers, used = rows(A._listeners), rows(A._lbs), {}
        for _, rule in rows(A._rules).values():
            _, listener = listeners.get(rule["ListenerArn"], (None, None))
            if listener and listener["LoadBalancerArn"] in balancers:
                for action in rule["Actions"]:
                    for arn in routes.weights(action):
                        used.setdefault(arn, set()).add(listener["LoadBalancerArn"])
        for arn, (_, group) in rows(A._tgs).items():
            group["LoadBalancerArns"] = sorted(used.get(arn, ()))
        self.places = {"l_" + routes.short(arn): Place(*scope, listener["LoadBalancerArn"].split("loadbalancer/")[-1])
                       for arn, (scope, listener) in listeners.items()}
        self.groups = {routes.group_name(arn): arn for arn in used}
        return used

    def look_up(self, listener, backend):
        """(place of the metrics, name of the target group or None, how many of its targets are healthy)."""
        place, arn = self.places.get(listener), self.groups.get(backend)
        if not place:
            return None
        healthy = sum(t.state == "healthy" for t in list(self.targets.get(arn, {}).values()))
        return place, arn.rsplit(":", 1)[-1] if arn else None, healthy

    def _attribute(self, arn, name, default):
        given = next((one for key, one in list(A._tg_attrs._data.items()) if key[-1] == arn), None)
        return attribute(given, name, default)

    def _register(self, arn, group):
        """Targets that came begin as `initial`; those that went drain."""
        registered = next((one for key, one in list(A._targets._data.items()) if key[-1] == arn), None) or []
        wanted = {(t["Id"], int(t.get("Port") or group["Port"])) for t in registered}
        have = self.targets.setdefault(arn, {})
        for key in wanted:
            if key not in have or have[key].state == "draining":
                have[key] = health.Target(key, group["HealthyThresholdCount"], group["UnhealthyThresholdCount"], time.monotonic())
        for key, target in list(have.items()):
            target.healthy_after, target.unhealthy_after = group["HealthyThresholdCount"], group["UnhealthyThresholdCount"]
            if key not in wanted and target.state != "draining":
                wait = clock.seconds(float(self._attribute(arn, "deregistration_delay.timeout_seconds", "300")))
                target.drain(time.monotonic() + wait)
            if target.state == "draining" and time.monotonic() >= target.drained_at:
                del have[key]
        slots = self.slots.setdefault(arn, [])
        slots[:] = [key if key in have else None for key in slots]
        for key in have:
            if key not in slots:
                free = next((i for i, taken in enumerate(slots) if taken is None), None)
                if free is None:
                    slots.append(key)
                else:
                    slots[free] = key

    def _servers(self, arn):
        have = self.targets[arn]
        serving = {t.key for t in health.serving(have.values())}
        state = lambda key: "ready" if key in serving else "drain" if have[key].state == "draining" else "maint"
        return [config.Slot(*addresses.of_target(*key), state(key)) if key else config.EMPTY for key in self.slots[arn]]

    def _maps(self):
        for arn, (_, rule) in rows(A._rules).items():
            action = routes.deciding(rule["Actions"])
            if action and action["Type"] == "forward":
                lines, name = routes.shares(routes.weights(action)), routes.rule_name(arn)
                if self.maps.get(name) != lines:
                    self.proxy.set_map(name, lines)
                    self.maps[name] = lines

    def _listeners(self):
        balancers, rules, out = rows(A._lbs), rows(A._rules), []
        loaded = {(one.address, one.port) for one in self.bound}
        for arn, (_, listener) in sorted(rows(A._listeners).items()):
            if listener["LoadBalancerArn"] not in balancers:
                continue
            address, port = addresses.of_balancer(listener["LoadBalancerArn"]), addresses.door(listener["Port"])
            reason = None if (address, port) in loaded and self.proxy.alive() else bindable(address, port)
            if reason:
                log.error("the listener %s can't be opened at %s:%s: %s", arn, address, port, reason)
                continue
            idle = next((one for key, one in list(A._lb_attrs._data.items()) if key[-1] == listener["LoadBalancerArn"]), None)
            out.append(config.Listener("l_" + routes.short(arn), address, port,
                                       [rule for _, rule in rules.values() if rule["ListenerArn"] == arn],
                                       int(attribute(idle, "idle_timeout.timeout_seconds", "60"))))
        self.bound = out
        return out

    def _difference(self, servers):
        for name, slots in servers.items():
            before = self.sent.get(name, [])
            for i, slot in enumerate(slots):
                old = before[i] if i < len(before) else config.EMPTY
                if old != slot:
                    self.proxy.set_server(name, i, slot, (old.host, old.port) != (slot.host, slot.port))
        self.sent = servers
