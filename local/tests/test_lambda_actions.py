"""The IAM action of Lambda calls, by method and path."""
import pytest
from perch_local.lambda_actions import on_one_alias

BASE = "/2015-03-31/functions"


@pytest.mark.parametrize("method,path,action", [
    ("GET", f"{BASE}/news/aliases/live", "GetAlias"), ("PUT", f"{BASE}/news/aliases/live", "UpdateAlias"),
    ("DELETE", f"{BASE}/news/aliases/live", "DeleteAlias"), ("GET", f"{BASE}/news/aliases", None),
    ("POST", f"{BASE}/news/aliases", None), ("GET", f"{BASE}/aliases", None), ("GET", "/2018-10-31/layers", None)])
def test_alias_actions(method, path, action):
    assert on_one_alias(method, path) == action
