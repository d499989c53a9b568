"""Amazon API Gateway in one Region: the control plane's operations and the data plane over one catalogue.

HTTP APIs are a service of their own to clients (`apigatewayv2`); behind the door they share hosts and domain names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

from antipodes.services.apigateway.checking import checked_by_model
from antipodes.services.apigateway.iam import Verify
from antipodes.services.apigateway.v1 import (
    apis,
    authorizers,
    client_certificates,
    documentation,
    domains,
    dresses,
    exporting,
    importing,
    key_files,
    keys,
    methods,
    models,
    resources,
    stages,
    tags,
    usage_plans,
)
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.dataplane import DataPlane
from antipodes.services.apigateway.v1.trials import Trials
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.dataplane import HttpDataPlane
from antipodes.services.apigateway.v2.places import Places
from antipodes.services.apigateway.v2.records import WEBSOCKET
from antipodes.services.apigateway.v2.service import HttpApis
from antipodes.services.apigateway.v2.sockets.plane import WebSocketPlane
from antipodes.services.contract import Carried, Surroundings
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.operation import Operation, Request, Result

OPERATIONS: Mapping[str, Callable[[Catalogue, Request], Awaitable[Result]]] = MappingProxyType(
    {
        "CreateRestApi": apis.APIS.create,
        "ImportRestApi": importing.import_rest_api,
        "PutRestApi": importing.put_rest_api,
        "GetExport": exporting.get_export,
        "CreateDocumentationPart": documentation.PARTS.create,
        "GetDocumentationPart": documentation.PARTS.get,
        "GetDocumentationParts": documentation.get_documentation_parts,
        "UpdateDocumentationPart": documentation.PARTS.update,
        "DeleteDocumentationPart": documentation.PARTS.delete,
        "ImportDocumentationParts": documentation.import_documentation_parts,
        "CreateDocumentationVersion": documentation.create_documentation_version,
        "GetDocumentationVersion": documentation.VERSIONS.get,
        "GetDocumentationVersions": documentation.VERSIONS.get_all,
        "UpdateDocumentationVersion": documentation.VERSIONS.update,
        "DeleteDocumentationVersion": documentation.VERSIONS.delete,
        "UpdateRestApi": apis.APIS.update,
        "GetRestApi": apis.APIS.get,
        "GetRestApis": apis.APIS.get_all,
        "DeleteRestApi": apis.APIS.delete,
        "GetAccount": apis.ACCOUNT.get,
        "UpdateAccount": apis.ACCOUNT.update,
        "CreateResource": resources.RESOURCES.create,
        "GetResource": resources.get_resource,
        "GetResources": resources.get_resources,
        "DeleteResource": resources.delete_resource,
        "PutMethod": methods.METHODS.create,
        "GetMethod": methods.METHODS.get,
        "DeleteMethod": methods.METHODS.delete,
        "PutMethodResponse": methods.METHOD_RESPONSES.create,
        "PutIntegration": methods.INTEGRATIONS.create,
        "GetIntegration": methods.INTEGRATIONS.get,
        "DeleteIntegration": methods.INTEGRATIONS.delete,
        "PutIntegrationResponse": methods.INTEGRATION_RESPONSES.create,
        "CreateModel": models.MODELS.create,
        "GetModel": models.MODELS.get,
        "GetModels": models.MODELS.get_all,
        "GetModelTemplate": models.get_model_template,
        "UpdateModel": models.MODELS.update,
        "DeleteModel": models.MODELS.delete,
        "CreateRequestValidator": models.VALIDATORS.create,
        "GetRequestValidator": models.VALIDATORS.get,
        "GetRequestValidators": models.VALIDATORS.get_all,
        "UpdateRequestValidator": models.VALIDATORS.update,
        "DeleteRequestValidator": models.VALIDATORS.delete,
        "PutGatewayResponse": dresses.DRESSES.create,
        "GetGatewayResponse": dresses.get_gateway_response,
        "GetGatewayResponses": dresses.get_gateway_responses,
        "UpdateGatewayResponse": dresses.update_gateway_response,
        "DeleteGatewayResponse": dresses.DRESSES.delete,
        "CreateAuthorizer": authorizers.AUTHORIZERS.create,
        "GetAuthorizer": authorizers.AUTHORIZERS.get,
        "GetAuthorizers": authorizers.AUTHORIZERS.get_all,
        "UpdateAuthorizer": authorizers.AUTHORIZERS.update,
        "DeleteAuthorizer": authorizers.AUTHORIZERS.delete,
        "CreateApiKey": keys.create_api_key,
        "GetApiKey": keys.get_api_key,
        "GetApiKeys": keys.get_api_keys,
        "UpdateApiKey": keys.KEYS.update,
        "DeleteApiKey": keys.KEYS.delete,
        "CreateUsagePlan": usage_plans.PLANS.create,
        "GetUsagePlan": usage_plans.PLANS.get,
        "GetUsagePlans": usage_plans.PLANS.get_all,
        "UpdateUsagePlan": usage_plans.PLANS.update,
        "DeleteUsagePlan": usage_plans.PLANS.delete,
        "CreateUsagePlanKey": usage_plans.create_usage_plan_key,
        "GetUsagePlanKey": usage_plans.get_usage_plan_key,
        "GetUsagePlanKeys": usage_plans.get_usage_plan_keys,
        "DeleteUsagePlanKey": usage_plans.delete_usage_plan_key,
        "GetUsage": usage_plans.get_usage,
        "UpdateUsage": usage_plans.update_usage,
        "ImportApiKeys": key_files.import_api_keys,
        "UpdateResource": resources.update_resource,
        "UpdateMethod": methods.METHODS.update,
        "UpdateIntegration": methods.INTEGRATIONS.update,
        "GetIntegrationResponse": methods.INTEGRATION_RESPONSES.get,
        "UpdateIntegrationResponse": methods.INTEGRATION_RESPONSES.update,
        "DeleteIntegrationResponse": methods.INTEGRATION_RESPONSES.delete,
        "GetMethodResponse": methods.METHOD_RESPONSES.get,
        "UpdateMethodResponse": methods.METHOD_RESPONSES.update,
        "DeleteMethodResponse": methods.METHOD_RESPONSES.delete,
        "GenerateClientCertificate": client_certificates.CERTIFICATES.create,
        "GetClientCertificate": client_certificates.CERTIFICATES.get,
        "GetClientCertificates": client_certificates.CERTIFICATES.get_all,
        "UpdateClientCertificate": client_certificates.CERTIFICATES.update,
        "DeleteClientCertificate": client_certificates.CERTIFICATES.delete,
        "TagResource": tags.tag_resource,
        "UntagResource": tags.untag_resource,
        "GetTags": tags.get_tags,
        "UpdateDomainName": domains.update_domain_name,
        "CreateDeployment": stages.create_deployment,
        "GetDeployment": stages.DEPLOYMENTS.get,
        "GetDeployments": stages.DEPLOYMENTS.get_all,
        "UpdateDeployment": stages.DEPLOYMENTS.update,
        "DeleteDeployment": stages.DEPLOYMENTS.delete,
        "CreateStage": stages.STAGES.create,
        "UpdateStage": stages.update_stage,
        "GetStage": stages.STAGES.get,
        "GetStages": stages.get_stages,
        "DeleteStage": stages.STAGES.delete,
        "FlushStageCache": stages.flush_stage_cache,
        "CreateDomainName": domains.create_domain_name,
        "GetDomainName": domains.get_domain_name,
        "GetDomainNames": domains.get_domain_names,
        "DeleteDomainName": domains.DOMAINS.delete,
        "CreateBasePathMapping": domains.MAPPINGS.create,
        "GetBasePathMapping": domains.MAPPINGS.get,
        "GetBasePathMappings": domains.MAPPINGS.get_all,
        "UpdateBasePathMapping": domains.MAPPINGS.update,
        "DeleteBasePathMapping": domains.MAPPINGS.delete,
    }
)


class ApiGateway:
    """The service (services.contract.Service), and the HTTP face of the APIs."""

    name = "apigateway"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._catalogue = Catalogue(surroundings)
        self._data_plane = DataPlane(self._catalogue)
        http = HttpCatalogue(self._catalogue)
        self._places = Places(http)
        self._http_plane = HttpDataPlane(http, self._places)
        self._socket_plane = WebSocketPlane(http, self._places, self._http_plane.gatekeeper)
        self.connections = self._socket_plane.management
        self.http_apis = HttpApis(http, self._http_plane.gatekeeper.forget)
        self.operations: dict[str, Operation] = {
            name: checked_by_model(self.name, partial(operation, self._catalogue))
            for name, operation in OPERATIONS.items()
        }
        trials = Trials(self._catalogue, self._data_plane)
        for name, operation in (
            ("TestInvokeMethod", trials.test_invoke_method),
            ("TestInvokeAuthorizer", trials.test_invoke_authorizer),
            ("FlushStageAuthorizersCache", self._flush_stage_authorizers_cache),
        ):
            self.operations[name] = checked_by_model(self.name, operation)

    async def _flush_stage_authorizers_cache(self, request: Request) -> Result:
        stage = self._catalogue.stage(request.params["restApiId"], request.params["stageName"])
        self._data_plane.guards.forget(stage.api_id, stage.name)
        return {}

    async def start(self) -> None:
        self._catalogue.load()

    async def stop(self) -> None:
        """Hands over what was counted and logged."""
        await self._catalogue.meter.flush()
        await self._catalogue.access_logs.flush()
        await self._catalogue.keyring.flush()

    def owns_host(self, host: str) -> bool:
        """Whether requests for this Host (lower case, no port) are API calls: execute-api names, custom domains."""
        return self._data_plane.owns_host(host)

    async def respond(self, request: HttpRequest, verify: Verify) -> HttpResponse:
        """Answers an API call. verify: of a signature, where a route wants one. Never raises for what a client or a
        function can do."""
        led = self._places.led(request)
        if led is not None:
            if led.api.protocol == WEBSOCKET:
                return await self._socket_plane.respond(request, led, verify)
            return await self._http_plane.respond(request, led, verify)
        return await self._data_plane.respond(request, verify)

    def trusted_for(self, name: str | None) -> bytes | None:
        """Who may sign the certificates of clients of a custom domain; None: they are asked for none."""
        domain = self._catalogue.domains.get((name or "").lower())
        return None if domain is None or domain.truststore is None else domain.truststore.pem

    def custom_domains(self) -> Mapping[str, str]:
        """Custom domain name -> ARN of its certificate: what the TLS listener of this Region serves."""
        return {domain.name: domain.certificate_arn for domain in self._catalogue.domains.values()}
