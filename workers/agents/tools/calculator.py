"""Arithmetic for a model. Its expression is parsed as a syntax tree, never executed as code."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable

from ponderd import tool

Number = int | float

_SIGNS = str.maketrans("×·÷−", "**/-") | {ord("^"): "**"}

MAX_CHARS = 500
"""Characters of an expression."""
MAX_BITS = 10_000
"""Bits of an integer, about 3,000 digits. More would keep the worker busy: 9**9**9."""


@tool(idempotent=True)
def calculator(expression: str) -> str:
    """for arithmetic: + - * / // % ** ( ) sqrt round, such as 12*(7+5)"""
    return shown(calculate(expression))


def calculate(expression: str) -> Number:
    """The value of `expression`. Raises ValueError with a text that says what is wrong."""
    if len(expression) > MAX_CHARS:
        raise ValueError(f"the expression is longer than {MAX_CHARS} characters")
    try:
        tree = ast.parse(_written_for_python(expression), mode="eval")
        return _value(tree.body)
    except SyntaxError:
        raise ValueError(f"not an arithmetic expression: {expression}") from None
    except ZeroDivisionError:
        raise ValueError("division by zero") from None
    except OverflowError:
        raise ValueError("the result is too large") from None
    except (RecursionError, MemoryError):
        raise ValueError("the expression is nested too deeply") from None


def shown(number: Number) -> str:
    return f"{number:.15g}" if isinstance(number, float) else str(number)


def _written_for_python(expression: str) -> str:
    # 1,000 means 1000 here.
    expression = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", expression.strip())
    return expression.translate(_SIGNS)


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(op=ast.Pow(), left=base, right=exponent):
            return _power(_value(base), _value(exponent))
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
            return _bounded(_OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            try:
                return _bounded(_FUNCTIONS[name](*map(_value, arguments)))
            except TypeError:
                raise ValueError(f"{name}: wrong arguments") from None
        case _:
            raise ValueError(f"not arithmetic: {ast.unparse(node)[:50]}")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        if base.bit_length() * exponent > MAX_BITS:
            raise OverflowError
        return int(base**exponent)
    result = float(base) ** exponent
    if isinstance(result, complex):
        raise ValueError("the result is not a real number")
    return _bounded(result)


def _bounded(number: Number) -> Number:
    if isinstance(number, int):
        too_large = number.bit_length() > MAX_BITS
    else:
        too_large = not math.isfinite(number)
    if too_large:
        raise OverflowError
    return number


def _round(number: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 100:
        raise ValueError("round: the number of digits must be a whole number up to 100")
    return round(number, digits) if digits else round(number)


def _sqrt(number: Number) -> Number:
    if number < 0:
        raise ValueError("sqrt: the number is negative")
    root = math.sqrt(number)
    return int(root) if root.is_integer() and root < 2**53 else root


_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {"round": _round, "sqrt": _sqrt, "abs": abs}
