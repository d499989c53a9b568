"""The resource types that antipodes carries out. A new type is a file in `resources/` and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from antipodes.services.cloudformation.handler import Handler
from antipodes.services.cloudformation.resources import (
    apigateway_domain,
    apigateway_guards,
    apigateway_method,
    apigateway_restapi,
    apigateway_stage,
    apigateway_usage,
    apigatewayv2_api,
    apigatewayv2_domain,
    apigatewayv2_route,
    apigatewayv2_stage,
    cdk_metadata,
    certificatemanager_certificate,
    cloudwatch_alarm,
    dynamodb_globaltable,
    dynamodb_table,
    iam_policy,
    iam_role,
    lambda_alias,
    lambda_eventinvokeconfig,
    lambda_eventsourcemapping,
    lambda_function,
    lambda_layerversion,
    lambda_permission,
    lambda_url,
    lambda_version,
    logs_loggroup,
    route53_cidrcollection,
    route53_dnssec,
    route53_healthcheck,
    route53_hostedzone,
    route53_recordset,
    route53recoverycontrol,
    s3_bucket,
)

HANDLERS: Mapping[str, Handler] = {
    handler.type: handler
    for module in (
        apigateway_domain,
        apigateway_guards,
        apigateway_method,
        apigateway_restapi,
        apigateway_stage,
        apigateway_usage,
        apigatewayv2_api,
        apigatewayv2_domain,
        apigatewayv2_route,
        apigatewayv2_stage,
        cdk_metadata,
        certificatemanager_certificate,
        cloudwatch_alarm,
        dynamodb_globaltable,
        dynamodb_table,
        iam_policy,
        iam_role,
        lambda_alias,
        lambda_eventinvokeconfig,
        lambda_eventsourcemapping,
        lambda_function,
        lambda_layerversion,
        lambda_permission,
        lambda_url,
        lambda_version,
        logs_loggroup,
        route53_cidrcollection,
        route53_dnssec,
        route53_healthcheck,
        route53_hostedzone,
        route53_recordset,
        route53recoverycontrol,
        s3_bucket,
    )
    for handler in module.HANDLERS
}
