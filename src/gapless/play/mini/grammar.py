"""The grammar of the mini-notation, for Lark's LALR parser, and what its terminals are called to a person.

In: nothing. Out: text and names. Invariants: the grammar has no conflicts; space only separates. Thread: any.

Source: the notation is that of TidalCycles 1.9 ("Mini Notation", tidalcycles.org/docs/reference/mini_notation), itself
after B. Bel's Bol Processor; the grammar is our own.
"""

from __future__ import annotations

from typing import Final

GRAMMAR: Final = r"""
start: body

?body: sequence
     | sequence ("," sequence)+ -> stack
     | sequence ("|" sequence)+ -> choice

sequence: (foot ("." foot)*)?
foot: step+
step: span WEIGHT* REPEAT*

?span: term
     | term _RANGE term -> range

term: _atom _operator*

_operator: fast | slow | euclid | CHANCE
fast: "*" _atom
slow: "/" _atom
euclid: "(" sequence "," sequence ("," sequence)? ")"

_atom: WORD | NUMBER | REST | group | angles | braces
group: "[" body "]"
angles: "<" sequence ("," sequence)* ">"
braces: "{" sequence ("," sequence)* "}" ("%" _atom)?

_RANGE.4: ".."
NUMBER.3: /-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?:%\d+)?(?![\w'#:]|[.-]\w)/
WORD.2: /~?(?:\d*[^\W\d_]|\d+(?=:-?\d))(?:[\w#']|[.:-](?=\w)|:(?=-\d))*/
REST: /~|-(?![\w.])/
WEIGHT: /(?:@(?:(?:\d+(?:\.\d+)?|\.\d+)(?:%\d+)?)?|_)(?![\w.])/
REPEAT: /!\d*(?![\w.])/
CHANCE: /\?(?:\d+(?:\.\d+)?|\.\d+)?(?![\w.])/

%ignore /[\s\u00a0]+/
"""

A_STEP: Final = "a step"

STEP_TERMINALS: Final = frozenset({"WORD", "NUMBER", "REST", "LSQB", "LESSTHAN", "LBRACE"})
"""Those that a step can begin with; together they are called ``A_STEP``."""

SEPARATORS: Final = {
    "COMMA": "','",
    "VBAR": "'|'",
    "DOT": "'.'",
    "RSQB": "']'",
    "MORETHAN": "'>'",
    "RBRACE": "'}'",
    "RPAR": "')'",
    "$END": "the end",
}
"""What may stand between steps or end them, as a person would name it."""
