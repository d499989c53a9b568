"""What Lambda keeps: a function, its configurations, aliases, policy; names and ARNs. Pure values.

In the store: `lambda/function/<name>` holds a Function (the unpublished configuration, aliases, policy, tags),
`lambda/version/<name>/<number>` an immutable Configuration, `lambda/layer/<name>/<number>` a LayerVersion,
`lambda/layers/<name>` the newest number of a layer, `lambda/code/<sha256 in hex>` a zip archive, shared by all
configurations and layer versions that name it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from antipodes.wire.cors import Cors
from antipodes.wire.errors import ClientFault

T = TypeVar("T")
LATEST = "$LATEST"
PAGE = 50  # functions, versions, aliases ... in one answer
FORMAT = 1  # of the records in the store
FOLDER_BUCKET = (
    "antipodes-folder"  # Code.S3Bucket that means: Code.S3Key is the absolute path of a folder, used in place
)

FUNCTION_PREFIX = b"lambda/function/"
VERSION_PREFIX = b"lambda/version/"
CODE_PREFIX = b"lambda/code/"
LAYER_PREFIX = b"lambda/layer/"
LAYERS_PREFIX = b"lambda/layers/"


class LayerUse(msgspec.Struct, frozen=True):
    """A layer version as a configuration uses it: it stays whole when the layer version is deleted."""

    arn: str
    code_key: str
    code_size: int
    unpacked_bytes: int


class Configuration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One configuration of a function with its code: $LATEST or a published version."""

    version: str = LATEST
    runtime: str
    handler: str
    role: str
    code_sha256: str  # base64, as AWS shows it; of the folder's path where there is a folder
    code_key: str = ""  # hex: the archive's key in the store; "" where there is a folder
    code_size: int = 0  # bytes
    unpacked_bytes: int = 0  # what the archive says; 0: a folder, or not looked at yet
    folder: str = ""
    layers: tuple[LayerUse, ...] = ()
    description: str = ""
    timeout_s: int = 3
    memory_mb: int = 128
    environment: dict[str, str] = {}
    architectures: tuple[str, ...] = ("x86_64",)
    ephemeral_mb: int = 512
    tracing: str = "PassThrough"
    log_format: str = "Text"
    log_group: str = ""  # "": /aws/lambda/<function>
    application_level: str = ""  # of what the function logs; "" in Text format
    system_level: str = ""  # of what the platform logs
    last_modified: float = 0.0  # epoch seconds
    revision: str = ""
    state: str = "Pending"
    update_status: str = "Successful"


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A name for a version, or for two of them."""

    name: str
    version: str
    description: str = ""
    revision: str = ""
    weights: dict[str, float] = {}  # another version -> the share of invocations that it gets


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a function's resource policy."""

    sid: str
    action: str
    principal: str
    source_arn: str = ""
    source_account: str = ""
    qualifier: str = ""  # version or alias it was added for; "" for the function
    url_auth: str = ""  # holds for function URLs of this AuthType alone
    via_url: bool = False  # holds for calls through a function URL alone


class EventInvokeConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How asynchronous invocations of one qualifier are retried, and which functions or bucket (ARNs) are told of their
    end."""

    retries: int = 2
    age_s: int = 21_600
    on_success: str = ""
    on_failure: str = ""
    changed: float = 0.0  # epoch seconds


class Provisioned(msgspec.Struct, frozen=True):
    """Provisioned concurrency of one version or alias."""

    wanted: int
    changed: float  # epoch seconds


class LayerStatement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a layer version's policy."""

    sid: str
    action: str
    principal: str
    organization: str = ""


class LayerVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a layer."""

    name: str
    version: int
    code_key: str
    code_sha256: str  # base64
    code_size: int
    unpacked_bytes: int
    description: str = ""
    license: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    created: float = 0.0  # epoch seconds
    policy: tuple[LayerStatement, ...] = ()
    policy_revision: str = ""


class FunctionUrl(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The HTTP address of a function, or of an alias."""

    id: str  # the first part of its host name
    auth: str  # NONE, AWS_IAM
    cors: Cors | None = None
    created: float = 0.0  # epoch seconds
    updated: float = 0.0
    mode: str = "BUFFERED"  # or RESPONSE_STREAM


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function with everything that is not a published version."""

    format: int = FORMAT
    name: str
    latest: Configuration
    versions: int = 0  # the newest published number
    aliases: dict[str, Alias] = {}
    policy: tuple[Statement, ...] = ()
    policy_revision: str = ""
    reserved: int | None = None  # reserved concurrency
    tags: dict[str, str] = {}
    event_invoke: dict[str, EventInvokeConfig] = {}  # by qualifier, $LATEST included
    urls: dict[str, FunctionUrl] = {}  # by alias; "" for the function
    provisioned: dict[str, Provisioned] = {}  # by version or alias
    recursion: str = "Terminate"  # of circles of invocations, or "Allow"


# A name, a partial ARN (account:function:name) or a whole ARN, each perhaps with a qualifier.
_REFERENCE = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


class Reference(msgspec.Struct, frozen=True):
    """What a FunctionName parameter names."""

    name: str
    qualifier: str | None = None
    region: str | None = None
    account: str | None = None


@lru_cache(maxsize=512)
def reference_of(text: str, qualifier: str | None = None) -> Reference:
    """Parses FunctionName (and Qualifier). Raises ValidationException, InvalidParameterValueException."""
    match = _REFERENCE.fullmatch(text)
    if match is None or len(match["name"]) > 64:
        raise ClientFault(
            "ValidationException",
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?"
            "(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
        )
    inner = match["qualifier"]
    if inner and qualifier and inner != qualifier:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    return Reference(match["name"], qualifier or inner, match["region"], match["account"])


def function_arn(region: str, account: str, name: str, qualifier: str | None = None) -> str:
    arn = f"arn:aws:lambda:{region}:{account}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def invalid(message: str) -> ClientFault:
    """Lambda's error for a parameter it cannot take."""
    return ClientFault("InvalidParameterValueException", message, Type="User")


def not_found(arn: str, what: str = "Function") -> ClientFault:
    return ClientFault("ResourceNotFoundException", f"{what} not found: {arn}", status=404, Type="User")


def conflict(message: str) -> ClientFault:
    return ClientFault("ResourceConflictException", message, status=409, Type="User")


def version_key(name: str, version: str) -> bytes:
    """Zero-padded, so that key order is the order of publication."""
    return VERSION_PREFIX + f"{name}/{int(version):010d}".encode()


def timestamp(seconds: float) -> str:
    """`2026-01-31T12:00:00.000+0000`, Lambda's own form."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}+0000"


def layer_arn(region: str, account: str, name: str, version: int | None = None) -> str:
    arn = f"arn:aws:lambda:{region}:{account}:layer:{name}"
    return f"{arn}:{version}" if version is not None else arn


def layer_key(name: str, version: int) -> bytes:
    return LAYER_PREFIX + f"{name}/{version:010d}".encode()


def page(every: Sequence[T], key: Callable[[T], str], params: Mapping[str, Any]) -> tuple[list[T], dict[str, str]]:
    """One page of a list whose keys rise, after Marker and of MaxItems at most; and {"NextMarker"} if more follows."""
    marker, limit = params.get("Marker") or "", min(int(params.get("MaxItems") or PAGE), PAGE)
    rest = [one for one in every if key(one) > marker]
    return rest[:limit], {"NextMarker": key(rest[limit - 1])} if len(rest) > limit else {}


def members(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The named members that are there and not None."""
    return {name: mapping[name] for name in names if mapping.get(name) is not None}
