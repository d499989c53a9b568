"""IAM policies, evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.services.apigateway.throttle import Bucket
from antipodes.services.apigateway.v1.policies import Unreadable, Verdict, policy_of

ARN = "arn:aws:execute-api:us-east-1:1:api/v1/GET/items"
INVOKE = "execute-api:Invoke"


def allow(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": INVOKE, "Resource": "*", **more}


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ([], Verdict.NOT_ALLOWED),
        ([allow()], Verdict.ALLOWED),
        (allow(), Verdict.ALLOWED),
        ([allow(Action="execute-api:*")], Verdict.ALLOWED),
        ([allow(Action="EXECUTE-API:INVOKE")], Verdict.ALLOWED),
        ([allow(Action=["s3:*"])], Verdict.NOT_ALLOWED),
        ([allow(Resource="arn:aws:execute-api:*:*:api/*/GET/*")], Verdict.ALLOWED),
        ([allow(Resource="arn:aws:execute-api:us-east-1:1:api/v?/GET/items")], Verdict.ALLOWED),
        ([allow(Resource="arn:aws:execute-api:us-east-1:1:api/v1/POST/*")], Verdict.NOT_ALLOWED),
        ([allow(), allow(Effect="Deny", Resource=ARN)], Verdict.DENIED),
        ([{"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:x"}], Verdict.ALLOWED),
        ([allow(Principal="*")], Verdict.ALLOWED),
        ([allow(Principal={"AWS": ["123"]})], Verdict.NOT_ALLOWED),
        ([allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})], Verdict.ALLOWED),
        ([allow(Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})], Verdict.NOT_ALLOWED),
        ([allow(Condition={"StringEquals": {"aws:sourceVpc": "vpc-1"}})], Verdict.NOT_ALLOWED),
        ([allow(Condition={"StringEqualsIfExists": {"aws:sourceVpc": "vpc-1"}})], Verdict.ALLOWED),
        ([allow(Condition={"StringNotEquals": {"aws:sourceVpc": "vpc-1"}})], Verdict.ALLOWED),
        ([allow(Condition={"Null": {"aws:sourceVpc": True}})], Verdict.ALLOWED),
    ],
)
def test_policies_decide(statements: Any, verdict: Verdict) -> None:
    facts = {"aws:sourceip": "10.1.2.3"}
    assert policy_of({"Statement": statements}).verdict(INVOKE, ARN, facts) is verdict


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"Statement": [5]},
        {"Statement": allow(Effect="Yes")},
        {"Statement": allow(NotPrincipal="*")},
        {"Statement": allow(Condition={"DateLessThan": {}})},
        {"Statement": allow(Condition=[1])},
    ],
)
def test_what_is_not_understood_is_not_misread(document: Any) -> None:
    with pytest.raises(Unreadable):
        policy_of(document)


def test_a_bucket_lets_a_burst_pass_and_then_its_rate() -> None:
    bucket = Bucket(2.0, 3, 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(100.5) for _ in range(2)] == [True, False]
    assert [bucket.take(200.0) for _ in range(4)] == [True, True, True, False]
    assert not Bucket(0.0, 0, 0.0).take(1000.0)
