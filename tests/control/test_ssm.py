"""Parameter Store."""

from __future__ import annotations

from antipodes.services.contract import Service, Surroundings
from antipodes.services.ssm.service import SSM
from tests.desk import ServiceDesk, run


class Desk(ServiceDesk):
    site = "eu-west-1"

    def made(self, around: Surroundings) -> Service:
        return SSM(around)


def test_a_parameter_keeps_its_versions_also_after_a_crash() -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.ask("PutParameter", Name="/app/url", Value="a", Type="String"))["Version"] == 1
        again = await desk.refused("PutParameter", Name="/app/url", Value="b", Type="String")
        assert again[0] == "ParameterAlreadyExists"
        assert (await desk.ask("PutParameter", Name="/app/url", Value="b", Overwrite=True))["Version"] == 2
        await desk.die()
        newest = (await desk.ask("GetParameter", Name="/app/url"))["Parameter"]
        assert (newest["Value"], newest["Version"]) == ("b", 2)
        assert newest["ARN"] == "arn:aws:ssm:eu-west-1:000000000000:parameter/app/url"
        assert (await desk.ask("GetParameter", Name="/app/url:1"))["Parameter"]["Value"] == "a"
        assert (await desk.ask("GetParameter", Name=newest["ARN"]))["Parameter"]["Value"] == "b"
        assert (await desk.refused("GetParameter", Name="/app/url:3"))[0] == "ParameterVersionNotFound"
        history = await desk.ask("GetParameterHistory", Name="/app/url")
        assert [one["Value"] for one in history["Parameters"]] == ["a", "b"]
        both = await desk.ask("GetParameters", Names=["/app/url", "/none"])
        assert ([one["Name"] for one in both["Parameters"]], both["InvalidParameters"]) == (["/app/url"], ["/none"])

    run(Desk, story)


def test_a_path_has_what_lies_right_below_it_or_all_below() -> None:
    async def story(desk: Desk) -> None:
        for name in ("/a/1", "/a/2", "/a/b/3", "/ab", "plain"):
            await desk.ask("PutParameter", Name=name, Value="v", Type="String")

        async def below(path: str, **more: object) -> list[str]:
            names: list[str] = []
            token: dict[str, str] = {}
            while True:
                page = await desk.ask("GetParametersByPath", Path=path, MaxResults=2, **more, **token)
                names += [one["Name"] for one in page["Parameters"]]
                if "NextToken" not in page:
                    return names
                token = {"NextToken": page["NextToken"]}

        assert await below("/a") == ["/a/1", "/a/2"]
        assert await below("/a", Recursive=True) == ["/a/1", "/a/2", "/a/b/3"]
        assert await below("/") == ["/ab"]
        begins = [{"Key": "Name", "Option": "BeginsWith", "Values": ["pl"]}]
        found = await desk.ask("DescribeParameters", ParameterFilters=begins)
        assert [one["Name"] for one in found["Parameters"]] == ["plain"]
        gone = await desk.ask("DeleteParameters", Names=["/ab", "/none"])
        assert (gone["DeletedParameters"], gone["InvalidParameters"]) == (["/ab"], ["/none"])

    run(Desk, story)


def test_what_parameter_store_refuses_is_refused_and_secrets_by_name() -> None:
    async def story(desk: Desk) -> None:
        for name, value, kind, code in (
            ("/a//b", "v", "String", "ValidationException"),
            ("a/b", "v", "String", "ValidationException"),
            ("/aws/x", "v", "String", "ValidationException"),
            ("/" + "a/" * 15 + "b", "v", "String", "HierarchyLevelLimitExceededException"),
            ("/big", "v" * 4097, "String", "ValidationException"),
            ("/secret", "v", "SecureString", "UnsupportedOperation"),
        ):
            assert (await desk.refused("PutParameter", Name=name, Value=value, Type=kind))[0] == code
        fits = {"Type": "String", "AllowedPattern": r"^\d+$"}
        assert (await desk.refused("PutParameter", Name="/n", Value="x", **fits))[
            0
        ] == "ParameterPatternMismatchException"
        assert (await desk.ask("DescribeParameters"))["Parameters"] == []

    run(Desk, story)
