"""Programs whose very text is the attack: too long, too deep, too many of something."""

from __future__ import annotations

DEEP, MANY = 20_000, 100_000

PARSER_BOMBS: dict[str, str] = {
    "deep parentheses": "return " + "(" * DEEP + "1" + ")" * DEEP,
    "deep tables": "return " + "{" * DEEP + "}" * DEEP,
    "deep functions": "return " + "function() return " * DEEP + "1 " + "end " * DEEP,
    "deep blocks": "do " * DEEP + "end " * DEEP,
    "deep ifs": "if true then " * DEEP + "end " * DEEP,
    "deep loops": "while true do " * DEEP + "end " * DEEP,
    "deep calls": "return " + "f(" * DEEP + ")" * DEEP,
    "deep indexing": "return a" + "[a" * DEEP + "]" * DEEP,
    "deep unary": "return " + "not " * MANY + "true",
    "deep minus": "return " + "- " * MANY + "1",
    "deep concatenation": "return " + "'x' .. " * MANY + "'x'",
    "deep addition": "return " + "1 + " * MANY + "1",
    "deep power": "return " + "2 ^ " * MANY + "1",
    "deep if expressions": "return " + "if a then " * DEEP + "1" + " else 1" * DEEP,
    "deep interpolation": "return " + "`{" * DEEP + "1" + "}`" * DEEP,
    "deep types": "type T = " + "{" * DEEP + "number" + "}" * DEEP,
    "deep function types": "type T = " + "(" * DEEP + ")->()" + ")" * DEEP,
    "many locals": "".join(f"local v{n} = {n}\n" for n in range(5_000)),
    "many upvalues": "".join(f"local v{n}\n" for n in range(190))
    + "return function() return "
    + ", ".join(f"v{n}" for n in range(190))
    + " end",
    "many constants": "return {" + ",".join(f"'{n}'" for n in range(MANY)) + "}",
    "many arguments": "print(" + ",".join("1" for _ in range(5_000)) + ")",
    "many elseifs": "if a then " + "elseif a then " * DEEP + "end",
    "many statements": "x = 1\n" * MANY,
    "a long line": "x = '" + "a" * 900_000 + "'",
    "a long name": "x" * 900_000 + " = 1",
    "a long comment": "--" + "x" * 900_000,
    "a comment that never ends": "--[==[" + "x" * 900_000,
    "a string that never ends": "x = [==[" + "]=" * 400_000,
    "an escape too far": "x = '\\u{FFFFFFFFFFFF}'",
    "only line breaks": "\n" * 900_000,
    "null bytes": "\0" * 10_000,
    "lone surrogates": "x = '\ud800\udfff'",
    "ten megabytes": "x = 1 -- pad\n" * 800_000,
}
