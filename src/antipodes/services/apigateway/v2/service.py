"""`apigatewayv2`: the operations on HTTP APIs, over a catalogue that shares its domain names with REST APIs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

from antipodes.services.apigateway.checking import checked_by_model
from antipodes.services.apigateway.v2 import apis, authorizers, domains, exporting, integrations, routes, stages, tags
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.sockets import integration_responses, models, responses
from antipodes.services.contract import Carried
from antipodes.wire.operation import Operation, Request, Result

OPERATIONS: Mapping[str, Callable[[HttpCatalogue, Request], Awaitable[Result]]] = MappingProxyType(
    {
        "CreateApi": apis.create_api,
        "UpdateApi": apis.update_api,
        "ImportApi": apis.import_api,
        "ReimportApi": apis.reimport_api,
        "GetApi": apis.get_api,
        "GetApis": apis.get_apis,
        "DeleteApi": apis.delete_api,
        "DeleteCorsConfiguration": apis.delete_cors_configuration,
        "CreateIntegration": integrations.create_integration,
        "UpdateIntegration": integrations.update_integration,
        "GetIntegration": integrations.PART.get,
        "GetIntegrations": integrations.PART.get_all,
        "DeleteIntegration": integrations.PART.delete,
        "CreateRoute": routes.create_route,
        "UpdateRoute": routes.update_route,
        "GetRoute": routes.PART.get,
        "GetRoutes": routes.PART.get_all,
        "DeleteRoute": routes.PART.delete,
        "CreateAuthorizer": authorizers.create_authorizer,
        "UpdateAuthorizer": authorizers.update_authorizer,
        "GetAuthorizer": authorizers.PART.get,
        "GetAuthorizers": authorizers.PART.get_all,
        "DeleteAuthorizer": authorizers.PART.delete,
        "CreateStage": stages.create_stage,
        "UpdateStage": stages.update_stage,
        "GetStage": stages.get_stage,
        "GetStages": stages.get_stages,
        "DeleteStage": stages.delete_stage,
        "DeleteAccessLogSettings": stages.delete_access_log_settings,
        "DeleteRouteSettings": stages.delete_route_settings,
        "CreateDeployment": stages.create_deployment,
        "UpdateDeployment": stages.update_deployment,
        "GetDeployment": stages.get_deployment,
        "GetDeployments": stages.get_deployments,
        "DeleteDeployment": stages.delete_deployment,
        "CreateDomainName": domains.create_domain_name,
        "UpdateDomainName": domains.update_domain_name,
        "GetDomainName": domains.get_domain_name,
        "GetDomainNames": domains.get_domain_names,
        "DeleteDomainName": domains.delete_domain_name,
        "CreateApiMapping": domains.create_api_mapping,
        "UpdateApiMapping": domains.update_api_mapping,
        "GetApiMapping": domains.get_api_mapping,
        "GetApiMappings": domains.get_api_mappings,
        "DeleteApiMapping": domains.delete_api_mapping,
        "CreateRouteResponse": responses.create_route_response,
        "UpdateRouteResponse": responses.update_route_response,
        "GetRouteResponse": responses.get_route_response,
        "GetRouteResponses": responses.get_route_responses,
        "DeleteRouteResponse": responses.delete_route_response,
        "CreateIntegrationResponse": integration_responses.create_integration_response,
        "UpdateIntegrationResponse": integration_responses.update_integration_response,
        "GetIntegrationResponse": integration_responses.get_integration_response,
        "GetIntegrationResponses": integration_responses.get_integration_responses,
        "DeleteIntegrationResponse": integration_responses.delete_integration_response,
        "CreateModel": models.create_model,
        "UpdateModel": models.update_model,
        "GetModel": models.PART.get,
        "GetModels": models.PART.get_all,
        "GetModelTemplate": models.get_model_template,
        "DeleteModel": models.PART.delete,
        "ExportApi": exporting.export_api,
        "GetTags": tags.get_tags,
        "TagResource": tags.tag_resource,
        "UntagResource": tags.untag_resource,
    }
)


class HttpApis:
    """The service (services.contract.Service)."""

    name = "apigatewayv2"
    carried: Carried | None = None

    def __init__(self, catalogue: HttpCatalogue, forget: Callable[[str, str], None]) -> None:
        """forget: of a stage, what its authorizers said."""
        self._catalogue = catalogue
        self._forget = forget
        self.operations: dict[str, Operation] = {
            name: checked_by_model(self.name, partial(operation, catalogue)) for name, operation in OPERATIONS.items()
        }
        self.operations["ResetAuthorizersCache"] = checked_by_model(self.name, self._reset_authorizers_cache)

    async def _reset_authorizers_cache(self, request: Request) -> Result:
        stage = self._catalogue.stage(request.params["ApiId"], request.params["StageName"])
        self._forget(stage.api_id, stage.name)
        return {}

    async def start(self) -> None:
        """The shared catalogue has been loaded by then: API Gateway stands before this in the Region's list."""
        self._catalogue.load()

    async def stop(self) -> None:
        """Nothing runs here."""
