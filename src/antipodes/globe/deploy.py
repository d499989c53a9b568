"""Deploys an app to a planet, only by AWS API calls: what `antipodes deploy` does, in both worlds.

For each stack of the manifest, in order, and in all its Regions at once: put the code into that Region's artifact
bucket, write its address into the template, create or update the stack, tell its events, wait. Nothing is kept
here: the planet's CloudFormation knows what is deployed.

A stack that is missing while others of the app are there belongs to a Region that lost its disk: it is created with
a token that lets it take over what its predecessor left in other Regions.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from antipodes.globe.artifacts import Artifact, fill
from antipodes.globe.globe import Globe
from antipodes.globe.manifest import OUTPUT, REFERENCE, Manifest, StackPlan
from antipodes.services.cloudformation.labour import ADOPT
from antipodes.wire.errors import AwsError
from antipodes.world.world import HERE, NetworkError, World

POLL_S = 0.25
PATIENCE_S = 1800.0  # for one stack
CALL_ATTEMPTS = 5  # of a reading call that the network loses
BETWEEN_CALLS_S = 1.0
MUST_GO_FIRST = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


@dataclass(frozen=True, slots=True)
class StackResult:
    """What became of one stack in one Region. `action`: created, updated, unchanged, failed."""

    stack: str
    region: str
    action: str
    reason: str = ""
    outputs: Mapping[str, str] | None = None
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeployReport:
    """What became of the app. `reason` is "" when all is well."""

    ok: bool
    reason: str = ""
    stacks: tuple[StackResult, ...] = ()


class _Failed(Exception):
    """A step failed; the text is for the user."""


async def deploy(
    manifest: Manifest,
    globe: Globe,
    progress: Callable[[str], None],
    finished: Callable[[StackResult], None] = lambda result: None,
) -> DeployReport:
    """Brings the app to its Regions. Never raises for what a template or a Region does wrong: the report says it.

    `progress` hears every event of every stack, `finished` each stack's end.
    """
    missing = [region for region in manifest.regions if region not in globe.regions]
    if missing:
        return DeployReport(False, f"the planet has no Region {', '.join(missing)} (it has {', '.join(globe.regions)})")
    deployment = _Deployment(manifest, globe, progress, finished)
    done: list[StackResult] = []
    try:
        await deployment.look()
        for stack in manifest.stacks:
            results = await asyncio.gather(*(deployment.bring(stack, region) for region in stack.regions))
            done += results
            failed = [one for one in results if one.action == "failed"]
            if failed:
                return DeployReport(False, _reasons(failed), tuple(done))
    except (_Failed, AwsError, NetworkError) as error:
        return DeployReport(False, _said(error), tuple(done))
    return DeployReport(True, "", tuple(done))


def _reasons(failed: Sequence[StackResult]) -> str:
    """'app in us-east-1, eu-west-1: why'; what failed alike is said once."""
    places: dict[tuple[str, str], list[str]] = {}
    for one in failed:
        places.setdefault((one.stack, one.reason), []).append(one.region)
    return "; ".join(f"{stack} in {', '.join(regions)}: {reason}" for (stack, reason), regions in places.items())


def _is_rest(event: Mapping[str, Any], stack_id: str) -> bool:
    """Whether an event tells that the stack itself has come to rest."""
    return event["PhysicalResourceId"] == stack_id and not event["ResourceStatus"].endswith("_IN_PROGRESS")


def _said(error: Exception) -> str:
    return error.message if isinstance(error, AwsError) else str(error) or type(error).__name__


class _Deployment:
    """One run of `deploy`."""

    def __init__(
        self,
        manifest: Manifest,
        globe: Globe,
        progress: Callable[[str], None],
        finished: Callable[[StackResult], None],
    ) -> None:
        self._manifest = manifest
        self._globe = globe
        self._world: World = globe.world(HERE)
        self._progress = progress
        self._finished = finished
        self._account = ""
        self._found: dict[tuple[str, str], Mapping[str, Any]] = {}  # (stack, region) -> what DescribeStacks says
        self._outputs: dict[tuple[str, str], dict[str, str]] = {}
        self._partly_there = False

    async def look(self) -> None:
        """What of the app is deployed already."""
        self._account = (await self._read("sts", "GetCallerIdentity", {}, self._manifest.regions[0]))["Account"]
        wanted = [(stack.name, region) for stack in self._manifest.stacks for region in stack.regions]
        found = await asyncio.gather(*(self._describe(*one) for one in wanted))
        self._found = {place: one for place, one in zip(wanted, found, strict=True) if one is not None}
        self._partly_there = bool(self._found) and len(self._found) < len(wanted)

    async def bring(self, stack: StackPlan, region: str) -> StackResult:
        """One stack in one Region."""
        began = self._world.monotonic()
        try:
            template = stack.template
            for artifact in stack.artifacts:
                template = fill(template, artifact, await self._store(artifact, region))
            result = await self._apply(stack, region, template)
        except (_Failed, AwsError, NetworkError) as error:
            result = StackResult(stack.name, region, "failed", _said(error))
        result = replace(result, took_s=self._world.monotonic() - began)
        self._finished(result)
        return result

    async def _store(self, artifact: Artifact, region: str) -> str:
        """Puts the artifact into the Region's bucket, once; the bucket's name."""
        bucket = f"antipodes-artifacts-{self._account}-{region}"
        object_params = {"Bucket": bucket, "Key": artifact.key}
        try:
            await self._read("s3", "HeadObject", object_params, region)
        except AwsError:
            place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            try:
                await self._globe.call("s3", "CreateBucket", {"Bucket": bucket, **place}, region)
            except AwsError as error:
                if error.code != "BucketAlreadyOwnedByYou":
                    raise
            await self._globe.call("s3", "PutObject", {**object_params, "Body": artifact.archive}, region)
        return bucket

    async def _apply(self, stack: StackPlan, region: str, template: str) -> StackResult:
        params = {
            "StackName": stack.name,
            "TemplateBody": template,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": self._resolved(text, region)}
                for key, text in stack.parameters.items()
            ],
            "Capabilities": list(stack.capabilities),
            "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
        }
        there = self._found.get((stack.name, region))
        if there is not None and there["StackStatus"].endswith("_IN_PROGRESS"):
            there = await self._wait(stack.name, region, there["StackId"], await self._newest(region, there))
        if there is not None and there["StackStatus"] in MUST_GO_FIRST:
            newest = await self._newest(region, there)
            await self._globe.call("cloudformation", "DeleteStack", {"StackName": stack.name}, region)
            gone = await self._wait(stack.name, region, there["StackId"], newest)
            if gone["StackStatus"] != "DELETE_COMPLETE":
                raise _Failed(
                    f"the stack is {gone['StackStatus']} and could not be deleted: {await self._why(gone, region)}"
                )
            there = None
        action = "created" if there is None or there["StackStatus"] == "DELETE_COMPLETE" else "updated"
        if action == "created":
            params["ClientRequestToken"] = self._token(stack.name, region)
            answer = await self._globe.call("cloudformation", "CreateStack", params, region)
            newest = ""
        else:
            assert there is not None
            newest = await self._newest(region, there)
            try:
                answer = await self._globe.call("cloudformation", "UpdateStack", params, region)
            except AwsError as error:
                if error.message != "No updates are to be performed.":
                    raise
                self._keep_outputs(stack.name, region, there)
                return StackResult(stack.name, region, "unchanged", outputs=self._outputs[stack.name, region])
        ended = await self._wait(stack.name, region, str(answer["StackId"]), newest)
        if ended["StackStatus"] not in GOOD:
            raise _Failed(f"{ended['StackStatus']}: {await self._why(ended, region)}")
        self._keep_outputs(stack.name, region, ended)
        return StackResult(stack.name, region, action, outputs=self._outputs[stack.name, region])

    def _token(self, stack: str, region: str) -> str:
        kind = ADOPT if self._partly_there else "antipodes-deploy"
        return f"{kind}-{hashlib.sha256(f'{stack}/{region}'.encode()).hexdigest()[:16]}"

    def _keep_outputs(self, stack: str, region: str, found: Mapping[str, Any]) -> None:
        outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs") or ()}
        self._outputs[stack, region] = outputs

    def _resolved(self, text: str, region: str) -> str:
        def value(name: str) -> str:
            plain = {"region": region, "account": self._account, "name": self._manifest.name}
            if name in plain:
                return plain[name]
            match = OUTPUT.fullmatch(name)
            assert match is not None  # the manifest was checked
            where = match["region"] or region
            if (match["stack"], where) not in self._outputs:
                where = next(place for stack, place in self._outputs if stack == match["stack"])
            outputs = self._outputs[match["stack"], where]
            if match["output"] not in outputs:
                known = ", ".join(outputs) or "none"
                raise _Failed(f"stack {match['stack']} in {where} has no output {match['output']} (it has {known})")
            return outputs[match["output"]]

        return REFERENCE.sub(lambda match: value(match.group(1).strip()), text)

    # Watching a stack

    async def _describe(self, stack: str, region: str) -> Mapping[str, Any] | None:
        try:
            found = await self._read("cloudformation", "DescribeStacks", {"StackName": stack}, region)
        except AwsError as error:
            if error.code == "ValidationError" and "does not exist" in error.message:
                return None
            raise
        return dict(found["Stacks"][0])

    async def _newest(self, region: str, stack: Mapping[str, Any]) -> str:
        """The id of the stack's newest event."""
        found = await self._events(str(stack["StackId"]), region)
        return str(found[0]["EventId"]) if found else ""

    async def _events(self, stack_id: str, region: str) -> list[Mapping[str, Any]]:
        """The newest page, newest first."""
        found = await self._read("cloudformation", "DescribeStackEvents", {"StackName": stack_id}, region)
        return list(found.get("StackEvents") or ())

    async def _wait(self, stack: str, region: str, stack_id: str, last: str) -> Mapping[str, Any]:
        """Tells the events after `last` until the stack has come to rest; what DescribeStacks then says."""
        end = self._world.monotonic() + PATIENCE_S
        while True:
            events = await self._events(stack_id, region)
            last = self._tell(stack, region, events, last)
            # DescribeStacks waits for a stack that is changing, and who watches wants to hear of its events meanwhile.
            late = self._world.monotonic() > end
            if late or not events or _is_rest(events[0], stack_id):
                found = await self._describe(stack_id, region)
                if found is None:
                    raise _Failed("the stack disappeared")
                if not found["StackStatus"].endswith("_IN_PROGRESS"):
                    return found
                if late:
                    raise _Failed(f"still {found['StackStatus']} after {PATIENCE_S:g} seconds")
            await self._world.sleep(POLL_S)

    def _tell(self, stack: str, region: str, events: Sequence[Mapping[str, Any]], last: str) -> str:
        fresh = []
        for event in events:
            if event["EventId"] == last:
                break
            fresh.append(event)
        for event in reversed(fresh):
            reason = event.get("ResourceStatusReason", "")
            told = f" ({reason})" if "FAILED" in event["ResourceStatus"] and reason else ""
            self._progress(f"{region} {stack} {event['LogicalResourceId']} {event['ResourceStatus']}{told}")
        return str(fresh[0]["EventId"]) if fresh else last

    async def _why(self, stack: Mapping[str, Any], region: str) -> str:
        """The reason of the first resource that failed in the last operation."""
        first = ""
        for event in await self._events(str(stack["StackId"]), region):
            if event["ResourceStatus"].endswith("_FAILED") and event["PhysicalResourceId"] != stack["StackId"]:
                first = f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
            if event.get("ResourceStatusReason") == "User Initiated":
                break
        return first or str(stack.get("StackStatusReason", "no reason given"))

    async def _read(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        """A reading call, asked again when the network loses it."""
        for attempt in range(CALL_ATTEMPTS):
            try:
                return await self._globe.call(service, operation, params, region)
            except NetworkError as error:
                if attempt == CALL_ATTEMPTS - 1:
                    raise _Failed(f"{region} cannot be reached ({error}); `antipodes status` tells more") from error
                await self._world.sleep(BETWEEN_CALLS_S)
        raise AssertionError("unreachable: the last attempt raises")
