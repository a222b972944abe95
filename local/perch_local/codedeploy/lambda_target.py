"""The Lambda side of a deployment: an alias whose weights move by the time line.

AWS: CodeDeploy User Guide, "Deployments on an AWS Lambda compute platform" (deployment-steps-lambda). The alias has to be
at CurrentVersion when the deployment starts. A rollback moves it back at once, wherever the deployment left it.
"""
import json

from ministack.services import lambda_svc as L
from perch_local.codedeploy import role
from perch_local.codedeploy.errors import Failed

EVENTS = ("BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic")


class LambdaTarget:
    """The alias that a deployment moves."""

    kind = "lambda"
    events = EVENTS

    def __init__(self, deployment):
        self.deployment, self.spec, self.weight, self.moved = deployment, deployment.spec, 0.0, False

    @property
    def id(self):
        """The target's id: the name of the function."""
        return self.spec.name

    def check(self):
        """Raise Failed unless the alias is where the AppSpec says."""
        role.need(self.deployment, "lambda:GetAlias", L._func_arn(self.spec.name))
        func = L._functions.get(self.spec.name)
        if func is None:
            raise Failed("INVALID_LAMBDA_FUNCTION", f"The function {self.spec.name} does not exist.")
        alias = func["aliases"].get(self.spec.alias)
        if alias is None:
            raise Failed("INVALID_LAMBDA_FUNCTION", f"The function {self.spec.name} has no alias {self.spec.alias}.")
        for version in (self.spec.current, self.spec.target):
            if version not in func["versions"]:
                raise Failed("INVALID_LAMBDA_FUNCTION", f"The function {self.spec.name} has no version {version}.")
        self._at_current(alias)

    def _at_current(self, alias):
        if alias["FunctionVersion"] != self.spec.current:
            raise Failed("INVALID_LAMBDA_CONFIGURATION", f"The alias {self.spec.alias} of {self.spec.name} points to version "
                         f"{alias['FunctionVersion']}, not to the current version {self.spec.current}.")

    def act(self, event):
        """What happens in an event besides its hook."""
        if event.name == "AllowTraffic":
            self.deployment.follow_time_line(self.shift)

    def shift(self, weight):
        """Give the target version this percentage of the traffic, unless somebody else has moved the alias."""
        self._at_current(L._functions[self.spec.name]["aliases"].get(self.spec.alias) or {"FunctionVersion": "none"})
        done = weight == 100
        self.moved = True
        self._update({"FunctionVersion": self.spec.target if done else self.spec.current, "RoutingConfig": {
            "AdditionalVersionWeights": {} if done else {self.spec.target: weight / 100}}})
        self.weight = float(weight)

    def _update(self, change):
        role.need(self.deployment, "lambda:UpdateAlias", L._func_arn(self.spec.name))
        status, _, body = L._update_alias(self.spec.name, self.spec.alias, change)
        if status >= 400:
            raise Failed("INVALID_LAMBDA_CONFIGURATION", json.loads(body).get("message") or str(body))

    def finish(self):
        """Nothing is left to do once the events are over."""

    def way_back(self):
        """The spec and the revision of a rollback."""
        spec = self.spec.reversed()
        return spec, {"revisionType": "AppSpecContent", "appSpecContent": {"content": spec.content()}}

    def restorable(self):
        """Whether a rollback has something to go back to."""
        return self.spec.name in L._functions

    def restore(self, failed):
        """The work of a rollback deployment: all traffic to the version that the failed deployment began with.

        It undoes what that deployment did, and nothing that somebody else has done to the alias.
        """
        if failed.moved:
            alias = L._functions[self.spec.name]["aliases"].get(self.spec.alias) or {"FunctionVersion": "none"}
            if alias["FunctionVersion"] != self.spec.target:
                self._at_current(alias)
            self._update({"FunctionVersion": self.spec.target, "RoutingConfig": {"AdditionalVersionWeights": {}}})
        failed.weight, self.weight = 0.0, 100.0

    def info(self):
        """LambdaTarget, without the members that every target has."""
        spec = self.spec
        return {"lambdaFunctionInfo": {"functionName": spec.name, "functionAlias": spec.alias, "currentVersion": spec.current,
                                       "targetVersion": spec.target, "targetVersionWeight": self.weight}}, L._func_arn(spec.name)
