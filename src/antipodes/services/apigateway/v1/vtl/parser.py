"""From a template's text to nodes. Pure.

    text  $reference  $!quiet  ${formal}  $a.b  $a.b("c")  $a[0]
    #set($a = expression)  #if(...) #elseif(...) #else #end  #foreach($a in ...) #end  #break  #stop  #return
    #macro(name $a) #end  #name($x)  ## comment  #* comment *#  #[[ literal ]]#

What follows `$` or `#` and is none of these is text. A directive takes the rest of its line with it when nothing else
stands there. Strings in double quotes are templates themselves; there are no escapes but a doubled quote.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from antipodes.services.apigateway.v1.vtl.nodes import (
    Block,
    Both,
    Either,
    Expression,
    Foreach,
    If,
    Interpolated,
    Invocation,
    Item,
    Leave,
    ListOf,
    Literal,
    Macro,
    MacroCall,
    MapOf,
    Member,
    Node,
    Not,
    Operation,
    RangeOf,
    Reference,
    Set,
    Template,
    Text,
)
from antipodes.services.apigateway.v1.vtl.values import TemplateError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
DOLLAR = re.compile(r"\$(!?)(\{?)")
DIRECTIVE = re.compile(r"#(?:\{([a-zA-Z_]\w*)\}|(elseif|else|end|[a-zA-Z_]\w*))")
STARTS = re.compile(r"[$#\\]")
LINE_END = re.compile(r"[ \t]*\r?\n")
BLANK = re.compile(r"\s*")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
OPERATOR = re.compile(r"\|\||&&|==|!=|<=|>=|<|>|\+|-|\*|/|%|!|(?:or|and|not|eq|ne|lt|le|gt|ge)\b")
WORDS = {"or": "||", "and": "&&", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "not": "!"}
LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
DEEP = 50  # parentheses, blocks, strings in strings


@lru_cache(maxsize=512)
def parsed(text: str) -> Template:
    """Raises TemplateError, which names the line."""
    parser = _Parser(text)
    try:
        block, end = parser.block(())
    except RecursionError as error:
        raise TemplateError("the template is nested too deeply") from error
    if end:
        raise parser.wrong(f"#{end} without a beginning")
    return Template(block)


class _Reader:
    """Walks over one text and reads references and expressions. `at` is where it stands."""

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.at = 0
        self.depth = depth

    def wrong(self, what: str) -> TemplateError:
        return TemplateError(f"{what} in line {self.text.count(chr(10), 0, self.at) + 1}")

    # -- references ----------------------------------------------------------------------------------------------

    def reference(self) -> Reference | None:
        """The reference that begins here; None: it is none, and nothing was read."""
        text, begun = self.text, self.at
        match = DOLLAR.match(text, self.at)
        name = NAME.match(text, match.end()) if match is not None else None
        if match is None or name is None:
            return None
        self.at = name.end()
        steps: list[Member | Item | Invocation] = []
        while True:
            step = self._step()
            if step is None:
                break
            steps.append(step)
        if match[2]:
            if not text.startswith("}", self.at):
                self.at = begun
                return None
            self.at += 1
        return Reference(name[0], tuple(steps), bool(match[1]), text[begun : self.at])

    def _step(self) -> Member | Item | Invocation | None:
        text = self.text
        if text.startswith("[", self.at):
            begun, depth = self.at, self.depth
            self.at += 1
            try:
                key = self.expression()
                self._expect("]")
            except TemplateError:
                self.at, self.depth = begun, depth  # a bracket of the text that follows
                return None
            return Item(key)
        if not text.startswith(".", self.at):
            return None
        name = NAME.match(text, self.at + 1)
        if name is None:
            return None
        self.at = name.end()
        if not text.startswith("(", self.at):
            return Member(name[0])
        self.at += 1
        return Invocation(name[0], tuple(self._listed(")")))

    # -- expressions ---------------------------------------------------------------------------------------------

    def expression(self, level: int = 0) -> Expression:
        if level == len(LEVELS):
            return self._unary()
        left = self.expression(level + 1)
        while True:
            sign = self._operator(LEVELS[level])
            if not sign:
                return left
            right = self.expression(level + 1)
            if sign == "||":
                left = Either(left, right)
            elif sign == "&&":
                left = Both(left, right)
            else:
                left = Operation(sign, left, right)

    def _operator(self, wanted: tuple[str, ...]) -> str:
        self._blank()
        match = OPERATOR.match(self.text, self.at)
        if match is None:
            return ""
        sign = WORDS.get(match[0], match[0])
        if sign not in wanted:
            return ""
        self.at = match.end()
        return sign

    def _unary(self) -> Expression:
        if self._operator(("!",)):
            self._deeper()
            inner = self._unary()
            self.depth -= 1
            return Not(inner)
        return self._primary()

    def _primary(self) -> Expression:
        self._blank()
        self._deeper()
        found = self._value()
        self.depth -= 1
        return found

    def _value(self) -> Expression:
        text = self.text
        start = text[self.at : self.at + 1]
        if start == "$":
            reference = self.reference()
            if reference is not None:
                return reference
        elif start in {"'", '"'}:
            return self._string(start)
        elif start == "(":
            self.at += 1
            inner = self.expression()
            self._expect(")")
            return inner
        elif start == "[":
            self.at += 1
            return self._list()
        elif start == "{":
            self.at += 1
            return self._map()
        number = NUMBER.match(text, self.at)
        if number is not None:
            if number.end() - self.at > 40:
                raise self.wrong("a number is too long")
            self.at = number.end()
            return Literal(float(number[0]) if number[1] or number[2] else int(number[0]))
        word = NAME.match(text, self.at)
        constants: dict[str, Any] = {"true": True, "false": False, "null": None}
        if word is not None and word[0] in constants:
            self.at = word.end()
            return Literal(constants[word[0]])
        raise self.wrong(f"unexpected {start!r}" if start else "an expression ends too early")

    def _string(self, quote: str) -> Expression:
        text, begun = self.text, self.at + 1
        at = begun
        while True:
            end = text.find(quote, at)
            if end < 0:
                raise self.wrong("a string without its end")
            if not text.startswith(quote * 2, end):
                break
            at = end + 2
        self.at = end + 1
        inner = text[begun:end].replace(quote * 2, quote)
        if quote == "'" or not STARTS.search(inner):
            return Literal(inner)
        below = _Parser(inner, self.depth)
        block, _ = below.block(())
        if all(isinstance(node, Text) for node in block.nodes):
            return Literal(inner)  # no reference in it, so backslashes stay as they are
        return Interpolated(block)

    def _list(self) -> Expression:
        if self._follows("]"):
            return ListOf(())
        first = self.expression()
        self._blank()
        if self.text.startswith("..", self.at):
            self.at += 2
            last = self.expression()
            self._expect("]")
            return RangeOf(first, last)
        if self._follows("]"):
            return ListOf((first,))
        self._expect(",")
        return ListOf((first, *self._listed("]")))

    def _listed(self, closing: str) -> list[Expression]:
        parts: list[Expression] = []
        if self._follows(closing):
            return parts
        while True:
            parts.append(self.expression())
            if self._follows(closing):
                return parts
            self._expect(",")

    def _map(self) -> Expression:
        parts: list[tuple[Expression, Expression]] = []
        if self._follows("}"):
            return MapOf(())
        while True:
            key = self.expression()
            self._expect(":")
            parts.append((key, self.expression()))
            if self._follows("}"):
                return MapOf(tuple(parts))
            self._expect(",")

    # -- small steps ---------------------------------------------------------------------------------------------

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEP:
            raise self.wrong("nested too deeply")

    def _blank(self) -> None:
        match = BLANK.match(self.text, self.at)
        self.at = match.end() if match is not None else self.at

    def _follows(self, sign: str) -> bool:
        self._blank()
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def _expect(self, sign: str) -> None:
        if not self._follows(sign):
            raise self.wrong(f"{sign!r} is missing")

    def _rest_of_line(self) -> None:
        match = LINE_END.match(self.text, self.at)
        if match is not None:
            self.at = match.end()


class _Parser(_Reader):
    """Reads a template."""

    def block(self, ends: tuple[str, ...]) -> tuple[Block, str]:
        """Nodes up to one of the directives `ends`, which is passed over, and its name; "" at the end of the text."""
        self._deeper()
        nodes: list[Node] = []
        text = self.text
        while self.at < len(text):
            found = STARTS.search(text, self.at)
            if found is None:
                nodes.append(Text(text[self.at :]))
                self.at = len(text)
                break
            if found.start() > self.at:
                nodes.append(Text(text[self.at : found.start()]))
                self.at = found.start()
            start = text[self.at]
            if start == "\\":
                nodes.append(self._escaped())
            elif start == "$":
                nodes.append(self._reference_or_text())
            else:
                end = self._directive(nodes, ends)
                if end:
                    self.depth -= 1
                    return Block(tuple(nodes)), end
        self.depth -= 1
        return Block(tuple(nodes)), ""

    def _escaped(self) -> Text:
        following = self.text[self.at + 1 : self.at + 2]
        if following and following in "$#":
            self.at += 2
            return Text(following)
        self.at += 1
        return Text("\\")

    def _reference_or_text(self) -> Node:
        reference = self.reference()
        if reference is None:
            self.at += 1
            return Text("$")
        return reference

    def _directive(self, nodes: list[Node], ends: tuple[str, ...]) -> str:
        """Reads what begins with #; the name of the block's end if it is that."""
        text = self.text
        for opening, closing, literal in (("##", "\n", False), ("#*", "*#", False), ("#[[", "]]#", True)):
            if text.startswith(opening, self.at):
                end = text.find(closing, self.at + len(opening))
                stop = len(text) if end < 0 else end
                if literal:
                    nodes.append(Text(text[self.at + len(opening) : stop]))
                self.at = min(stop + len(closing), len(text))
                return ""
        match = DIRECTIVE.match(text, self.at)
        name = (match[1] or match[2]) if match is not None else ""
        known = {"set", "if", "elseif", "else", "end", "foreach", "break", "stop", "return", "macro"}
        if match is None or (name not in known and not text.startswith("(", match.end())):
            nodes.append(Text("#"))
            self.at += 1
            return ""
        begun = self.at
        self.at = match.end()
        if name in {"else", "elseif", "end"}:
            if name not in ends:
                raise self.wrong(f"#{name} without a beginning")
            if name != "elseif":
                self._rest_of_line()
            return name
        nodes.append(self._statement(name, begun))
        return ""

    def _statement(self, name: str, begun: int) -> Node:
        if name == "set":
            return self._set()
        if name == "if":
            return self._if()
        if name == "foreach":
            return self._foreach()
        if name == "macro":
            return self._macro()
        if name in {"break", "stop", "return"}:
            self._rest_of_line()
            return Leave(loop=name == "break")
        arguments = self._spaced()
        return MacroCall(name, tuple(arguments), self.text[begun : self.at])

    def _set(self) -> Node:
        self._expect("(")
        self._blank()
        target = self.reference()
        if target is None:
            raise self.wrong("#set without a reference")
        self._expect("=")
        new = self.expression()
        self._expect(")")
        self._rest_of_line()
        return Set(target, new)

    def _if(self) -> Node:
        branches: list[tuple[Expression | None, Block]] = []
        end = "elseif"
        while end == "elseif":
            condition = self._condition()
            block, end = self.block(("elseif", "else", "end"))
            branches.append((condition, block))
        if end == "else":
            block, end = self.block(("end",))
            branches.append((None, block))
        if end != "end":
            raise self.wrong("#if without #end")
        return If(tuple(branches))

    def _condition(self) -> Expression:
        self._expect("(")
        condition = self.expression()
        self._expect(")")
        self._rest_of_line()
        return condition

    def _foreach(self) -> Node:
        self._expect("(")
        self._blank()
        target = self.reference()
        self._blank()
        if target is None or target.steps or not self.text.startswith("in", self.at):
            raise self.wrong("#foreach without `$name in`")
        self.at += 2
        over = self.expression()
        self._expect(")")
        self._rest_of_line()
        block, end = self.block(("end",))
        if end != "end":
            raise self.wrong("#foreach without #end")
        return Foreach(target.name, over, block)

    def _macro(self) -> Node:
        self._expect("(")
        self._blank()
        name = NAME.match(self.text, self.at)
        if name is None:
            raise self.wrong("#macro without a name")
        self.at = name.end()
        parameters: list[str] = []
        while not self._follows(")"):
            self._follows(",")
            self._blank()
            reference = self.reference()
            if reference is None or reference.steps:
                raise self.wrong("a parameter of #macro is no reference")
            parameters.append(reference.name)
        self._rest_of_line()
        block, end = self.block(("end",))
        if end != "end":
            raise self.wrong("#macro without #end")
        return Macro(name[0], tuple(parameters), block)

    def _spaced(self) -> list[Expression]:
        """Arguments of a macro: between parentheses, apart by blanks or commas."""
        self._expect("(")
        arguments: list[Expression] = []
        while not self._follows(")"):
            self._follows(",")
            arguments.append(self._primary())
        return arguments
