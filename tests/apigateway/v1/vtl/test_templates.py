"""The template language: what it prints, what it refuses, where it stops."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.apigateway.v1.vtl.parser import parsed
from antipodes.services.apigateway.v1.vtl.values import TemplateError, from_json


def printed(template: str, **variables: Any) -> str:
    return parsed(template).render(variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain $ 5.00 # text", "plain $ 5.00 # text"),
        ("$x ${x}b $!x! $x.", "1 1b 1! 1."),
        ("$nobody $!nobody ${nobody.a}", "$nobody  ${nobody.a}"),  # Velocity prints what nobody set
        ("$map.k $map['k'] $map.get('k') $map.none.", "v v v ."),
        ("$list[0] $list.size() $list.get(1)", "a 2 b"),
        (r"\$x \#if \n", r"$x #if \n"),
        ("a ## comment\nb #* more *#c #[[ $x ]]#", "a b c  $x "),
        ("#set($y = $x + 2 * 3)$y", "7"),
        ('#set($y = "got $x")$y', "got 1"),
        ("#set($y = 'got $x')$y", "got $x"),
        ('#set($y = "a""b")$y', 'a"b'),
        ("#set( $map.n = 4 )$map.n", "4"),
        ("#set($y = 7 / 2)$y #set($y = -7 / 2)$y #set($y = 7 % 4)$y #set($y = 1 / 0)[$!y]", "3 -3 3 []"),
        ("#if($x == 1)one#{else}other#end", "one"),
        ("#if($x > 1 || !$map)a#elseif($x >= 1 && $list)b#else c#end", "b"),
        ("#if($x eq 1 and not $nobody)a#end", "a"),
        ("#if($nobody == '')a#end#if('' == $null)b#end#if($x == $null)c#end#if($x != $null)d#end", "abd"),
        ("#if('')a#{else}b#end#if([])a#{else}b#end", "bb"),
        ("#foreach($i in $list)$i$foreach.index#if($foreach.hasNext), #end#end", "a0, b1"),
        ("#foreach($k in $map.keySet())$k=$map.get($k);#end", "k=v;"),
        ("#foreach($e in $map.entrySet())$e.key:$e.value#end", "k:v"),
        ("#foreach($i in [1..4])#if($i == 3)#break#end$i#end", "12"),
        ("a#stop b", "a"),
        ("#macro(pair $a $b)<$a|$b>#end#pair($x 'z')#pair($x, 2)", "<1|z><1|2>"),
        ("$map $list", "{k=v} [a, b]"),
        ("#set($m = {'a': true, 'b': [1, 2.5]})$m", "{a=true, b=[1, 2.5]}"),
        ("#set($l = [])#set($ok = $l.add('q'))$ok $l", "true [q]"),
        ("$text.toUpperCase() $text.replaceAll('a(.)', '$1') $text.split('-').size()", "AB-AC b-c 2"),
        ("$text.substring(1, 3) $text.contains('b') $text.matches('a.*')", "b- true true"),
        ('#set($s = $text.replaceAll("\\\\\'", "\'"))$s', "ab-ac"),
    ],
)
def test_templates_print(text: str, expected: str) -> None:
    assert printed(text, x=1, map={"k": "v"}, list=["a", "b"], text="ab-ac") == expected


def test_a_directive_takes_the_rest_of_its_line_with_it() -> None:
    text = '{\n#foreach($k in $m.keySet())\n  "$k": $m.get($k)#if($foreach.hasNext),#end\n\n#end\n}'
    assert printed(text, m={"a": 1, "b": 2}) == '{\n  "a": 1,\n  "b": 2\n}'


def test_what_came_from_json_prints_lists_as_json_and_maps_as_java() -> None:
    value = from_json({"a": 1, "b": [{"c": "x"}]})
    assert printed("$v $v.b", v=value) == '{a=1, b=[{"c":"x"}]} [{"c":"x"}]'


@pytest.mark.parametrize(
    "text",
    ["#if($x)", "#end", "#set($x)", "#set($x = )", "#set($x = 'a)", "#foreach($x)#end", "#if(1)#else", "#set(1 = 2)"],
)
def test_broken_templates_are_told_with_their_line(text: str) -> None:
    with pytest.raises(TemplateError, match="in line 2"):
        parsed("\n" + text)


@pytest.mark.parametrize(
    "text",
    [
        "$s.format('x')",
        "#set($s.x = 1)",
        "#set($y = 'a' * 3)",
        "#set($y = 'a')#foreach($i in [1..900])#set($y = $y + $y)#end",
        "#foreach($a in [1..900])#foreach($b in [1..900])#end#end",
        "#set($l = [1])#foreach($i in [1..200])#set($l = [$l, $l])#end$l",
        "#set($l = [])#set($x = $l.add($l))$l",
        "#macro(m)#m()#end#m()",
        "#set($r = [1..99999999])",
        "(" * 5000 + "#if(" + "(" * 5000,
        '#set($x = "#set($x = [' * 60,
    ],
)
def test_no_template_reaches_out_or_runs_away(text: str) -> None:
    with pytest.raises(TemplateError):
        printed(text, x={}, s="s")


def test_python_objects_are_out_of_reach() -> None:
    assert printed("$x.__class__ $x.keys $x.__class__.name()", x={"a": 1}) == "  "


TEXT = '#if(|#set(|#end|#else|#foreach(|#macro(|)|(|[|]|{|}|$x|$!{x|.a|==|+|.size()|-|*|/|\'a|"b|$x"|1|..|,|##|\\|\n'
PIECES = st.sampled_from(TEXT.split("|"))


@given(st.lists(PIECES, max_size=12))
def test_any_text_is_a_template_or_a_template_error(pieces: list[str]) -> None:
    try:
        printed(" ".join(pieces), x={"a": [1]})
        printed("".join(pieces), x={"a": [1]})
    except TemplateError:
        pass
