"""Metrics that functions publish by printing them: CloudWatch's embedded metric format (EMF).

AWS: CloudWatch User Guide, "Specification: Embedded metric format" (CloudWatch_Embedded_Metric_Format_Specification):
one JSON object per log line, Lambda's own prefix before it is allowed, members that are not named there are ignored.
CloudWatch API Reference, MetricDatum: lengths, units, values between -2^360 and 2^360, StorageResolution 1 or 60, times
from two weeks ago to two hours ahead. CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics": EMFParsingErrors and
EMFValidationErrors. Every line is read as it is printed: the last line of an environment counts as the others do.
"Using the PutLogEvents API to send manually created embedded metric format logs" (CloudWatch_Embedded_Metric_Format_Generation_PutLogEvents):
events of any log group count, each a document of its own; the header x-amzn-logs-format may be there and is not needed.
"""
import json
import re
import time
from collections import Counter

from ministack.core import lambda_runtime as LR
from ministack.services import cloudwatch_logs as LOGS
from perch_local import metrics
from perch_local.scope import acting_as, log

MAX_BYTES = 1024 * 1024
MAX_METRICS, MAX_DIMENSIONS, MAX_VALUES = 100, 30, 100
OLDEST, NEWEST = 14 * 86400, 2 * 3600
_LARGEST = 2.0 ** 360
_SIZES = [size for unit in ("bytes", "bits") for size in (unit.title(), *(prefix + unit for prefix in ("Kilo", "Mega", "Giga", "Tera")))]
UNITS = {"Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "None", "Count/Second", *_SIZES, *(f"{s}/Second" for s in _SIZES)}
# What the managed runtimes write before a printed text: level, time, request id, level, with tabs between.
_PREFIX = re.compile(r"(?:\[[A-Z]+\]\t)?(?:\d{4}-\d\d-\d\dT[\d:.]+Z\t)?(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\t)?(?:[A-Z]+\t)?(?=\{)")
_NAMESPACE = re.compile(r"[\w.#:/-]{1,255}$", re.ASCII)


class Unreadable(ValueError):
    """A line that begins as a document of metrics and is no JSON: an EMFParsingError."""


class Invalid(ValueError):
    """A document that breaks the specification: an EMFValidationError."""


def _need(true, problem):
    if not true:
        raise Invalid(problem)


def _is_text(value, longest):
    return isinstance(value, str) and 1 <= len(value) <= longest


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _not_json(name):
    raise ValueError(f"{name} is not JSON")


def document(line):
    """The EMF document in a printed line, or None for any other text."""
    start = _PREFIX.match(line)
    if not start or '"_aws"' not in line:
        return None
    _need(len(line.encode()) <= MAX_BYTES, f"the document is larger than {MAX_BYTES} bytes")
    try:
        found = json.loads(line[start.end():], parse_constant=_not_json)
    except ValueError as wrong:
        raise Unreadable(str(wrong)) from wrong
    return found if "_aws" in found else None


def _values(root, name):
    _need(name in root, f"{name}: the root node has no such member")
    values = root[name] if isinstance(root[name], list) else [root[name]]
    _need(len(values) <= MAX_VALUES, f"{name}: more than {MAX_VALUES} values")
    _need(all(map(_is_number, values)), f"{name}: must be a number or an array of numbers")
    return values


def _dimensions(root, keys):
    _need(isinstance(keys, list) and len(keys) <= MAX_DIMENSIONS, f"a DimensionSet is an array of at most {MAX_DIMENSIONS} names")
    for key in keys:
        _need(_is_text(key, 250) and _is_text(root.get(key), 1024), f"dimension {key}: must be a string of the root node")
    return {key: root[key] for key in keys}


def _metric(root, definition):
    _need(isinstance(definition, dict) and _is_text(definition.get("Name"), 255), "a metric needs a Name")
    name, unit, resolution = definition["Name"], definition.get("Unit", "None"), definition.get("StorageResolution", 60)
    _need(unit in UNITS, f"{name}: Unit {unit} is unknown")
    _need(resolution in (1, 60) and resolution is not True, f"{name}: StorageResolution must be 1 or 60")
    return name, unit, resolution, _values(root, name)


def data(root, now):
    """[(namespace, metric, dimensions, time, unit, {value: count})] of a whole document; one fault makes all of it invalid."""
    about = root["_aws"]
    _need(isinstance(about, dict), "_aws: must be an object")
    stamp, directives = about.get("Timestamp"), about.get("CloudWatchMetrics")
    _need(isinstance(stamp, int) and not isinstance(stamp, bool), "Timestamp: must be a whole number of milliseconds")
    _need(now - OLDEST <= stamp / 1000 <= now + NEWEST, "Timestamp: more than two weeks ago or two hours ahead")
    _need(isinstance(directives, list), "CloudWatchMetrics: must be an array")
    out = []
    for directive in directives:
        _need(isinstance(directive, dict), "CloudWatchMetrics: must hold objects")
        namespace, sets, definitions = (directive.get(k) for k in ("Namespace", "Dimensions", "Metrics"))
        _need(isinstance(namespace, str) and _NAMESPACE.match(namespace), "Namespace: must be a name of at most 255 characters")
        _need(isinstance(sets, list) and sets, "Dimensions: must be an array of DimensionSets")
        _need(isinstance(definitions, list) and len(definitions) <= MAX_METRICS, f"Metrics: must be an array of at most {MAX_METRICS}")
        found = [_metric(root, d) for d in definitions]
        for dims in [_dimensions(root, keys) for keys in sets]:
            for name, unit, resolution, values in found:
                out.append((namespace, name, dims, stamp // 1000 // resolution * resolution, unit, Counter(map(float, values))))
    return out


def publish(line, group, now=None):
    """Store the metrics of a printed line of a function with this log group; a refused document is counted and logged."""
    try:
        root = document(line)
        for namespace, name, dims, at, unit, counts in data(root, now or time.time()) if root else ():
            for value, count in counts.items():
                metrics.add(namespace, name, dims, at, unit, value, count)
    except (Unreadable, Invalid) as wrong:
        log.warning("%s: metrics of a printed line are ignored: %s", group, wrong)
        kind = "EMFParsingErrors" if isinstance(wrong, Unreadable) else "EMFValidationErrors"
        metrics.add("AWS/Logs", kind, {"LogGroupName": group}, (now or time.time()) // 60 * 60, "Count", 1.0)


class _Printed:
    """What a function prints: searched for metrics, line by line."""

    def __init__(self, config):
        self._scope = LR._account_region_from_function_config(config)
        self._group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"

    def publish(self, line):
        try:
            with acting_as(*self._scope):
                publish(line, self._group)
        except Exception:
            log.exception("%s: a printed line was not searched for metrics", self._group)


class _Lines:
    """A queue of printed lines; whatever takes them gets every line unchanged."""

    def __init__(self, queue, config):
        self._queue, self._printed = queue, _Printed(config)

    def put_nowait(self, line):
        self._queue.put_nowait(line)
        self._printed.publish(line)

    def __getattr__(self, name):
        return getattr(self._queue, name)


class _Output:
    """A function's output, read line by line; whatever reads it gets every line unchanged."""

    def __init__(self, stream, config):
        self._stream, self._printed = stream, _Printed(config)

    def readline(self):
        line = self._stream.readline()
        if line:
            text = line if isinstance(line, str) else line.decode("utf-8", "replace")
            self._printed.publish(text.rstrip("\r\n"))
        return line

    def __iter__(self):
        return iter(self.readline, "")

    def close(self):
        self._stream.close()

    def __getattr__(self, name):
        return getattr(self._stream, name)


def install():
    """Read along where the emulator reads what its workers print, and where log events come in."""
    pump, read = LR.ProvidedWorker._pump_output, LR.Worker._read_stderr

    def pump_and_publish(self, stream, log_queue):
        return pump(self, stream, _Lines(log_queue, self.config))

    def read_and_publish(self):
        self._proc.stderr = _Output(self._proc.stderr, self.config)
        return read(self)

    LR.ProvidedWorker._pump_output, LR.Worker._read_stderr = pump_and_publish, read_and_publish
    put = LOGS._put_log_events

    def put_and_publish(request):
        answer = put(request)
        if answer[0] == 200:
            for event in request.get("logEvents", ()):
                # Only Lambda's own runtimes write something before a document.
                if event.get("message", "").startswith("{"):
                    publish(event["message"], request["logGroupName"])
        return answer

    LOGS._put_log_events = put_and_publish
