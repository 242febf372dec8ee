// Lua and Luau as coloured lines: [[kind, text], ...] for each line. Never markup: whoever draws makes text nodes of them.
const LUA_TOKEN = new RegExp(
  [
    String.raw`(?<comment>--\[(?<c>=*)\[[\s\S]*?(?:\]\k<c>\]|$)|--[^\n]*)`,
    String.raw`(?<string>"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?|\[(?<s>=*)\[[\s\S]*?(?:\]\k<s>\]|$))`,
    // Luau's interpolated strings; what stands in their braces is coloured with them
    "(?<backtick>`(?:\\\\[\\s\\S]|[^`\\\\\\n])*`?)",
    String.raw`(?<number>0[xX][\da-fA-F._]+|0[bB][01_]+|\d[\d._]*(?:[eE][+-]?\d+)?)`,
    String.raw`(?<name>@?[A-Za-z_]\w*)`,
    String.raw`(?<other>[^\w"'\-\[\x60@]+|[\s\S])`,
  ].join("|"),
  "y",
);
const LUA_KEYWORDS = new Set(
  ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while " +
    "continue export type self").split(" "),
);
const LUA_GLOBALS = new Set(
  ("core minetest vector ItemStack VoxelArea PerlinNoise Settings game workspace script Instance Vector3 Vector2 CFrame " +
    "Color3 BrickColor UDim UDim2 TweenInfo NumberRange RaycastParams Enum task buffer bit32 utf8 coroutine typeof warn string table math os pairs ipairs print error assert pcall type tostring tonumber setmetatable require").split(" "),
);

function luaKind(groups) {
  if (groups.name !== undefined) {
    if (LUA_KEYWORDS.has(groups.name) || groups.name[0] === "@") return "keyword";
    return LUA_GLOBALS.has(groups.name) ? "global" : "";
  }
  return groups.comment !== undefined ? "comment" : groups.string !== undefined || groups.backtick !== undefined ? "string" : groups.number !== undefined ? "number" : "";
}

function luaLines(text) {
  const lines = [[]];
  LUA_TOKEN.lastIndex = 0;
  for (let match; LUA_TOKEN.lastIndex < text.length && (match = LUA_TOKEN.exec(text)); ) {
    const kind = luaKind(match.groups);
    match[0].split("\n").forEach((part, index) => {
      if (index) lines.push([]);
      if (part) lines[lines.length - 1].push([kind, part]);
    });
  }
  return lines;
}

// A unified diff or plain text: the sign at the start of a line is all that is coloured.
function plainLines(text) {
  const isDiff = /^@@ /m.test(text) || (/^--- /m.test(text) && /^\+\+\+ /m.test(text));
  return text.split("\n").map((line) => {
    const kind = !isDiff ? "" : line.startsWith("@@") ? "comment" : line[0] === "+" ? "added" : line[0] === "-" ? "removed" : "";
    return [[kind, line]];
  });
}
