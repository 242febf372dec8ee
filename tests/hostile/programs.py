"""Hostile programs as data: what each tries, its source, and which outcomes are right."""

from __future__ import annotations

from dataclasses import dataclass

from eval.records import Outcome

TIMEOUT, MEMORY, RUNTIME, SYNTAX, WRONG = (
    Outcome.TIMEOUT, Outcome.MEMORY, Outcome.RUNTIME_ERROR, Outcome.SYNTAX_ERROR, Outcome.WRONG,
)  # fmt: skip
# A program that uses up one limit may meet another first; what it may never do is pass.
SPENT = frozenset({TIMEOUT, MEMORY, RUNTIME})


@dataclass(frozen=True, slots=True)
class Hostile:
    """One attack and the outcomes that are right for it."""

    name: str
    code: str
    outcomes: frozenset[Outcome]


def _of(name: str, code: str, *outcomes: Outcome) -> Hostile:
    return Hostile(name, code, frozenset(outcomes))


LOOPS = (
    _of("loop", "while true do end", TIMEOUT),
    _of("loop in a protected call", "while true do pcall(function() while true do end end) end", TIMEOUT),
    _of("loop in a coroutine", "coroutine.wrap(function() while true do end end)()", TIMEOUT),
    _of("loop of coroutines", "while true do coroutine.wrap(function() coroutine.yield() end)() end", TIMEOUT),
    _of(
        "loop in __index",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        TIMEOUT,
    ),
    _of("loop in __tostring", "tostring(setmetatable({}, {__tostring = function() while true do end end}))", TIMEOUT),
    _of(
        "loop in __gc",
        "setmetatable({}, {__gc = function() while true do end end}) collectgarbage() error('end')",
        RUNTIME,
    ),
    _of(
        "loop in a proxy's __gc",
        "local p = newproxy(true) getmetatable(p).__gc = function() while true do end end p = nil collectgarbage()",
        RUNTIME,
    ),
    _of("loop in an error handler", "xpcall(error, function() while true do end end)", TIMEOUT),
    _of(
        "error value whose __tostring loops",
        "error(setmetatable({}, {__tostring = function() while true do end end}))",
        RUNTIME,
    ),
    _of("loop after load, in a callback", "core.register_on_mods_loaded(function() while true do end end)", TIMEOUT),
    _of("loop through a sort", "table.sort({1, 2, 3}, function() while true do end end)", TIMEOUT),
    _of("goto loop", "::top:: goto top", TIMEOUT),
    _of("loop in a loader's reader", "load(function() return ' ' end)", TIMEOUT, MEMORY),
    _of("endless printing", "while true do print(('x'):rep(1000)) end", TIMEOUT),
    _of("endless logging", "while true do core.log('x') end", TIMEOUT),
)

BOMBS = (
    _of("table bomb", "local t = {} for i = 1, 1e9 do t[i] = {} end", *SPENT),
    _of("string bomb", "local s = 'x' while true do s = s .. s end", *SPENT),
    _of("one huge string", "local s = string.rep('x', 2^31 - 1)", MEMORY, RUNTIME),
    _of(
        "kept through protected calls",
        "local t = {} while true do pcall(function() t[#t + 1] = ('x'):rep(1e6) .. #t end) end",
        *SPENT,
    ),
    _of("closure bomb", "local t = {} while true do local n = #t t[n + 1] = function() return n end end", *SPENT),
    _of("coroutine bomb", "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end", *SPENT),
    _of("huge array in C", "local t = {} for i = 1, 1e8 do t[i] = i end table.concat(t)", *SPENT),
    _of(
        "memory full, then an error",
        "local t = {} pcall(function() while true do t[#t + 1] = ('x'):rep(1e5) .. #t end end) error(t[1])",
        *SPENT,
    ),
    _of("gsub that multiplies", "local s = ('x'):rep(1e6) s = s:gsub('x', ('y'):rep(1e4))", *SPENT),
    _of("wide format", "local s = string.format('%99999999d', 1)", RUNTIME),
    _of("unpack of millions", "local t = {} t[1e7] = 1 print(unpack(t, 1, 1e7))", RUNTIME, MEMORY),
    _of("vast recipe of itself", "local r = {} r[1] = r core.register_craft({output = 'a', recipe = r})", RUNTIME),
)

DEPTHS = (
    _of("recursion", "local function f() return 1 + f() end f()", RUNTIME),
    _of("recursion through gsub", "local function f() return (('x'):gsub('x', f)) end f()", *SPENT),
    _of("recursion through sort", "local function f() table.sort({1, 2}, f) return true end f()", *SPENT),
    _of("recursion through pcall", "local function f() return pcall(f) end f() error('end')", *SPENT),
    _of("recursion through xpcall", "local function f() return xpcall(f, f) end f() error('end')", *SPENT),
    _of(
        "recursion through __index",
        "local t = {} setmetatable(t, {__index = function(s, k) return s[k .. 'x'] end}) return t.a",
        *SPENT,
    ),
    _of(
        "recursion through tostring",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return tostring(t) end tostring(t)",
        *SPENT,
    ),
    _of("recursion through coroutines", "local function f() return coroutine.wrap(f)() end f()", *SPENT),
    _of("recursion through loadstring", "function f() return loadstring('return f()')() + 1 end f()", *SPENT),
    _of("__index chain of itself", "local t = {} setmetatable(t, {__index = t}) return t.x.y", *SPENT),
    _of(
        "nested data to serialize",
        "local t = {} local u = t for i = 1, 2e5 do u.x = {} u = u.x end core.serialize(t)",
        *SPENT,
    ),
    _of("nested data to record", "local t = {} local u = t for i = 1, 2e5 do u.x = {} u = u.x end core.log(t)", *SPENT),
    _of("cyclic data to serialize", "local t = {} t.t = t core.serialize(t)", RUNTIME),
)

PATTERNS = (
    _of("catastrophic pattern", "string.find(('a'):rep(40000), ('.-'):rep(20) .. 'b')", TIMEOUT),
    _of(
        "catastrophic pattern in split",
        "string.split(('a'):rep(30000), ('a-'):rep(20) .. 'b', false, -1, true)",
        TIMEOUT,
    ),
    _of("pattern too deep", "string.find(('a'):rep(300000), ('('):rep(200))", RUNTIME),
    _of("nested captures", "string.match(('x'):rep(1e6), '(.*)(.*)(.*)(.*)y')", TIMEOUT, RUNTIME),
)

SOURCES = (
    _of("bytecode as the program", "\x1bLJ\x02\x00", SYNTAX),
    _of("NUL bytes", "x = 1\x00\x00 y = = 2", SYNTAX),
    _of("only NUL bytes", "\x00" * 1000, SYNTAX),
    _of("nested brackets", "x = " + "(" * 100_000 + "1" + ")" * 100_000, SYNTAX, MEMORY),
    _of("nested tables", "x = " + "{" * 100_000 + "}" * 100_000, SYNTAX, MEMORY),
    _of("nested blocks", "do " * 100_000 + "end " * 100_000, SYNTAX, MEMORY),
    _of("nested functions", "return function() " * 20_000 + "end " * 20_000, SYNTAX, MEMORY),
    _of("long chain of operators", "x = 1" + " .. 1" * 200_000, SYNTAX, MEMORY, RUNTIME),
    _of("unary bomb", "x = " + "- " * 300_000 + "1", SYNTAX, MEMORY),
    _of("ten megabytes", "x = 1 " * 1_700_000, MEMORY),
    _of("lone surrogate", "x = '\ud800' y = =", SYNTAX),
    _of("open long string", "x = [" + "=" * 500_000 + "[", SYNTAX, MEMORY),
    _of("too many locals", "\n".join(f"local a{i} = {i}" for i in range(5000)), SYNTAX),
    _of(
        "many constants and then an error",
        "x = {" + ",".join(f"'{i}'" for i in range(70_000)) + "} error('end')",
        SYNTAX,
        RUNTIME,
    ),
)

ESCAPES = (
    _of("python global", "python.eval('1')", RUNTIME),
    _of("python builtins", "python.builtins.open('f', 'w')", RUNTIME),
    _of("python from the real globals", "local e = getfenv(0) e.python.eval('1')", RUNTIME),
    _of("python from a C function's environment", "getfenv(print).python.eval('1')", RUNTIME),
    _of("python from a core function's environment", "getfenv(core.register_node).python.eval('1')", RUNTIME),
    _of("package", "package.loadlib('libc.so.6', 'system')", RUNTIME),
    _of("package.loaded", "package.loaded.os.execute('touch f')", RUNTIME),
    _of("require", "require('os').execute('touch f')", RUNTIME),
    _of("ffi", "require('ffi').C.system('touch f')", RUNTIME),
    _of("os.execute", "os.execute('touch f')", RUNTIME),
    _of("os.exit", "os.exit(0)", RUNTIME),
    _of("os.remove", "os.remove('f')", RUNTIME),
    _of("os.tmpname", "os.tmpname()", RUNTIME),
    _of("io.popen", "io.popen('touch f')", RUNTIME),
    _of("writing a file", "assert(io.open('f', 'w')):write('x')", RUNTIME),
    _of("reading a file", "error(assert(io.open('/etc/passwd')):read('*a'))", RUNTIME),
    _of("lines of a file", "for line in io.lines('/etc/passwd') do print(line) end error('read')", RUNTIME),
    _of("dofile", "dofile('/etc/passwd')", RUNTIME),
    _of("loadfile", "assert(loadfile('/etc/passwd'))", RUNTIME),
    _of("bytecode through loadstring", "assert(loadstring('\\27LJ\\2\\0'))", RUNTIME),
    _of("bytecode through load", "assert(load(function() if not x then x = 1 return '\\27LJ\\2\\0' end end))", RUNTIME),
    _of("string.dump", "string.dump(function() end)", RUNTIME),
    _of("debug.getupvalue", "debug.getupvalue(core.register_node, 1)", RUNTIME),
    _of("debug.getregistry", "debug.getregistry()", RUNTIME),
    _of("debug.sethook", "debug.sethook()", RUNTIME),
    _of("debug.getinfo", "debug.getinfo(1).func()", RUNTIME),
    _of("debug.setmetatable", "debug.setmetatable(nil, {})", RUNTIME),
    _of("jit.util", "jit.util.funck(print, 1)", RUNTIME),
    _of("collectgarbage as a hook", "collectgarbage('setpause', function() end)", RUNTIME),
    _of("setfenv on a core function", "setfenv(core.register_node, {})", RUNTIME),
    _of("setfenv on the thread", "setfenv(0, {})", RUNTIME),
    _of("setfenv on the caller", "setfenv(2, {}) setfenv(3, {}) setfenv(4, {})", RUNTIME),
    _of("metatable of core", "getmetatable(core).__index = nil", RUNTIME),
    _of("new metatable for core", "setmetatable(core, {})", RUNTIME),
    _of("yield out of the program", "coroutine.yield('PASSED')", RUNTIME),
    _of("error that looks like a verdict", "error({kind = 'PASSED', message = ''})", RUNTIME),
    _of("os.rename", "os.rename('f', 'g')", RUNTIME),
    _of("trusted environment", "core.request_insecure_environment().os.execute('touch f')", RUNTIME),
    _of("HTTP", "core.request_http_api().fetch({url = 'http://127.0.0.1/'}, print)", RUNTIME),
    _of("JIT switched on", "jit.on() jit.opt.start(3)", RUNTIME),
    _of("writing through the engine", "assert(core.safe_file_write('/etc/luagate', 'x'))", RUNTIME),
    _of("making a folder through the engine", "assert(core.mkdir('/luagate'))", RUNTIME),
    _of("removing the root through the engine", "core.rmdir('/', true) error('end')", RUNTIME),
)

# Each of these loads. The check they face ("FORGERY_CHECK") fails on an honest machine.
FORGERIES = (
    _of("printed verdict", 'print(\'{"id": 1, "status": "done", "fields": ["PASSED", "", 0, 0, 0]}\')', WRONG),
    _of("io.write verdict", "io.write('\\0\\0\\0\\2{}')", WRONG),
    _of("fail overwritten", "function fail() end function equal() end function expect() end", WRONG),
    _of("pcall overwritten", "function pcall() return true end _G.pcall = pcall", WRONG),
    _of("error overwritten", "function error() end _G.error = error", WRONG),
    _of("loadstring overwritten", "function loadstring() return function() end end load = loadstring", WRONG),
    _of(
        "rawget overwritten",
        "function rawget() return 14 end function next() end function rawequal() return true end",
        WRONG,
    ),
    _of("type overwritten", "function type() return 'number' end function tostring() return 'x' end", WRONG),
    _of(
        "string library overwritten", "for k in pairs(string) do string[k] = function() return 'PASSED' end end", WRONG
    ),
    _of(
        "string metatable overwritten",
        "getmetatable('').__index = function() return function() return 'PASSED' end end",
        WRONG,
    ),
    _of(
        "string equality overwritten",
        "local m = getmetatable('') m.__eq = function() return true end m.__lt = m.__eq m.__concat = m.__eq",
        WRONG,
    ),
    _of(
        "table and math overwritten",
        "for k in pairs(table) do table[k] = nil end for k in pairs(math) do math[k] = nil end",
        WRONG,
    ),
    _of(
        "globals that raise",
        "setmetatable(_G, {__index = function() error('x') end, __newindex = function() error('x') end})",
        WRONG,
    ),
    _of("globals removed", "local g = _G for k in pairs(g) do g[k] = nil end", WRONG),
    _of(
        "registered tables replaced",
        "core.registered_nodes = setmetatable({}, {__index = function() return {light_source = 7} end})",
        WRONG,
        RUNTIME,  # newer engines read the table before the first step
    ),
    _of(
        "registered table with an oracle",
        "setmetatable(core.registered_nodes, {__index = function() return {light_source = 7} end})",
        WRONG,
        RUNTIME,  # newer engines read the table before the first step
    ),
    _of("registered table written", "core.registered_nodes['mymod:forged'] = {light_source = 7}", WRONG),
    _of(
        "registered tables written past their metatables",
        "for _, t in ipairs({core.registered_nodes, core.registered_items}) do "
        "rawset(t, 'mymod:forged', {light_source = 7, name = 'mymod:forged', type = 'node'}) end",
        WRONG,
    ),
    _of(
        "a tool registered, a node written",
        "core.register_tool('mymod:forged', {}) core.registered_nodes['mymod:forged'] = {light_source = 7}",
        WRONG,
    ),
    _of(
        "definition that answers everything",
        "core.register_node('mymod:forged', setmetatable({}, {__index = function() return 7 end}))",
        WRONG,
    ),
    _of(
        "definition equal to everything",
        "core.register_node('mymod:forged', {light_source = 3, groups = setmetatable({}, {__eq = function() return true end})})",
        WRONG,
    ),
    _of(
        "setfenv on whoever calls",
        "core.register_on_joinplayer(function() local pcall, setfenv = pcall, setfenv "
        "for i = 1, 9 do pcall(setfenv, i, {fail = print}) end end)",
        WRONG,
    ),
    _of(
        "getfenv of whoever calls",
        "core.register_on_joinplayer(function() for i = 1, 9 do local ok, e = pcall(getfenv, i) if ok and type(e) == 'table' and e.fail then e.fail = print e.equal = print end end end)",
        WRONG,
    ),
    _of("yield inside a check", "core.register_on_joinplayer(function() coroutine.yield() end)", RUNTIME),
    _of(
        "string tampering inside a check",
        "core.register_on_joinplayer(function() getmetatable('').__index = nil string.sub = nil end)",
        WRONG,
    ),
)
FORGERY_CHECK = 'fire("on_joinplayer", player("x")) equal(("abc"):sub(2), "bc", "sub") equal(node("mymod:forged").light_source, 7, "light")'

ALL = LOOPS + BOMBS + DEPTHS + PATTERNS + SOURCES + ESCAPES
