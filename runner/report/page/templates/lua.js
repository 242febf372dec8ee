// Lua as coloured lines: [[kind, text], ...] for each line. Never markup: whoever draws makes text nodes of them.
const LUA_TOKEN = new RegExp(
  [
    String.raw`(?<comment>--\[(?<c>=*)\[[\s\S]*?(?:\]\k<c>\]|$)|--[^\n]*)`,
    String.raw`(?<string>"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?|\[(?<s>=*)\[[\s\S]*?(?:\]\k<s>\]|$))`,
    String.raw`(?<number>0[xX][\da-fA-F.]+|\d[\d.]*(?:[eE][+-]?\d+)?)`,
    String.raw`(?<name>[A-Za-z_]\w*)`,
    String.raw`(?<other>[^\w"'\-\[]+|[\s\S])`,
  ].join("|"),
  "y",
);
const LUA_KEYWORDS = new Set(
  ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while " +
    "continue export type self").split(" "),
);
const LUA_GLOBALS = new Set(
  ("core minetest vector ItemStack VoxelArea PerlinNoise Settings game workspace Instance Vector3 CFrame Enum task " +
    "string table math os pairs ipairs print error assert pcall type tostring tonumber setmetatable require").split(" "),
);

function luaKind(groups) {
  if (groups.name !== undefined) {
    return LUA_KEYWORDS.has(groups.name) ? "keyword" : LUA_GLOBALS.has(groups.name) ? "global" : "";
  }
  return groups.comment !== undefined ? "comment" : groups.string !== undefined ? "string" : groups.number !== undefined ? "number" : "";
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
