"""Reading and moving a Lambda alias, as crates/aws/src/lambda.rs does."""

import perch

functions = perch.client("lambda")


def _split(alias):
    weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return {version: weight for version, weight in weights.items() if weight > 0}


def read(service):
    """The alias: (version, split, revision)."""
    alias = functions.get_alias(FunctionName=service["function"], Name=service["alias"])
    return alias["FunctionVersion"], _split(alias), alias["RevisionId"]


def shift(service, version, split, revision):
    """Move the alias from a known revision: (version, split, revision)."""
    alias = functions.update_alias(
        FunctionName=service["function"],
        Name=service["alias"],
        FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": split},
        RevisionId=revision,
    )
    return alias["FunctionVersion"], _split(alias), alias["RevisionId"]


def held_by(record):
    """Refuse to go on without the fence, or under a stop."""
    head, stop = perch.standing(record["target"])
    if head["fence"] != record["fence"]:
        raise RuntimeError("another execution holds the target")
    if stop:
        raise RuntimeError("the target is stopped")


def move_to(record, version, split):
    """Read, check the fence, move, read back; the revision."""
    service = record["plan"]["driver"]
    before, weights, revision = read(service)
    held_by(record)
    if before != record["ledger"]["baseline"] or set(weights) - {record["canary"]}:
        raise RuntimeError("someone else moved the alias")
    shift(service, version, split, revision)
    *found, revision = read(service)
    if found != [version, split]:
        raise RuntimeError(f"the alias was read back as {found}")
    return revision
