"""JSON web tokens: what is taken, what is refused and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.apigateway.v2 import tokens
from antipodes.services.apigateway.v2.records import Authorizer
from antipodes.world.geography import address_of
from tests.apigateway.conftest import REGION, Play, Room, host_of
from tests.apigateway.v2.conftest import ECHO, made
from tests.apigateway.v2.issuer import Issuer, jwk, token

NOW = 1_800_000_000.0
ISSUER = Issuer("127.0.0.1", 1)
AUTHORIZER = Authorizer(
    id="i", name="n", sources=("$request.header.Authorization",), issuer=ISSUER.url, audience=("me",)
)
KEYS = tokens.keys_of(json.dumps({"keys": [jwk("k1"), {"kty": "EC", "kid": "k9"}]}).encode())


def judged(text: str, *scopes: str) -> list[str] | None:
    found = tokens.read(text)
    tokens.check_signature(found, KEYS.get(found.key_id))
    return tokens.check_claims(found, AUTHORIZER, scopes, NOW)


def test_a_good_token_passes() -> None:
    assert judged("Bearer " + token(ISSUER.claims(NOW))) is None
    assert judged(token(ISSUER.claims(NOW, aud=None, client_id="me") | {"aud": "me"})) is None
    assert judged(token(ISSUER.claims(NOW, scope="a b")), "c", "b") == ["b"]
    assert judged(token(ISSUER.claims(NOW, scp=["b"])), "b") == ["b"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"iss": "https://other"}, "issuer"),
        ({"aud": "you"}, "does not have a valid audience"),
        ({"aud": "you", "client_id": "me"}, "audience"),
        ({"exp": NOW}, "expired"),
        ({"exp": "soon"}, "exp is not a time"),
        ({"nbf": NOW + 9}, "not valid yet"),
        ({"iat": NOW + 9}, "before it was issued"),
    ],
)
def test_claims_that_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(tokens.Refused, match=words) as refused:
        judged(token(ISSUER.claims(NOW, **more)))
    assert refused.value.status == 401
    assert refused.value.header.startswith('Bearer scope="" error="invalid_token" error_description="')


def test_signatures_that_are_refused() -> None:
    good = token(ISSUER.claims(NOW))
    head, body, signature = good.split(".")
    for bad in ("", "x", "a.b", "a.b.c", f"{head}.{body}.", f"{head}.{body[:-2]}.{signature}", f"{body}.{head}.é"):
        with pytest.raises(tokens.Refused):
            judged(bad)
    for other in (token(ISSUER.claims(NOW), kid="k2"), token(ISSUER.claims(NOW), algorithm="ES256")):
        with pytest.raises(tokens.Refused, match=r"not one of the issuer's|ES256 is invalid"):
            judged(other)


def test_without_a_scope_of_the_route_it_is_403() -> None:
    with pytest.raises(tokens.Refused) as refused:
        judged(token(ISSUER.claims(NOW, scope="x")), "a", "b")
    assert refused.value.status == 403
    assert 'scope="a b" error="insufficient_scope"' in refused.value.header


def test_claims_are_told_as_text() -> None:
    assert tokens.told({"a": 1, "b": ["x", "y"], "c": True, "d": "e"}) == {
        "a": "1",
        "b": "[x y]",
        "c": "true",
        "d": "e",
    }


def test_an_api_asks_the_issuer_and_tells_the_function(play: Play) -> None:
    async def story(room: Room) -> None:
        issuer = Issuer(address_of(REGION), 18099)
        server = await issuer.serve(room.world)
        api = await made(room, await room.function("f", ECHO), "GET /a")
        given = {"Issuer": issuer.url, "Audience": ["me"]}
        authorizer = await room.ask2(
            "CreateAuthorizer", ApiId=api, Name="j", AuthorizerType="JWT", JwtConfiguration=given,
            IdentitySource=["$request.header.Authorization"],
        )  # fmt: skip
        route = (await room.ask2("GetRoutes", ApiId=api))["Items"][0]
        secured = {"AuthorizationType": "JWT", "AuthorizerId": authorizer["AuthorizerId"]}
        await room.ask2("UpdateRoute", ApiId=api, RouteId=route["RouteId"], AuthorizationScopes=["r"], **secured)
        missing = await room.get(host_of(api), "/a")
        assert (missing.status, missing.body) == (401, b'{"message":"Unauthorized"}')
        assert missing.header("www-authenticate") == "Bearer"
        good = token(issuer.claims(room.world.now(), scope="r w"))
        answer = await room.get(host_of(api), "/a", Authorization="Bearer " + good)
        told = json.loads(answer.body)["requestContext"]["authorizer"]["jwt"]
        assert (told["claims"]["sub"], told["claims"]["n"], told["scopes"]) == ("ann", "1", ["r"])
        weak = await room.get(host_of(api), "/a", Authorization=token(issuer.claims(room.world.now())))
        assert (weak.status, weak.body) == (403, b'{"message":"Forbidden"}')
        assert issuer.asked == 2
        server.close()

    play(story)


def test_keys_may_change_and_issuers_be_away(play_once: Play) -> None:
    async def story(room: Room) -> None:
        issuer = Issuer(address_of(REGION), 18099)
        api = await made(room, await room.function("f", ECHO), "GET /a")
        authorizer = await room.ask2(
            "CreateAuthorizer", ApiId=api, Name="j", AuthorizerType="JWT",
            JwtConfiguration={"Issuer": issuer.url, "Audience": ["me"]},
            IdentitySource=["$request.header.Authorization"],
        )  # fmt: skip
        route = (await room.ask2("GetRoutes", ApiId=api))["Items"][0]
        secured = {"AuthorizationType": "JWT", "AuthorizerId": authorizer["AuthorizerId"]}
        await room.ask2("UpdateRoute", ApiId=api, RouteId=route["RouteId"], **secured)

        async def status(kid: str) -> int:
            text = token(issuer.claims(room.world.now()), kid=kid)
            return (await room.get(host_of(api), "/a", Authorization=text)).status

        assert await status("k1") == 401  # nobody tells its keys
        server = await issuer.serve(room.world)
        assert await status("k1") == 200
        issuer.keys.append("k2")
        assert await status("k2") == 401  # it was asked just now
        await room.world.sleep(11.0)
        assert await status("k2") == 200
        server.close()
        await room.world.sleep(3600.0)
        assert await status("k1") == 200
        await room.world.sleep(3600.0)
        assert await status("k1") == 401

    play_once(story)
