"""GetMetricStatistics from the same numbers as GetMetricData.

AWS: CloudWatch API Reference, GetMetricStatistics: exact dimensions, Statistics or ExtendedStatistics, at most 1,440
datapoints, in no particular order. ministack mixes dimension sets when none is given and knows no trimmed statistics.
"""
from ministack.services import cloudwatch as CW
from perch_local import mathexpr, metrics
from perch_local.scope import query_members

MAX_DATAPOINTS = 1440


def get_metric_statistics(params, cbor_data, is_cbor, is_json=False):
    """Answer in the protocol of the request."""
    data = cbor_data if is_cbor or is_json else query_members(params)
    refuse = lambda code, text: CW._error(code, text, 400, use_json=is_json, use_cbor=is_cbor)
    start, end, period = CW._parse_ts(data.get("StartTime")), CW._parse_ts(data.get("EndTime")), int(data.get("Period") or 60)
    wanted, extended = data.get("Statistics") or [], data.get("ExtendedStatistics") or []
    if not wanted and not extended:
        return refuse("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    if start is None or end is None or start >= end:
        return refuse("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    if period not in (1, 5, 10, 20, 30) and (period <= 0 or period % 60):
        return refuse("InvalidParameterValue", f"The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60, not {period}.")
    if (end - start) / period > MAX_DATAPOINTS:
        return refuse("InvalidParameterCombination", f"You have requested up to {int((end - start) / period)} datapoints, "
                      f"which exceeds the limit of {MAX_DATAPOINTS:,}.")
    first = start // period * period
    try:
        found = {s: metrics.series(data, period, s, first, end, data.get("Unit")) for s in [*wanted, *extended]}
    except mathexpr.MathError as wrong:
        return refuse("InvalidParameterValue", str(wrong))
    unit = next((p.get("Unit") or "None" for p in metrics.stored(data["Namespace"], data["MetricName"],
                 CW._dims_from_list(data.get("Dimensions") or []))), "None")
    points = []
    for at in sorted(set().union(*found.values())):
        point = {"Timestamp": CW._ts_iso(at), "Unit": unit, **{s: found[s][at] for s in wanted if at in found[s]}}
        values = {s: found[s][at] for s in extended if at in found[s]}
        points.append({**point, "ExtendedStatistics": values} if values else point)
    if is_cbor:
        return CW._cbor_ok({"Datapoints": [CW._cbor_datapoint(p) for p in points], "Label": data["MetricName"]})
    if is_json:
        return CW._json_ok({"Datapoints": points, "Label": data["MetricName"]})
    return CW._xml(200, "GetMetricStatisticsResponse", "<GetMetricStatisticsResult><Datapoints>" + "".join(map(_xml, points))
                   + f"</Datapoints><Label>{CW._xml_escape(data['MetricName'])}</Label></GetMetricStatisticsResult>")


def _xml(point):
    entries = "".join(f"<entry><key>{k}</key><value>{v}</value></entry>" for k, v in point.get("ExtendedStatistics", {}).items())
    rest = "".join(f"<{k}>{v}</{k}>" for k, v in point.items() if k != "ExtendedStatistics")
    return f"<member>{rest}" + (f"<ExtendedStatistics>{entries}</ExtendedStatistics>" if entries else "") + "</member>"


def install():
    """Replace the call in the running ministack."""
    CW._get_metric_statistics = get_metric_statistics
