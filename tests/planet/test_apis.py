"""APIs over real TLS: a WebSocket of the websockets library, and HTTP/2 where a client asks for it."""

from __future__ import annotations

import json
import socket
import ssl

import h2.config
import h2.connection
import h2.events
import pytest
from websockets.sync.client import connect

from antipodes.world import geography
from tests.planet.planets import Running, wait_until

pytestmark = [pytest.mark.planet, pytest.mark.timeout(180)]

REGION = "us-west-2"


def dialled(planet: Running, host: str, *protocols: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(planet.data_dir / "ca.pem"))
    context.set_alpn_protocols(list(protocols))
    plain = socket.create_connection((geography.address_of(REGION), planet.planet.https_port), timeout=30)
    return context.wrap_socket(plain, server_hostname=host)


def test_a_websocket_lives_until_its_backend_ends_it(planet: Running) -> None:
    apis, selection = planet.client("apigatewayv2", REGION), "$request.body.action"
    api = apis.create_api(Name="ws", ProtocolType="WEBSOCKET", RouteSelectionExpression=selection)["ApiId"]
    apis.create_stage(ApiId=api, StageName="dev", AutoDeploy=True)
    host = f"{api}.execute-api.{REGION}.amazonaws.com"
    try:
        with dialled(planet, host, "http/1.1") as secured, connect(f"ws://{host}/dev", sock=secured) as client:
            client.send('{"action": "none"}')
            refused = json.loads(client.recv(timeout=30))
            assert refused["message"] == "Forbidden"
            connections = planet.client("apigatewaymanagementapi", REGION)
            connection = refused["connectionId"]
            connections.post_to_connection(ConnectionId=connection, Data=b"hello")
            assert client.recv(timeout=30) == "hello"
            # As a function of another Region does: the API's own name, at that Region's address.
            elsewhere = f"http://{geography.address_of('eu-west-1')}:{planet.planet.port}/dev"
            far = planet.client("apigatewaymanagementapi", REGION, endpoint_url=elsewhere)
            far.meta.events.register("before-sign", lambda request, **_: request.headers.add_header("Host", host))
            far.post_to_connection(ConnectionId=connection, Data=b"from afar")
            assert client.recv(timeout=30) == "from afar"
            connections.delete_connection(ConnectionId=connection)
            wait_until(lambda: client.close_code == 1000 or _read(client), "the close frame")
            with pytest.raises(connections.exceptions.GoneException):
                connections.post_to_connection(ConnectionId=connection, Data=b"x")
    finally:
        apis.delete_api(ApiId=api)


def _read(client: object) -> bool:
    """Reads what there is; false: the frame may still come."""
    from websockets.exceptions import ConnectionClosed

    try:
        client.recv(timeout=0.1)  # type: ignore[attr-defined]
    except (ConnectionClosed, TimeoutError):
        pass
    return False


def test_http2_where_a_client_asks_for_it(planet: Running) -> None:
    apis = planet.client("apigatewayv2", REGION)
    api = apis.create_api(Name="h", ProtocolType="HTTP")["ApiId"]
    host = f"{api}.execute-api.{REGION}.amazonaws.com"
    try:
        with dialled(planet, host, "http/1.1", "h2") as secured:
            assert secured.selected_alpn_protocol() == "h2"
            frames = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
            frames.initiate_connection()
            head = [(":method", "GET"), (":path", "/none"), (":scheme", "https"), (":authority", host)]
            frames.send_headers(1, head, end_stream=True)
            secured.sendall(frames.data_to_send())
            found: dict[str, str] = {}
            body = b""
            while True:
                events = frames.receive_data(secured.recv(65_536))
                for event in events:
                    if isinstance(event, h2.events.ResponseReceived):
                        found = {str(name): str(value) for name, value in event.headers or ()}
                    elif isinstance(event, h2.events.DataReceived):
                        body += event.data or b""
                if any(isinstance(event, h2.events.StreamEnded) for event in events):
                    break
            assert (found[":status"], body) == ("404", b'{"message":"Not Found"}')
    finally:
        apis.delete_api(ApiId=api)
