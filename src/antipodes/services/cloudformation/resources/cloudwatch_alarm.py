"""AWS::CloudWatch::Alarm: a metric alarm without actions (CloudWatch here refuses them by name)."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.shapes import shaped

PROPERTIES = (
    "ActionsEnabled", "AlarmActions", "AlarmDescription", "ComparisonOperator", "DatapointsToAlarm", "Dimensions",
    "EvaluationPeriods", "InsufficientDataActions", "MetricName", "Namespace", "OKActions", "Period", "Statistic",
    "Threshold", "TreatMissingData", "Unit",
)  # fmt: skip


async def put(job: Job) -> Made:
    name = job.physical_id or job.name("AlarmName", limit=255)
    params = shaped("cloudwatch", "PutMetricAlarm", {"AlarmName": name, **chosen(job.properties, *PROPERTIES)})
    await job.call("cloudwatch", "PutMetricAlarm", params)
    return Made(name, {"Arn": f"arn:aws:cloudwatch:{job.region}:{job.account}:alarm:{name}"})


async def delete(job: Job) -> None:
    await gone(job.call("cloudwatch", "DeleteAlarms", {"AlarmNames": [job.physical_id]}))


HANDLERS = (
    Handler(
        "AWS::CloudWatch::Alarm",
        frozenset({*PROPERTIES, "AlarmName"}),
        put,
        delete,
        put,
        replaced_by=frozenset({"AlarmName"}),
        name_property="AlarmName",
        required=("ComparisonOperator", "EvaluationPeriods"),
    ),
)
