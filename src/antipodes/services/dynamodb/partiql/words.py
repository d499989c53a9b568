"""The words that PartiQL keeps for itself, and how DynamoDB speaks of a malformed statement. Pure.

A keyword is no name unless it stands in double quotes. The list is SQL-92's plus PartiQL's own, as PartiQL's language
reference has it; YEAR, MONTH and the other parts of a date are names.
"""

from __future__ import annotations

from antipodes.wire.errors import ValidationException

NOT_WELL_FORMED = "Statement wasn't well formed, can't be processed: "
PARAMETERS_MISMATCH = "Number of parameters in request and statement don't match."

_KEYWORDS = """
absolute action add all allocate alter and any are as asc assertion at authorization avg begin between bit
bit_length by cascade cascaded case cast catalog char character character_length char_length check close coalesce
collate collation column commit connect connection constraint constraints continue convert corresponding count
create cross current current_date current_time current_timestamp current_user cursor date deallocate dec decimal
declare default deferrable deferred delete desc describe descriptor diagnostics disconnect distinct domain double
drop else end escape except exception exec execute exists external extract false fetch first float for foreign
found from full get global go goto grant group having identity immediate in indicator initially inner input
insensitive insert int int4 int8 integer intersect interval into is isolation join key language last left level
like limit local lower match max min missing module names national natural nchar next no not null nullif numeric
octet_length of on only open option or order outer output overlaps pad partial pivot position precision prepare
preserve primary prior privileges procedure public read real references relative remove restrict returning revoke
right rollback rows schema scroll section select session session_user set size smallint some space sql sqlcode
sqlerror sqlstate substring sum system_user table temporary then time timestamp to transaction translate
translation trim true tuple union unique unknown unpivot update upper usage user using value values varchar
varying view when whenever where with work write zone bool boolean string symbol clob blob struct list sexp bag
"""
KEYWORDS = frozenset(_KEYWORDS.split())
# Keywords that are functions when a parenthesis follows.
_FUNCTION_KEYWORDS = """
exists count avg max min sum char_length character_length octet_length bit_length upper lower size nullif coalesce
"""
FUNCTION_KEYWORDS = frozenset(_FUNCTION_KEYWORDS.split())
# What may follow IS.
_TYPES = """
missing null bool boolean smallint int int4 int8 integer float real decimal dec numeric timestamp char character
varchar string symbol clob blob struct tuple list sexp bag
"""
TYPES = frozenset(_TYPES.split())
TYPE_PAIRS = frozenset((("double", "precision"), ("character", "varying")))


def malformed(detail: str = "") -> ValidationException:
    """The statement cannot be read. AWS says nothing after the colon when a single token is at fault."""
    return ValidationException(NOT_WELL_FORMED + detail)
