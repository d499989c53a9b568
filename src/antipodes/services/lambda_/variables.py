"""The environment variables of an execution environment, as AWS sets them (facts 4.7). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from antipodes.services.lambda_.records import Configuration, invalid

LIMIT_BYTES = 4096  # all names and values of a function together

RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)


def check(variables: Mapping[str, str]) -> None:
    """Raises InvalidParameterValueException for reserved names and for more than 4 KB."""
    reserved = [name for name in variables if name in RESERVED]
    if reserved:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(reserved)}"
        )
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > LIMIT_BYTES:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {size}"
        )


def variables_of(
    name: str,
    configuration: Configuration,
    *,
    region: str,
    endpoint: str,
    runtime_api: str,
    credentials: tuple[str, str, str],
    log_stream: str,
    provisioned: bool = False,
) -> dict[str, str]:
    """All variables of an environment. The function's own cannot hide the reserved ones, but they may change
    AWS_ENDPOINT_URL, LANG and TZ. LAMBDA_TASK_ROOT is the worker door's business: it knows where the code lies."""
    access_key, secret, token = credentials
    return {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_ENDPOINT_URL": endpoint,
        # The planet speaks HTTP to its own functions; dual-stack or FIPS hosts do not exist on it.
        "AWS_EC2_METADATA_DISABLED": "true",
        **configuration.environment,
        "_HANDLER": configuration.handler,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{configuration.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": configuration.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency" if provisioned else "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": configuration.log_group or f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        **_logging(configuration),
    }


def _logging(configuration: Configuration) -> dict[str, str]:
    """What runtimes read to log as the function's LoggingConfig says."""
    if configuration.log_format != "JSON":
        return {"AWS_LAMBDA_LOG_FORMAT": "Text"}
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": configuration.application_level or "INFO"}
