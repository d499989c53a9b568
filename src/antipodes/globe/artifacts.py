"""What a template brings along from the disk: code folders, packed into zip archives that depend on their content
only.

As `aws cloudformation package` does: a local path in a property that AWS wants in S3 becomes an object there, named
by its hash. The rest of the template is kept to the letter: only the path itself is exchanged, first for a
placeholder, then (by `deploy`, which knows the bucket) for the object's address.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from antipodes.services.cloudformation.text import SAFE_LOADER, check_events
from antipodes.wire.errors import AwsError

EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment a zip archive can name
JUNK_FOLDERS = (
    "__pycache__",
    ".git",
    ".venv",
    "venv",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".aws-sam",
)
JUNK_FILES = (".DS_Store", ".gitignore")
JUNK_ENDS = (".pyc", ".pyo", ".swp")
MAX_ARCHIVE_BYTES = 50 * 1024 * 1024  # Lambda's limit for an uploaded archive
# resource type -> properties whose local path is packed
SAM_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
PLAIN_CODE = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}


class BadTemplate(ValueError):
    """The template, or what it names, cannot be packed; the text says where."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One packed folder or file."""

    path: str  # as the template names it
    key: str  # of the object in S3: the hash of the archive
    archive: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the text a local path stands, and what kind of address belongs there."""

    start: int
    end: int
    path: str
    kind: str


def read_template(file: Path) -> tuple[str, tuple[Artifact, ...]]:
    """The template's text with placeholders for its local paths, and the archives that belong to them.

    Raises BadTemplate, OSError.
    """
    text = file.read_text(encoding="utf-8")
    found: dict[str, Artifact] = {}
    for place in sorted(_places(text), key=lambda one: -one.start):
        source = file.parent / place.path
        if not source.exists():
            raise BadTemplate(f"{place.path}: there is no such file or folder")
        if place.path not in found:
            archive = source.read_bytes() if source.suffix in (".zip", ".jar") else pack(source)
            if len(archive) > MAX_ARCHIVE_BYTES:
                raise BadTemplate(f"{place.path}: {len(archive)} bytes packed, at most {MAX_ARCHIVE_BYTES}")
            found[place.path] = Artifact(place.path, hashlib.sha256(archive).hexdigest()[:32] + ".zip", archive)
        text = text[: place.start] + placeholder(place.kind, found[place.path].key) + text[place.end :]
    return text, tuple(found[path] for path in sorted(found))


def placeholder(kind: str, key: str) -> str:
    return f"<<antipodes {kind} {key}>>"


def fill(text: str, artifact: Artifact, bucket: str) -> str:
    """The template with the artifact's address in the place of its placeholder."""
    text = text.replace(placeholder("uri", artifact.key), f'"s3://{bucket}/{artifact.key}"')
    # Quoted text and a flow mapping are valid in block and flow YAML and in JSON alike.
    return text.replace(placeholder("code", artifact.key), f'{{"S3Bucket": "{bucket}", "S3Key": "{artifact.key}"}}')


def pack(source: Path) -> bytes:
    """A zip of a folder or one file: sorted entries, fixed times, so that the same content gives the same bytes."""
    files = [source] if source.is_file() else sorted(one for one in source.rglob("*") if one.is_file())
    root = source.parent if source.is_file() else source
    names = [(one.relative_to(root).as_posix(), one) for one in files]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(names):
            if not is_junk(name):
                entry = zipfile.ZipInfo(name, EARLIEST)
                entry.compress_type = zipfile.ZIP_DEFLATED
                runs = path.stat().st_mode & 0o111
                entry.external_attr = (0o755 if runs else 0o644) << 16
                archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def is_junk(name: str) -> bool:
    """What no function needs: caches, repositories, editors' leavings."""
    *folders, file = name.split("/")
    return any(one in JUNK_FOLDERS for one in folders) or file in JUNK_FILES or file.endswith(JUNK_ENDS)


def _places(text: str) -> list[_Place]:
    """Local paths in the template, found in YAML's node tree, which knows where each value stands (JSON is YAML)."""
    try:
        check_events(text)
        root = yaml.compose(text, Loader=SAFE_LOADER)
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, error.problem or "not well-formed"
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise BadTemplate(f"{place}{problem}") from None
    except yaml.YAMLError as error:
        raise BadTemplate(f"not well-formed: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise BadTemplate("nested too deeply") from None
    except AwsError as error:
        raise BadTemplate(error.message) from None
    found = [_place(value, "uri") for value in _globals(root)]
    for resource in _values(_child(root, "Resources")):
        kind = _scalar(_child(resource, "Type"))
        properties = _child(resource, "Properties")
        if kind in SAM_CODE:
            found.append(_place(_child(properties, SAM_CODE[kind]), "uri"))
        elif kind in PLAIN_CODE:
            found.append(_place(_child(properties, PLAIN_CODE[kind]), "code"))
    return [one for one in found if one is not None]


def _globals(root: Any) -> list[Any]:
    return [_child(_child(_child(root, "Globals"), "Function"), "CodeUri")]


def _place(node: Any, kind: str) -> _Place | None:
    """A plain text that is no address of S3 and no short form names something here."""
    if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:str":
        return None
    if node.value.startswith(("s3://", "https://", "http://")):
        return None
    return _Place(node.start_mark.index, node.end_mark.index, node.value, kind)


def _child(node: Any, name: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == name:
                return value
    return None


def _values(node: Any) -> list[Any]:
    return [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else []


def _scalar(node: Any) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""
