"""At most so many invocations of the functions under test at once; the others wait their turn.

AWS runs a thousand environments beside each other. Here each one is a process on this machine with polling threads in
the server, and some hundred of them leave nobody time to work: a burst then takes longer than its invocations one
after the other. A call that waits here is as one that AWS delivers a little later; none is refused.
"""
import threading

from ministack.services import lambda_svc as L


def install(concerns, at_once):
    """Limit the functions that it is about."""
    dispatch, places = L._execute_function_dispatch, threading.BoundedSemaphore(at_once)

    def in_turn(func, config, *rest):
        if not concerns(config.get("FunctionName", "")):
            return dispatch(func, config, *rest)
        with places:
            return dispatch(func, config, *rest)

    L._execute_function_dispatch = in_turn
