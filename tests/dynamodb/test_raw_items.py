"""The two readers of raw items: what the compiled one accepts is what its twin in Python makes of it."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antipodes.services.dynamodb import raw_items
from antipodes.services.dynamodb.raw_items import KeyNames, read_item_by_decoding

compiled = pytest.mark.skipif(not raw_items.COMPILED, reason="no C compiler was there at installation")
NAMES: KeyNames = ("pk", "S", None, None)
BOTH: KeyNames = ("pk", "S", "sk", "N")
KEY = '"pk":{"S":"a"}'

words = st.text(st.sampled_from('aZ0 é€😀"\\/\n\t\x7f\x1f'), max_size=6)
numbers = st.one_of(
    st.sampled_from(
        ["0", "-0", "1.0", "1.50", "01", ".5", "-.5", "1.", "", "-", "1e5", "+1", "0.05", "100.5", "1" * 39]
    ),
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", fullmatch=True),
)
binaries = st.one_of(
    st.sampled_from(["QQ==", "QR==", "QUI=", "QUJ=", "QUJD", "QQ", "Q===", "=", "QU JD", "QQ=A"]), words
)
leaves = st.one_of(
    words.map(lambda text: {"S": text}),
    numbers.map(lambda text: {"N": text}),
    binaries.map(lambda text: {"B": text}),
    st.sampled_from([{"BOOL": True}, {"BOOL": "true"}, {"NULL": True}, {"NULL": False}, {}, {"X": 1}, {"S": 1}, 7]),
    st.lists(words, max_size=3).map(lambda found: {"SS": found}),
    st.lists(numbers, max_size=2).map(lambda found: {"NS": found}),
    st.just({"S": "two", "N": "1"}),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda found: {"L": found}),
        st.dictionaries(words, inner, max_size=3).map(lambda found: {"M": found}),
    ),
    max_leaves=5,
)
keys = st.builds(lambda pk, sk: {"pk": {"S": pk}, "sk": {"N": sk}}, words, numbers)
items = st.builds(lambda key, more: {**key, **more}, keys, st.dictionaries(words, values, max_size=4))


def agree(raw: bytes, names: KeyNames) -> bool:
    """Whether the compiled reader accepts it; then its twin must say the same."""
    found = raw_items.read_item_in_one_pass(raw, names)
    assert found is None or found == read_item_by_decoding(raw, names)
    return found is not None


@compiled
@settings(max_examples=400)
@given(items, st.sampled_from([NAMES, BOTH]), st.sampled_from(["compact", "spaced", "ascii"]))
def test_readers_agree(item: dict[str, Any], names: KeyNames, style: str) -> None:
    texts = {
        "compact": lambda: orjson.dumps(item),
        "spaced": lambda: json.dumps(item, ensure_ascii=False, indent=1).encode(),
        "ascii": lambda: json.dumps(item).encode(),
    }
    agree(texts[style](), names)


@compiled
@settings(max_examples=300)
@given(items, st.integers(0, 200), st.sampled_from([b"", b'"', b"\\", b"\xff", b"\xe2\x82", b"{", b",", b" ", b"\x00"]))
def test_damaged_items_are_refused_or_read_alike(item: dict[str, Any], at: int, damage: bytes) -> None:
    raw = orjson.dumps(item)
    at %= len(raw)
    agree(raw[:at] + damage + raw[at + 1 :], BOTH)
    agree(raw[:at], BOTH)


@compiled
def test_what_clients_send_is_accepted() -> None:
    item = {
        "pk": {"S": "é"},
        "sk": {"N": "-12.05"},
        "flags": {"L": [{"BOOL": True}, {"NULL": True}, {"L": []}, {"M": {}}]},
        "tags": {"SS": ["a", "b"]},
        "blob": {"B": "QUI="},
        "text": {"S": 'quoted "words"\n é€😀'},
    }
    for raw in (orjson.dumps(item), json.dumps(item).encode(), json.dumps(item, ensure_ascii=False).encode()):
        assert agree(raw, BOTH)
        found = raw_items.read_item_in_one_pass(raw, BOTH)
        assert found is not None
        assert found[0] == orjson.dumps(item)
        assert found[2:] == (6, "é", "-12.05")


@compiled
@pytest.mark.parametrize(
    "member",
    [
        '"a":{"S":"1"},"a":{"S":"2"}',
        '"a":{"SS":["b","a"]}',
        '"a":{"SS":["a","a"]}',
        '"a":{"N":"1.0"}',
        '"a":{"N":"-0"}',
        '"a":{"B":"QR=="}',
        '"a":{"S":"\\u000a"}',
        '"a":{"S":"\\u0022"}',
        '"a":{"S":"\\ud83d"}',
        '"a":{"S":"\\ud83d\\u0041"}',
        '"a":{"S":"\\ude00"}',
        '"a":{"S":"\\u00g9"}',
        '"a":{"S":"1"} , ',
        '"":{"S":"1"}',
        '"a":{"NULL":false}',
        '"a":{"S":"1","N":"1"}',
    ],
)
def test_what_is_not_plain_is_left_alone(member: str) -> None:
    assert raw_items.read_item_in_one_pass(f"{{{KEY},{member}}}".encode(), NAMES) is None


def test_what_the_compiled_reader_leaves_alone_is_decoded() -> None:
    found = raw_items.read_item(f'{{{KEY},"a":{{"N":"1.50"}},"b":{{"NS":["2","1"]}}}}'.encode(), NAMES)
    assert found is not None
    assert found[0] == f'{{{KEY},"a":{{"N":"1.5"}},"b":{{"NS":["1","2"]}}}}'.encode()
    assert raw_items.read_item(b'{"a":{"N":"1"}}', NAMES) is None
    assert raw_items.read_item(b'{"pk":{"S":1}}', NAMES) is None


@compiled
def test_nesting_ends_where_dynamodb_ends_it() -> None:
    for depth, wanted in ((32, True), (33, False)):
        nested = '{"L":[' * depth + '{"S":""}' + "]}" * depth
        assert agree(f'{{{KEY},"a":{nested}}}'.encode(), NAMES) is wanted
        nested = '{"M":{"a":' * depth + '{"S":""}' + "}}" * depth
        assert agree(f'{{{KEY},"a":{nested}}}'.encode(), NAMES) is wanted


@compiled
def test_maps_of_many_members_are_left_to_the_twin() -> None:
    for members, wanted in ((64, True), (65, False)):
        item = {"pk": {"S": "a"}} | {f"a{n}": {"N": "1"} for n in range(members - 1)}
        assert agree(orjson.dumps(item), NAMES) is wanted


@compiled
def test_a_wrong_call_is_refused() -> None:
    with pytest.raises(TypeError):
        raw_items.read_item_in_one_pass(b"{}", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        raw_items.read_item_in_one_pass("{}", NAMES)  # type: ignore[arg-type]
