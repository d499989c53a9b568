"""The parser of PartiQL statements. Pure.

    statement  = select | insert | update | delete | from-first | EXISTS "(" select ")"      [ ";" ]
    select     = SELECT ( "*" | expr {, expr} ) FROM path [ WHERE expr ] [ ORDER BY expr [ASC|DESC] {, ...} ]
    insert     = INSERT INTO path VALUE expr [ returning ]
    update     = UPDATE path { SET path "=" expr {, ...} | REMOVE path } [ WHERE expr ] [ returning ]
    from-first = FROM path [ WHERE expr ] { SET ... | REMOVE path } [ returning ]
    delete     = DELETE FROM path [ WHERE expr ] [ returning ]
    returning  = RETURNING (ALL|MODIFIED) (OLD|NEW) "*"

What it decides: whether a statement is well formed, and the words in which DynamoDB says that it is not. Those come
from its parser, which reads any PartiQL and stops at the first token that does not fit: a left-over token is seen only
after all before it made sense. What a well-formed statement means, and whether DynamoDB does it, it refuses to know.
"""

from __future__ import annotations

from antipodes.services.dynamodb.partiql.expression_parser import ExpressionParser
from antipodes.services.dynamodb.partiql.lexer import tokens
from antipodes.services.dynamodb.partiql.syntax import (
    Call,
    Delete,
    Exists,
    Expr,
    Insert,
    Name,
    Order,
    Parameter,
    Remove,
    Returning,
    Scalar,
    Select,
    Sequence,
    SetTo,
    Source,
    Statement,
    TypeTest,
    Update,
)
from antipodes.services.dynamodb.partiql.words import malformed
from antipodes.wire.errors import ValidationException

ALIASING = "Aliasing is not supported"
_SELECT = 6  # the strength of the clauses of a SELECT


def parse(text: str) -> tuple[Statement, int]:
    """The statement, and how many parameters it has. Raises ValidationException."""
    parser = _Parser(tokens(text))
    statement = parser.statement()
    return statement, parser.parameters


class _Parser(ExpressionParser):
    """One pass over one statement."""

    def statement(self) -> Statement:
        if self.accept_word("select"):
            found: Statement | Expr = self.select()
        elif self.accept_word("insert", "into"):
            found = self.insert()
        elif self.accept_word("update"):
            found = self.update()
        elif self.accept_word("from"):
            found = self.from_first()
        elif self.accept_word("delete"):
            found = self.delete()
        else:
            found = self.expression()
        if self.accept(";"):
            if self.token.kind != "end":
                raise malformed("Unexpected token after semicolon. (Only one query is allowed.)")
        elif self.token.kind != "end":
            raise malformed("Unexpected token after expression")
        if isinstance(found, Call) and found.function == "exists" and len(found.arguments) == 1:
            select = found.arguments[0]
            if isinstance(select, Select):
                found = Exists(select)
        if not isinstance(found, Select | Insert | Update | Delete | Exists):
            raise ValidationException(f"Unsupported operation: {_kind(found)}")
        if self.aliased:
            raise ValidationException(ALIASING)
        return found

    def select(self) -> Select:
        unsupported: list[str] = []
        if self.word() in {"distinct", "value"}:
            unsupported.append(f"{self.word().upper()} at {self.token.place}")
            self.at += 1
        elif self.word() == "all":
            self.at += 1
        columns = self.columns()
        if not self.accept_word("from"):
            raise malformed("Expected FROM after SELECT list")
        table = self.expression(_SELECT)
        self.alias()
        while self.sign() == "," or self.word() in {"join", "inner", "left", "right", "full", "outer", "cross"}:
            raise malformed("Unexpected token after expression")  # a guess: DynamoDB joins nothing
        where = self.expression(_SELECT) if self.accept_word("where") else None
        order: list[Order] = []
        if self.accept_word("order"):
            order = self.order_by()
        for word in ("group", "having", "limit"):
            if self.word() == word:
                self.at += 2 if word == "group" and self.word(1) == "by" else 1
                unsupported.append(f"{word.upper()} at {self.token.place}")
                self.listed()
        return Select(columns, _source(table), where, tuple(order), tuple(unsupported))

    def columns(self) -> tuple[Expr, ...] | None:
        found: list[Expr] = []
        star = False
        while True:
            if self.sign() == "*":
                self.at += 1
                star = True
            else:
                found.append(self.expression())
                self.alias()
            if not self.accept(","):
                break
        if star and found:
            raise malformed(
                "Other expressions may not be present in the select list when '*' is used without dot notation."
            )
        return None if star else tuple(found)

    def alias(self) -> None:
        """Well formed, but refused once the rest is."""
        if self.accept_word("as"):
            if not self.token.is_name:
                raise malformed("Expected identifier for alias")
        elif not self.token.is_name:
            return
        self.at += 1
        self.aliased = True

    def order_by(self) -> list[Order]:
        if not self.accept_word("by"):
            raise malformed("Expected BY")
        terms: list[Order] = []
        while True:
            by = self.expression(_SELECT)
            descending = self.accept_word("desc")
            if not descending:
                self.accept_word("asc")
            terms.append(Order(by, descending))
            if not self.accept(","):
                return terms

    def insert(self) -> Insert:
        source = self.target()
        if not self.accept_word("value"):
            self.expression()
            raise malformed("Unexpected token after expression")
        value = self.expression()
        return Insert(source, value, self.returning())

    def update(self) -> Update:
        source = self.target()
        self.alias()
        changes = self.changes()
        return Update(source, changes, self.where(), self.returning())

    def from_first(self) -> Update:
        source = _source(self.expression(_SELECT))
        self.alias()
        where = self.where()
        changes = self.changes()
        if source is None:
            raise malformed("Expected identifier for simple path")
        return Update(source, changes, where, self.returning())

    def delete(self) -> Delete:
        if not self.accept_word("from"):
            raise malformed("Expected FROM after DELETE")
        source = self.target()
        self.alias()
        return Delete(source, self.where(), self.returning())

    def where(self) -> Expr | None:
        return self.expression() if self.accept_word("where") else None

    def changes(self) -> tuple[SetTo | Remove, ...]:
        found: list[SetTo | Remove] = []
        while True:
            if self.accept_word("set"):
                while True:
                    path = self.simple_path()
                    if not self.accept("="):
                        raise malformed("Expected '='")
                    found.append(SetTo(path, self.expression()))
                    if not self.accept(","):
                        break
            elif self.accept_word("remove"):
                found.append(Remove(self.simple_path()))
            elif found:
                return tuple(found)
            else:
                raise malformed("Expected data manipulation")

    def returning(self) -> Returning | None:
        if not self.accept_word("returning"):
            return None
        extent, state = self.token.text.upper(), self.tokens[min(self.at + 1, len(self.tokens) - 1)].text.upper()
        if extent not in {"ALL", "MODIFIED"} or state not in {"OLD", "NEW"}:
            raise malformed("Expected ( MODIFIED | ALL ) ( NEW | OLD ) in each returning element.")
        self.at += 2
        if not self.accept("*"):
            raise malformed("Unsupported syntax in RETURNING columns.")
        return Returning(extent, state)

    def target(self) -> Source:
        source = _source(self.simple_path())
        if source is None:
            raise malformed("Invalid path component for simple path")
        return source

    def simple_path(self) -> Name:
        if not self.token.is_name:
            raise malformed("Expected identifier for simple path")
        path = self.path()
        if not isinstance(path, Name) or any(not isinstance(step, str | Scalar) for step in path.steps):
            raise malformed("Invalid path component for simple path")
        return path


def _source(table: Expr) -> Source | None:
    if not isinstance(table, Name):
        return None
    parts = [step for step in table.steps if isinstance(step, str)]
    return Source(tuple(parts)) if len(parts) == len(table.steps) else None


def _kind(found: Expr) -> str:
    """What DynamoDB calls an expression that stands where a statement should; all but IsType are guesses."""
    if isinstance(found, TypeTest):
        return "IsType"
    if isinstance(found, Scalar | Parameter):
        return "Lit" if isinstance(found, Scalar) else "Parameter"
    if isinstance(found, Name):
        return "Id" if len(found.steps) == 1 else "Path"
    if isinstance(found, Sequence):
        return "Bag" if found.bag else "List"
    return type(found).__name__
