"""`apigatewaymanagementapi`: backends send to connections, look at them and end them, by @connections of a stage.

    POST /{stage}/@connections/{id}      200; 410 GoneException: no such connection (any more), its body without a
    GET                                  message, as SDKs show it; 413: more than 128 KB
    DELETE                               204

Requests are signed for `execute-api`. As a service behind AWS_ENDPOINT_URL (without an API's address, which AWS does
not have) the operations find the connection by its id alone, in the Region that is signed for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from antipodes.services.apigateway import iam
from antipodes.services.apigateway.v2.sockets.connections import Socket, Sockets
from antipodes.services.apigateway.v2.sockets.events import Facts
from antipodes.services.contract import Carried
from antipodes.wire.errors import AccessDenied, AwsError, ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.operation import Operation, Request, Result

MARK = "/@connections/"
MESSAGE_BYTES = 128 * 1024
NORMAL = 1000
JSON = ("Content-Type", "application/json")
VERBS = {"POST": "PostToConnection", "GET": "GetConnection", "DELETE": "DeleteConnection"}


class Management:
    """The service (services.contract.Service), and its face at the address of a stage."""

    name = "apigatewaymanagementapi"
    carried: Carried | None = None

    def __init__(self, sockets: Sockets, region: str, sent: Callable[[Facts], None]) -> None:
        """sent: to be told of each message that went to a client."""
        self._sent = sent
        self._sockets = sockets
        self._region = region
        self.operations: dict[str, Operation] = {
            "PostToConnection": self.post_to_connection,
            "GetConnection": self.get_connection,
            "DeleteConnection": self.delete_connection,
        }

    async def start(self) -> None:
        """Connections come by themselves."""

    async def stop(self) -> None:
        self._sockets.close()

    async def post_to_connection(self, request: Request) -> Result:
        data = bytes(request.params.get("Data") or b"")
        if len(data) > MESSAGE_BYTES:  # the words are from memory
            raise ClientFault("PayloadTooLargeException", "Message too long", status=413)
        try:
            data.decode()
            text = True
        except UnicodeDecodeError:
            text = False  # as a binary message, a guess
        socket = self._found(request)
        if not socket.send(data, text=text):
            raise _gone()
        self._sent(socket.facts)
        return {}

    async def get_connection(self, request: Request) -> Result:
        socket = self._found(request)
        identity = {"SourceIp": socket.facts.source_ip, "UserAgent": socket.facts.user_agent}
        return {"ConnectedAt": socket.facts.connected_at, "Identity": identity, "LastActiveAt": socket.last_active}

    async def delete_connection(self, request: Request) -> Result:
        self._found(request).close(NORMAL, "Connection Closed Normally")
        return {}

    async def respond(
        self, request: HttpRequest, path: str, place: tuple[str, str], verify: iam.Verify
    ) -> HttpResponse:
        """At a stage's address. path: in the stage; place: API and stage, whose connections alone are found here."""
        operation = VERBS.get(request.method)
        try:
            if operation is None or not path.startswith(MARK):
                raise AccessDenied("MissingAuthenticationTokenException", "Missing Authentication Token")
            iam.caller_of(request, verify, self._region)
            params: dict[str, Any] = {"ConnectionId": unquote(path[len(MARK) :]), "Data": request.body}
            socket = self._sockets.open.get(params["ConnectionId"])
            if socket is None or (socket.facts.api_id, socket.facts.stage) != place:
                raise _gone()
            asked = Request(service=self.name, operation=operation, params=params, region=self._region)
            result = await self.operations[operation](asked)
        except AwsError as error:
            body = orjson.dumps({"message": error.message}) if error.message else b"{}"
            return HttpResponse(error.status, (JSON, ("x-amzn-ErrorType", error.code)), body)
        assert isinstance(result, Mapping)
        return HttpResponse(204 if operation == "DeleteConnection" else 200, (JSON,), _body(result))

    def _found(self, request: Request) -> Socket:
        socket = self._sockets.open.get(request.params["ConnectionId"])
        if socket is None:
            raise _gone()
        return socket


def _gone() -> ClientFault:
    return ClientFault("GoneException", "", status=410)


def _body(result: Mapping[str, Any]) -> bytes:
    if not result:
        return b""
    identity = result["Identity"]
    return orjson.dumps(
        {
            "connectedAt": _instant(result["ConnectedAt"]),
            "identity": {"sourceIp": identity["SourceIp"], "userAgent": identity["UserAgent"]},
            "lastActiveAt": _instant(result["LastActiveAt"]),
        }
    )


def _instant(at: float) -> str:
    """ISO 8601, as the model says of both times."""
    milliseconds = int(at * 1000)
    return f"{_seconds(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


def _seconds(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
