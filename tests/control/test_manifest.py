"""antipodes.toml, and what it brings along."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from antipodes.globe.artifacts import fill, pack
from antipodes.globe.manifest import ManifestError, load, parse

HEAD = 'name = "app"\nregions = ["us-east-1", "eu-west-1"]\n'
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "globaldb"


def stack(name: str, **keys: str) -> str:
    lines = [f'[[stack]]\nname = "{name}"\ntemplate = "t.yaml"']
    return "\n".join([*lines, *(f"{key} = {value}" for key, value in keys.items())]) + "\n"


def test_stacks_come_in_the_order_of_their_references() -> None:
    text = HEAD + stack("b", parameters='{ X = "${a.Out}-${region}" }') + stack("a", regions='["us-east-1"]')
    manifest = parse(text)
    assert [(one.name, one.regions) for one in manifest.stacks] == [
        ("a", ("us-east-1",)),
        ("b", ("us-east-1", "eu-west-1")),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "Invalid value (at end of document)"),
        ('name = "a"', "m.toml: regions: a list of Regions is needed"),
        (HEAD, "m.toml: at least one [[stack]] is needed"),
        ('name = "a"\nregions = ["mars-1"]', "'mars-1' is no Region"),
        (HEAD + "color = 1\n" + stack("a"), "m.toml: unknown key color"),
        (HEAD + stack("a", colour="1"), "m.toml: stack a: unknown key colour"),
        (HEAD + stack("a_b"), "m.toml: stack a_b: name:"),
        (HEAD + stack("a") + stack("a"), "stack a is there twice"),
        (HEAD + stack("a", regions='["us-west-2"]'), "us-west-2 is not among the app's regions"),
        (HEAD + stack("a", parameters='{ X = "${b.O}" }'), "stack a: parameters: X: ${b.O}: there is no stack b"),
        (HEAD + stack("a", parameters='{ X = "${b}" }'), "not understood"),
        (HEAD + stack("a", parameters='{ X = "${a@us-west-2.O}" }'), "a is not deployed to us-west-2"),
        (HEAD + stack("a", parameters='{ X = "${a.O}" }'), "in a circle: a"),
        (
            HEAD + stack("a", parameters='{ X = "${b.O}" }') + stack("b", parameters='{ X = "${a.O}" }'),
            "in a circle: a, b",
        ),
        (HEAD + stack("a", parameters="{ X = { y = 1 } }"), "parameters: X: a text, a number or a list"),
    ],
)
def test_mistakes_are_named_with_file_stack_and_key(text: str, said: str) -> None:
    with pytest.raises(ManifestError) as raised:
        parse(text, "m.toml")
    assert str(raised.value).startswith("m.toml: ")
    assert said in str(raised.value)


def test_the_same_content_packs_to_the_same_bytes(tmp_path: Path) -> None:
    for name, time in (("one", 1_000_000_000), ("two", 1_500_000_000)):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "app.pyc").write_text(name)
        for file in ("b.py", "a.py", "sub/c.py"):
            (folder / file).write_text(file)
            os.utime(folder / file, (time, time))
    assert pack(tmp_path / "one") == pack(tmp_path / "two")
    with zipfile.ZipFile(io.BytesIO(pack(tmp_path / "one"))) as archive:
        assert archive.namelist() == ["a.py", "b.py", "sub/c.py"]


def test_only_the_path_of_local_code_is_exchanged(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("x")
    template = """# kept
Resources:
  A: {Type: AWS::Serverless::Function, Properties: {CodeUri: ./src, Handler: app.x}} # kept too
  B:
    Type: AWS::Lambda::Function
    Properties:
      Code: src
  C: {Type: AWS::Serverless::Function, Properties: {CodeUri: s3://there/already}}
  D: {Type: AWS::Serverless::Function, Properties: {CodeUri: !Ref Where}}
"""
    (tmp_path / "t.yaml").write_text(template)
    (tmp_path / "antipodes.toml").write_text(HEAD + stack("a"))
    one = load(tmp_path).stacks[0]
    assert [artifact.path for artifact in one.artifacts] == ["./src", "src"]
    text = one.template
    for artifact in one.artifacts:
        text = fill(text, artifact, "bucket")
    key = one.artifacts[0].key
    expected = template.replace("./src", f'"s3://bucket/{key}"').replace(
        "Code: src", f'Code: {{"S3Bucket": "bucket", "S3Key": "{key}"}}'
    )
    assert text == expected


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "template: there is no file"),
        ("a: [", "t.yaml: line "),
        ("Resources: {A: {Type: AWS::Serverless::Function, Properties: {CodeUri: gone/}}}", "gone/: there is no such"),
    ],
)
def test_a_template_that_cannot_be_packed_is_named(tmp_path: Path, template: str | None, said: str) -> None:
    (tmp_path / "antipodes.toml").write_text(HEAD + stack("a"))
    if template is not None:
        (tmp_path / "t.yaml").write_text(template)
    with pytest.raises(ManifestError) as raised:
        load(tmp_path)
    assert said in str(raised.value) and "t.yaml" in str(raised.value)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"antipodes\.toml: there is no such file"):
        load(tmp_path)


def test_the_example_is_a_good_manifest() -> None:
    manifest = load(EXAMPLE)
    assert [one.name for one in manifest.stacks] == [
        "globaldb-zone",
        "globaldb-table",
        "globaldb-service",
        "globaldb-routing",
    ]
