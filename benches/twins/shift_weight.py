"""Twin of functions/shift-weight."""

import aliases
import perch


def handler(event, context):
    """Move the alias to the weight of the step."""
    record = perch.held(event)
    seq, phase = record["seq"], record["phase"]
    split = {record["canary"]: float(phase["weight"]) / 100}
    record["ledger"]["snapshot"]["revision"] = aliases.move_to(record, record["ledger"]["baseline"], split)
    record["phase"] = {"name": "Baking", "step": phase["step"], "weight": phase["weight"], "since": perch.now()}
    entry = perch.entry(record, "WeightShifted", f"{phase['weight']}% of traffic on the canary")
    perch.commit(record, seq, [entry], exposed=True)
    return perch.answer(event, record["fence"], "Judge", 60)
