"""What DynamoDB refuses of PartiQL, and in which words."""

from __future__ import annotations

from typing import Any

from antipodes.services.dynamodb.partiql.words import NOT_WELL_FORMED
from tests.dynamodb.conftest import Planet
from tests.dynamodb.partiql.statements import INVALID, Row, Run, execute, filled, message, things

OPERAND = "Incorrect operand type for operator or function; operator or function: "
NESTING = "Nesting Levels have exceeded supported limits"
OPERATOR = "Unsupported operator in Condition Expression. Operator: "
NUMBER = "The parameter cannot be converted to a numeric value"
NEEDS_PATH = "Operator or function requires a document path; operator or function: attribute_exists"
COUNT = (
    "Incorrect number of operands for operator or function; "
    "operator or function: attribute_exists, number of operands: "
)
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"
ONLY_ALL_OLD = "Only RETURNING ALL OLD * is allowed in DELETE statements."
FIRST = "The first argument to {} must equal the assignment value at {}"
SECOND = "The second argument to {} must be a value with type SET at {}"
PARAMETER = "Unsupported data type: Parameter under key"
DUPLICATES = INVALID + "Input collection [a, a] contains duplicates."


SELECT = "SELECT * FROM Things WHERE pk = 'o' AND "
UPDATE = "UPDATE Things SET "
KEY = " WHERE pk = 'o' AND sk = '1'"


def at(text: str, token: str, length: int | None = None, start: int = 0) -> str:
    """The place of a token, as messages show it."""
    return f"1:{text.index(token, start) + 1}:{len(token) if length is None else length}"


# Recorded on AWS (eu-west-2 and others, 2026), by the tests of nubo-db/dynamodb-conformance and of floci.
REFUSED: dict[str, str] = {
    SELECT + "attribute_exists('n')": NEEDS_PATH,
    SELECT + "attribute_exists()": COUNT + "0",
    SELECT + "attribute_exists(n, sk)": COUNT + "2",
    SELECT + "attribute_type(n, 1)": OPERAND + "attribute_type, operand type: N",
    SELECT + "attribute_type(n, true)": OPERAND + "attribute_type, operand type: BOOL",
    SELECT + "attribute_type(n, 'X')": (
        "Invalid attribute type name found; type: X, valid types: {N,BS,L,B,NULL,M,S,SS,NS,BOOL}"
    ),
    SELECT + "n < true": OPERAND + "<, operand type: BOOL",
    SELECT + "n >= [1]": OPERAND + ">=, operand type: L",
    SELECT + "n BETWEEN true AND false": OPERAND + "BETWEEN, operand type: BOOL",
    SELECT + "attribute_exists(n) > false": OPERAND + ">, operand type: BOOL",
    SELECT + "n = 5 + 5": OPERATOR + "+",
    SELECT + "n - 1 = 4": OPERATOR + "-",
    SELECT + "n BETWEEN 1 AND (5 + 5)": OPERATOR + "+",
    SELECT + "n IN (1, 2 + 3)": OPERATOR + "+",
    SELECT + "n > -n": "Incorrect number of operands for operator or function; "
    "operator or function: -, number of operands: 1",
    SELECT + "x.inner = 1": NOT_WELL_FORMED + "Invalid path dot component",
    SELECT + "sk IN ['1', 2]": "Key attribute's data type should match its data type in table's schema: Key sk",
    SELECT + "n IN [" + ", ".join("1" * 101) + "]": (
        "The IN operator is provided with too many operands; number of operands: 101"
    ),
    "SELECT * FROM Things ORDER BY sk": "Must have WHERE clause in the statement when using ORDER BY clause.",
    SELECT + "n = 1 ORDER BY n DESC": "Attribute n in ORDER BY clause must be part of the primary key",
    "SELECT * FROM Things WHERE pk > 'a' ORDER BY sk": (
        "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."
    ),
    "SELECT * FROM Things WHERE pk IN ['o', 'p'] ORDER BY sk": (
        "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."
    ),
    "SELECT id FROM dbimp_page LIMIT 5": "Unsupported clause: LIMIT at 1:33:1",
    "SELECT l[-1] FROM Things": "List index is not within the allowable range; index: [-1] at 1:11:1",
    "SELECT l[2147483648] FROM Things": (
        "List index is not within the allowable range; index: [2147483648] at 1:10:10"
    ),
    'SELECT * FROM "" WHERE pk = 1': "Path component cannot be an empty string",
    'SELECT * FROM "Things".""': "Path component cannot be an empty string",
    'SELECT * FROM "Things"."a"."b"': "A path may contain at most 2 components in the FROM clause",
    'SELECT * FROM "Things"."none"': "The table does not have the specified index",
    'SELECT * FROM "Things"."Things"': "The table does not have the specified index",
    "SELECT * FROM Nothing WHERE pk = 'o'": "ResourceNotFoundException: Requested resource not found",
    "FROM Nothing WHERE pk = 'x' SET c = 1": "ResourceNotFoundException: Requested resource not found",
    "EXISTS(SELECT * FROM Things WHERE pk = 'a')": ("EXISTS can only be used in ExecuteTransaction write requests."),
    "DELETE FROM Things WHERE n = 1": NO_KEY,
    "DELETE FROM Things": NO_KEY,
    "FROM Things SET c = 1": NO_KEY,
    "FROM Things REMOVE a": NO_KEY,
    UPDATE + "a = 1 WHERE pk = 'o'": NO_KEY,
    UPDATE + "a = 1" + KEY + " AND pk = 'p'": (
        "Multiple conditions on same key pk. Only single item Update/Insert/Delete are supported"
    ),
    "DELETE FROM Things" + KEY + " RETURNING MODIFIED OLD *": (
        "Invalid returning clause: RETURNING MODIFIED OLD *. " + ONLY_ALL_OLD
    ),
    "DELETE FROM Things" + KEY + " RETURNING ALL NEW *": (
        "Invalid returning clause: RETURNING ALL NEW *. " + ONLY_ALL_OLD
    ),
    'INSERT INTO "Things"."all" VALUE {\'pk\': 1}': "FROM clause may only contain a single table name",
    'UPDATE "Things"."all" SET p = 1' + KEY: "This operation is not supported on an index",
    'DELETE FROM "Things"."all"' + KEY: "This operation is not supported on an index",
    UPDATE + "s = set_add(s, <<>>)" + KEY: "Empty bags are not supported",
    UPDATE + "s = set_add(s, <<'a', 'a'>>)" + KEY: DUPLICATES,
    UPDATE + "t = set_add(t, <<2, 2.0>>)" + KEY: (
        INVALID + "Input collection [2, 2.0] contains duplicates! under root"
    ),
    UPDATE + "tags = set_add(tags, <<1>>)" + KEY: ("An operand in the update expression has an incorrect data type"),
    UPDATE + "n = list_append(nope, [1])" + KEY: (
        "The provided expression refers to an attribute that does not exist in the item"
    ),
    UPDATE + "nope[0] = 'x'" + KEY: ("The document path provided in the update expression is invalid for update"),
    UPDATE + "n = 'a' + 1" + KEY + " AND nope = 'x'": OPERAND + "+, operand type: S",
    UPDATE + "n = n - null" + KEY: OPERAND + "-, operand type: NULL",
    "INSERT INTO Things VALUE {'pk': 'x', 'sk': '1', 's': <<1, 'a'>>}": (
        "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"
    ),
    "SELECT * FROM Things WHERE pk = 1e126": OVERFLOW + " under root",
    "SELECT * FROM Things WHERE pk = 1e-131": UNDERFLOW + " under root",
    "SELECT * FROM Things WHERE pk = 123456789012345678901234567890123456789": (
        "Attempting to store more than 38 significant digits in a Number under root"
    ),
    "INSERT INTO Things VALUE {'pk': 'x', 'm': {'x': 1e126}}": OVERFLOW + " under root.x",
    "INSERT INTO Things VALUE {'pk': 'x', 'l': [1, 1e126]}": OVERFLOW + " under root[1]",
    UPDATE + "d = " + "{'a':" * 32 + "1" + "}" * 32 + KEY: NESTING + " under root" + ".a" * 32,
    UPDATE + "d = {'a':" + "[" * 31 + "1" + "]" * 31 + "}" + KEY: NESTING + " under root.a" + "[0]" * 31,
}
# The same, with the place of a token in the message.
PLACED: dict[str, tuple[Any, ...]] = {
    "SELECT attribute_exists(n) FROM Things": ("Unexpected path component at {}", "attribute_exists"),
    SELECT + "EXISTS(n)": ("Unrecognized function: exists at {}", "EXISTS"),
    SELECT + "set_add(n, <<'x'>>) = n": ("Unrecognized function: set_add at {}", "set_add"),
    UPDATE + "t = set_add(s, <<'x'>>)" + KEY: (FIRST.format("SET_ADD", "{}"), "set_add"),
    UPDATE + "s = set_add(<<'a'>>, <<'b'>>)" + KEY: (FIRST.format("SET_ADD", "{}"), "set_add"),
    UPDATE + "s = set_delete(s)" + KEY: ("SET_DELETE must have exactly two arguments at {}", "set_delete"),
    UPDATE + "tags = set_add(tags, 'x')" + KEY: (SECOND.format("SET_ADD", "{}"), "tags, 'x'", 4),
    UPDATE + "tags = set_delete(tags, ['x'])" + KEY: (SECOND.format("SET_DELETE", "{}"), "tags, ['x']", 4),
    "INSERT INTO Things VALUE {'pk': 'x', 's': set_add(<<'a'>>, <<'b'>>)}": (
        "Unsupported data type: set_add under key root at {}",
        "set_add",
    ),
}


def test_statements_are_refused_in_these_words_and_change_nothing(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        before = await execute(service, "SELECT * FROM Things")
        wanted = {**REFUSED, **{text: form.format(at(text, *place)) for text, (form, *place) in PLACED.items()}}
        found = {text: await message(service, text) for text in wanted}
        assert found == wanted
        assert await execute(service, "SELECT * FROM Things") == before

    run(story)


def deep(levels: int, leaf: Row) -> Row:
    for _ in range(levels):
        leaf = {"M": {"n": leaf}}
    return leaf


WHERE = SELECT + "x = ?"
TOO_DEEP = NESTING + ": Attributes in the item have nested levels beyond supported limit"
BAD_PARAMETERS: list[tuple[str, list[Row], str]] = [
    ("UPDATE Things SET WHERE", [{"SS": ["a", "a"]}], DUPLICATES),
    (WHERE, [{"NULL": False}], INVALID + "Null attribute value types must have the value of true"),
    (WHERE, [{"SS": []}], INVALID + "An string set  may not be empty"),
    (WHERE, [{"N": "1e99999999999"}], f"{NUMBER}: 1e99999999999"),
    (WHERE, [{"N": "-1e99999999999"}], f"{NUMBER}: -1e99999999999"),
    (WHERE, [{"N": "1e2147483648"}], f"{NUMBER}: 1e2147483648"),
    (WHERE, [{"N": "1e-2147483648"}], f"{NUMBER}: 1e-2147483648"),
    (WHERE, [{"N": "1e2147483647"}], UNDERFLOW),
    (WHERE, [{"N": ""}], NUMBER),
    (WHERE, [{"L": [{"N": "1"}, {"N": "1e99999999999"}]}], f"{NUMBER}: 1e99999999999"),
    (WHERE, [{"NS": ["1", "1e99999999999"]}], f"{NUMBER}: 1e99999999999"),
    (WHERE + " AND y = ?", [deep(40, {"S": "x"}), {"N": "abc"}], TOO_DEEP),
    (WHERE + " AND y = ?", [{"N": "abc"}, deep(40, {"S": "x"})], f"{NUMBER}: abc"),
    (WHERE, [{"M": {"d": deep(40, {"S": "x"}), "bad": {"N": "abc"}}}], TOO_DEEP),
    (WHERE, [{"M": {"bad": {"N": "abc"}, "d": deep(40, {"S": "x"})}}], f"{NUMBER}: abc"),
    (UPDATE + "x = [?]" + KEY, [{"S": "v"}], f"{PARAMETER} root[0] at 1:{len(UPDATE) + 6}:1"),
    (UPDATE + "m = {'k': ?}" + KEY, [{"S": "v"}], f"{PARAMETER} root.k at 1:{len(UPDATE) + 11}:1"),
    (SELECT + "attribute_exists(?)", [{"S": "n"}], NEEDS_PATH),
    ("SELECT * FROM Nothing WHERE pk = 'x' AND val < ?", [{"BOOL": True}], OPERAND + "<, operand type: BOOL"),
]


def test_bad_parameters_are_refused_before_the_statement_is_read(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        for text, parameters, wanted in BAD_PARAMETERS:
            assert await message(service, text, *parameters) == wanted, text

    run(story)


def test_an_item_that_an_update_leaves_too_deep_is_refused(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet)
        await execute(service, "INSERT INTO Things VALUE {'pk': 'o', 'sk': '1', 'm': {}}")
        for levels in (31, 32):
            assert await message(service, UPDATE + "m.deep = ?" + KEY, deep(levels, {"S": "x"})) == NESTING
        assert await execute(service, "SELECT m FROM Things") == [{"m": {"M": {}}}]
        assert await execute(service, UPDATE + "m.deep = ?" + KEY, deep(30, {"S": "x"})) == []

    run(story)


def test_constraints_of_the_request(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        place = "1 validation error detected: Value {} failed to satisfy constraint: Member must have "
        assert await message(service, "SELECT * FROM Things", Limit=0) == (
            place.format("'0' at 'limit'") + "value greater than or equal to 1"
        )
        assert await message(service, "") == place.format("'' at 'statement'") + "length greater than or equal to 1"
        assert "less than or equal to 8192" in await message(service, "SELECT * FROM Things" + " " * 8192)

    run(story)


def test_large_statements_are_refused_quickly(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        compared = "n = 1"
        for _ in range(90):
            compared = f"({compared}) = (n = 1)"
        several = " OR ".join(f"n = {number}" for number in range(400))
        removed = " ".join(f"REMOVE a{number}" for number in range(400))
        for text in (SELECT + compared, SELECT + f"({several})", f"UPDATE Things {removed}{KEY}"):
            assert await message(service, text) == "The statement contains too many operators"
        assert await message(service, "SELECT * FROM Things WHERE " + "NOT " * 500 + "n = 1") == NOT_WELL_FORMED

    run(story)
