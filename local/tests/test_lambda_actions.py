"""The IAM action of Lambda calls, by method and path."""
import pytest
from perch_local.lambda_actions import own_action, qualified

BASE = "/2015-03-31/functions"


@pytest.mark.parametrize("method,path,action", [
    ("GET", f"{BASE}/news/aliases/live", "GetAlias"), ("PUT", f"{BASE}/news/aliases/live", "UpdateAlias"),
    ("DELETE", f"{BASE}/news/aliases/live", "DeleteAlias"), ("GET", f"{BASE}/news/aliases", None),
    ("POST", f"{BASE}/news/aliases", None), ("GET", f"{BASE}/aliases", None), ("GET", "/2018-10-31/layers", None),
    ("GET", "/2019-09-30/functions/news/provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
    ("PUT", "/2019-09-30/functions/news/provisioned-concurrency", "PutProvisionedConcurrencyConfig"),
    ("DELETE", "/2019-09-30/functions/news/provisioned-concurrency", "DeleteProvisionedConcurrencyConfig"),
    ("GET", f"{BASE}/news/concurrency", None)])
def test_own_actions(method, path, action):
    assert own_action(method, path) == action


def test_provisioned_concurrency_is_on_the_alias():
    path, arn = "/2019-09-30/functions/news/provisioned-concurrency", "arn:aws:lambda:us-east-1:000000000000:function:news"
    assert qualified(arn, path, {"Qualifier": ["live"]}) == qualified(arn, path, {"Qualifier": "live"}) == f"{arn}:live"
    assert qualified(arn, path, {}) == arn
    assert qualified(arn, f"{BASE}/news/invocations", {"Qualifier": ["7"]}) == f"{arn}:7"
    assert qualified(arn, f"{BASE}/news/invocations", {}) == arn
    assert qualified(arn, f"{BASE}/news", {"Qualifier": ["5"]}) == arn
