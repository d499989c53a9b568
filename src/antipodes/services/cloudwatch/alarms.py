"""Metric alarms: PutMetricAlarm, DescribeAlarms, DeleteAlarms, SetAlarmState.

Rules. An alarm watches one metric's statistic over periods and is in ALARM when DatapointsToAlarm of the last
EvaluationPeriods breach the threshold. It does nothing but say so: actions are refused by name, as are metric math,
percentile evaluation and anomaly detection. Since nothing acts on it, its state is worked out when somebody asks, and
written down when it has changed; StateUpdatedTimestamp is therefore the time of the first asking after a change.
SetAlarmState holds until the next period begins, when AWS too would have evaluated anew.

Missing data (TreatMissingData): "breaching" and "notBreaching" count as what they say; "ignore" keeps the state;
"missing" (the default) decides by the data there are and is INSUFFICIENT_DATA without any (AWS also looks at older
data to fill gaps: not done here).

Store key: b"cloudwatch/alarm/" + name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from antipodes.services.cloudwatch import get
from antipodes.services.cloudwatch.archive import Archive
from antipodes.services.cloudwatch.parameters import Params, check_period, dimensions_of, invalid, refuse, required
from antipodes.store.store import Store
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Result
from antipodes.wire.validation import validate

PREFIX = b"cloudwatch/alarm/"
MAX_PAGE = 100
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
MAX_SPAN_S = 86_400


class Alarm(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric alarm and its state. `settings` is PutMetricAlarm's own members."""

    name: str
    settings: dict[str, Any]
    updated_s: float
    state: State = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    since_s: float = 0.0
    set_until_s: float = 0.0  # SetAlarmState holds until then


class Alarms:
    """Owner of the alarms of a Region."""

    def __init__(self, store: Store, region: str, account: str) -> None:
        self._store = store
        self._region = region
        self._account = account

    def put(self, params: Params, now: float) -> Result:
        """PutMetricAlarm: creates or replaces. Raises AWS's refusals."""
        validate("cloudwatch", "PutMetricAlarm", params)
        refuse(
            params,
            *("OKActions", "AlarmActions", "InsufficientDataActions", "Metrics", "ThresholdMetricId"),
            *("ExtendedStatistic", "EvaluateLowSampleCountPercentile", "Tags", "EvaluationWindow"),
            *("WarmUpConfiguration", "EvaluationCriteria", "EvaluationInterval", "ActionConfiguration"),
        )
        required(params, "AlarmName", "MetricName", "Namespace", "Statistic", "Period", "Threshold")
        required(params, "EvaluationPeriods", "ComparisonOperator")
        if params["ComparisonOperator"] not in _COMPARISONS:
            raise NotSupported(f"the ComparisonOperator {params['ComparisonOperator']} (anomaly detection)")
        dimensions_of(params.get("Dimensions"))
        periods = params["EvaluationPeriods"]
        if check_period(params["Period"]) * periods > MAX_SPAN_S or periods > get.MAX_DATAPOINTS:
            raise invalid(
                "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)."
            )
        if not 1 <= params.get("DatapointsToAlarm", periods) <= periods:
            raise invalid("DatapointsToAlarm must be between 1 and EvaluationPeriods.")
        if params.get("TreatMissingData", "missing") not in ("missing", "breaching", "notBreaching", "ignore"):
            raise invalid(f"The value {params['TreatMissingData']} for parameter TreatMissingData is invalid.")
        settings = {key: value for key, value in params.items() if value is not None}
        before = self._get(params["AlarmName"])
        alarm = Alarm(params["AlarmName"], settings, now, since_s=now)
        if before is not None:
            alarm = msgspec.structs.replace(alarm, state=before.state, reason=before.reason, since_s=before.since_s)
        self._write(alarm)
        return {}

    def describe(self, params: Params, archive: Archive, now: float) -> Result:
        """DescribeAlarms: by names or a prefix, and by state; 100 a page."""
        validate("cloudwatch", "DescribeAlarms", params)
        names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix")
        if names and prefix:
            raise ClientFault(
                "InvalidParameterCombinationException", "AlarmNames and AlarmNamePrefix are mutually exclusive."
            )
        refuse(params, "ChildrenOfAlarmName", "ParentsOfAlarmName")
        kinds = params.get("AlarmTypes") or ["MetricAlarm"]
        after, size = params.get("NextToken") or "", params.get("MaxRecords") or MAX_PAGE
        found = [self._evaluated(alarm, archive, now) for alarm in self._all() if "MetricAlarm" in kinds]
        wanted = [
            alarm
            for alarm in found
            if (not names or alarm.name in names)
            and alarm.name.startswith(prefix or "")
            and params.get("StateValue") in (None, alarm.state)
            and alarm.name > after
        ]
        page = wanted[:size]
        result: dict[str, Any] = {"MetricAlarms": [self._shape(alarm) for alarm in page], "CompositeAlarms": []}
        return result | ({"NextToken": page[-1].name} if len(wanted) > size else {})

    def delete(self, params: Params) -> Result:
        """DeleteAlarms: all or, if one is not there, none."""
        validate("cloudwatch", "DeleteAlarms", params)
        missing = [name for name in params["AlarmNames"] if self._get(name) is None]
        if missing:
            raise ClientFault("ResourceNotFound", f"The alarms {', '.join(missing)} do not exist.", status=404)
        self._store.write([(PREFIX + name.encode(), None) for name in dict.fromkeys(params["AlarmNames"])])
        return {}

    def set_state(self, params: Params, now: float) -> Result:
        """SetAlarmState."""
        validate("cloudwatch", "SetAlarmState", params)
        alarm = self._get(params["AlarmName"])
        if alarm is None:
            raise ClientFault("ResourceNotFound", f"The alarm {params['AlarmName']} does not exist.", status=404)
        period_s = int(alarm.settings["Period"])
        self._write(
            msgspec.structs.replace(
                alarm,
                state=params["StateValue"],
                reason=params["StateReason"],
                since_s=now,
                set_until_s=(now // period_s + 1) * period_s,
            )
        )
        return {}

    # ---------------------------------------------------------------- state

    def _evaluated(self, alarm: Alarm, archive: Archive, now: float) -> Alarm:
        if now < alarm.set_until_s:
            return alarm
        settings = alarm.settings
        values = _last_values(archive, settings, now)
        state, reason = judge(settings, values, alarm.state)
        if state == alarm.state:
            return alarm
        alarm = msgspec.structs.replace(alarm, state=state, reason=reason, since_s=now, set_until_s=0.0)
        self._write(alarm)
        return alarm

    def _shape(self, alarm: Alarm) -> dict[str, Any]:
        return {
            "ActionsEnabled": True,
            "OKActions": [],
            "AlarmActions": [],
            "InsufficientDataActions": [],
            "Dimensions": [],
            **alarm.settings,
            "AlarmArn": f"arn:aws:cloudwatch:{self._region}:{self._account}:alarm:{alarm.name}",
            "AlarmConfigurationUpdatedTimestamp": alarm.updated_s,
            "StateValue": alarm.state,
            "StateReason": alarm.reason,
            "StateUpdatedTimestamp": alarm.since_s,
            "StateTransitionedTimestamp": alarm.since_s,
        }

    # ---------------------------------------------------------------- rows

    def _all(self) -> list[Alarm]:
        """By name."""
        rows = list(self._store.range(PREFIX, PREFIX + b"\xff"))
        return [msgspec.msgpack.decode(value, type=Alarm) for _, value in rows]

    def _get(self, name: str) -> Alarm | None:
        data = self._store.get(PREFIX + name.encode())
        return None if data is None else msgspec.msgpack.decode(data, type=Alarm)

    def _write(self, alarm: Alarm) -> None:
        self._store.write([(PREFIX + alarm.name.encode(), msgspec.msgpack.encode(alarm))])


def _last_values(archive: Archive, settings: Params, now: float) -> list[float | None]:
    """The statistic of the last whole periods, the oldest first; None: no data."""
    period_s, count = int(settings["Period"]), int(settings["EvaluationPeriods"])
    end = now // period_s * period_s
    asked = {
        **{key: settings[key] for key in ("Namespace", "MetricName", "Dimensions", "Unit") if key in settings},
        "Period": period_s,
        "StartTime": end - count * period_s,
        "EndTime": end,
        "Statistics": [settings["Statistic"]],
    }
    answer = get.metric_statistics(archive, asked, now)
    assert isinstance(answer, dict)
    found = {int(one["Timestamp"]): float(one[settings["Statistic"]]) for one in answer["Datapoints"]}
    return [found.get(int(end - (count - at) * period_s)) for at in range(count)]


def judge(settings: Params, values: Sequence[float | None], before: State) -> tuple[State, str]:
    """The state that these values give, and AWS's kind of reason."""
    missing = settings.get("TreatMissingData", "missing")
    threshold, breaches = float(settings["Threshold"]), _COMPARISONS[settings["ComparisonOperator"]]
    needed = int(settings.get("DatapointsToAlarm", settings["EvaluationPeriods"]))
    known = [value for value in values if value is not None]
    if not known and missing == "missing":
        return "INSUFFICIENT_DATA", f"Insufficient Data: {len(values)} datapoints were unknown."
    if not known and missing == "ignore":
        return before, "no data"
    absent = len(values) - len(known)
    breaching = sum(breaches(value, threshold) for value in known) + (absent if missing == "breaching" else 0)
    if missing in ("missing", "ignore"):
        needed = min(needed, len(known))
    shown = ", ".join(f"{value:g}" for value in known)
    word = "were" if breaching >= needed else "were not"
    reason = f"Threshold Crossed: {len(known)} datapoints [{shown}] {word} {_WORDS[settings['ComparisonOperator']]}"
    return ("ALARM" if breaching >= needed else "OK"), f"{reason} the threshold ({threshold:g})."


_COMPARISONS = {
    "GreaterThanOrEqualToThreshold": float.__ge__,
    "GreaterThanThreshold": float.__gt__,
    "LessThanThreshold": float.__lt__,
    "LessThanOrEqualToThreshold": float.__le__,
}
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
