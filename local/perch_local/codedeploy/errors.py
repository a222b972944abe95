"""What goes wrong: a refused call, a deployment that fails, a deployment that is stopped."""


class Refused(Exception):
    """A call that CodeDeploy refuses; `code` is the name of an exception of its API."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = f"{code}Exception"


class Failed(Exception):
    """Ends a deployment as Failed; `code` is one of the API's ErrorCode values."""

    status, notice, trigger = "Failed", "FAILURE", "DEPLOYMENT_FAILURE"

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Halted(Failed):
    """Ends a deployment as Stopped: by an alarm or by StopDeployment.

    `rollback` is what the caller of StopDeployment said about it, or None.
    """

    status, notice = "Stopped", "STOP"

    def __init__(self, code, message, trigger, rollback=None):
        super().__init__(code, message)
        self.trigger, self.rollback = trigger, rollback
