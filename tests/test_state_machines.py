"""Both state machines against cfn-lint's schema of Amazon States Language (rule E3601).

The rule reads definitions that stand in a template, not files that one points to, so each machine
is put into a template of its own.
"""

import copy
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CFN_LINT = ROOT / ".venv-sam/bin/cfn-lint"
MACHINES = sorted((ROOT / "statemachines").glob("*.asl.json"))


def findings(definitions: dict[str, dict], folder: Path) -> dict[str, list[str]]:
    """What cfn-lint says of a template with these state machines, by their logical ids."""
    resources = {
        name: {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"RoleArn": "arn:aws:iam::123456789012:role/perch", "Definition": definition},
        }
        for name, definition in definitions.items()
    }
    path = folder / "template.json"
    path.write_text(json.dumps({"Resources": resources}))
    command = [CFN_LINT, "--format", "json", "--regions", "eu-west-1", "--", path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout.strip(), run.stderr
    found: dict[str, list[str]] = {name: [] for name in definitions}
    for finding in json.loads(run.stdout):
        place = finding["Location"]["Path"]
        found[place[1]].append(f"{finding['Rule']['Id']} {finding['Message']}")
    return found


def substituted(path: Path) -> dict:
    """The definition as it is deployed, with an ARN for each substitution."""
    text = path.read_text()
    while "${" in text:
        before, _, rest = text.partition("${")
        name, _, after = rest.partition("}")
        text = f"{before}arn:aws:lambda:eu-west-1:123456789012:function:{name}{after}"
    return json.loads(text)


def test_every_machine_is_valid(tmp_path):
    machines = {path.name.split(".")[0].replace("-", ""): substituted(path) for path in MACHINES}
    assert findings(machines, tmp_path) == {"canarydeploy": [], "modelreload": [], "rollback": []}


def without(machine: dict, *path: str) -> dict:
    """The machine without what is at the path."""
    broken = copy.deepcopy(machine)
    holder = broken
    for part in path[:-1]:
        holder = holder[part]
    del holder[path[-1]]
    return broken


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.name)
def test_a_broken_machine_is_found(path, tmp_path):
    machine = substituted(path)
    task = machine["StartAt"]
    misspelt = copy.deepcopy(machine)
    misspelt["States"][task]["Type"] = "Tasks"
    found = findings(
        {
            "NoStart": without(machine, "StartAt"),
            "NoNext": without(machine, "States", task, "Next"),
            "NoResource": without(machine, "States", task, "Resource"),
            "NoErrors": without(machine, "States", task, "Catch", 0, "ErrorEquals"),
            "NoSuchType": misspelt,
        },
        tmp_path,
    )
    unseen = [name for name, texts in found.items() if not any(t.startswith("E3601") for t in texts)]
    assert unseen == []
