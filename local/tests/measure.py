"""Prints the figures of docs/local.md: python local/tests/measure.py [BOOTSTRAP [EVENT]]. Not a test; takes about a minute.

BOOTSTRAP is the executable of the function, by default the Python one of the tests.
"""
import concurrent.futures
import pathlib
import statistics
import sys
import time

import boto3
from botocore.config import Config
from conftest import FIXTURES, port, ready, zipped
from perch_local import lifecycle
from perch_local.checkout import Stack


def memory(pid):
    """Resident memory of the server in MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def timed(call, times):
    """Milliseconds of each of some calls, sorted."""
    out = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        out.append((time.perf_counter() - began) * 1000)
    return sorted(out)


def measure(stack, pid, bootstrap, event):
    """Run the load on copies of one function and print one line per figure."""
    client = lambda name: boto3.client(name, endpoint_url=stack.url, region_name="us-east-1", aws_access_key_id="test",
                                       aws_secret_access_key="test", config=Config(max_pool_connections=16))
    lam, role = client("lambda"), client("iam").create_role(RoleName="m", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    print(f"memory at start: {memory(pid):.0f} MiB")
    code = zipped(bootstrap)
    for n in range(10):
        lam.create_function(FunctionName=f"f{n}", Runtime="provided.al2023", Handler="bootstrap", Role=role, Publish=True,
                            Code={"ZipFile": code})
        ready(lam, f"f{n}")
        lam.create_alias(FunctionName=f"f{n}", Name="live", FunctionVersion="1")
    invoke = lambda n=0: lam.invoke(FunctionName=f"f{n}", Qualifier="live", Payload=event)["Payload"].read()
    cold = sorted(timed(lambda n=n: invoke(n), 1)[0] for n in range(10))
    print(f"cold invoke, 10 functions: median {statistics.median(cold):.0f} ms, longest {cold[-1]:.0f} ms")
    warm = timed(invoke, 500)
    print(f"warm invoke, 500 in sequence: p50 {warm[249]:.1f} ms, p99 {warm[494]:.1f} ms")
    print(f"memory after these: {memory(pid):.0f} MiB")
    began = time.time()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: invoke(), range(4000)))
    print(f"4000 invokes by 8 clients: {time.time() - began:.1f} s; memory after: {memory(pid):.0f} MiB")


if __name__ == "__main__":
    stack = Stack(port())
    try:
        bootstrap, event = (sys.argv[1:] + [FIXTURES / "function" / "bootstrap", "{}"][len(sys.argv) - 1:])[:2]
        measure(stack, lifecycle.start(stack)[0], pathlib.Path(bootstrap), event.encode())
    finally:
        lifecycle.stop(stack)
