// The WebAssembly module in the npm package luau-web: read, compared with the pinned checksum, given a limit of memory.
//
// The package comes with JavaScript that hands objects of the page to programs; none of it is run. Of its two builds the
// one for JSPI catches no error inside the VM (pcall raises), so it is the other that serves. As published the module's
// memory is fixed at 17 MB: its section says so in two numbers, which are replaced by a start and a limit.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export const PAGE_BYTES = 65536;
const FILE = "src/lib/Luau.Web.Asyncify.js";
const MODULE_TEXT = /base64Decode\("([A-Za-z0-9+/]+=*)"\)/;
const MEMORY_SECTION = 5;
const FIRST_SECTION = 8; // after the magic number and the version
const HAS_LIMIT = 1;
// Below it lie the module's data and its C stack (the first value of its stack pointer, rounded up).
export const STATIC_PAGES = 18;
const MOST_PAGES = 16383; // of 1 GB: what two LEB128 bytes hold

/** Return the compiled module, whose memory grows up to `mostBytes`. Throws where the package is not the pinned one. */
export function readModule(folder, sha256, mostBytes) {
  const text = readFileSync(`${folder}/${FILE}`);
  const found = createHash("sha256").update(text).digest("hex");
  if (found !== sha256) throw new Error(`${FILE} of luau-web has the checksum ${found.slice(0, 12)}, not ${sha256.slice(0, 12)}`);
  const bytes = Buffer.from(MODULE_TEXT.exec(text.toString("latin1"))[1], "base64");
  limitMemory(bytes, Math.min(Math.ceil(mostBytes / PAGE_BYTES), MOST_PAGES));
  return new WebAssembly.Module(bytes);
}

// A memory section holds: the number of memories, a flag, the least and the most pages; the published two take two bytes each.
function limitMemory(bytes, pages) {
  const at = sectionStart(bytes, MEMORY_SECTION);
  if (bytes[at] !== 1 || bytes[at + 1] !== HAS_LIMIT) throw new Error("luau-web has another kind of memory");
  writeTwo(bytes, at + 2, STATIC_PAGES);
  writeTwo(bytes, at + 4, pages);
}

function sectionStart(bytes, wanted) {
  for (let at = FIRST_SECTION; at < bytes.length; ) {
    const id = bytes[at];
    const [length, start] = readNumber(bytes, at + 1);
    if (id === wanted) return start;
    at = start + length;
  }
  throw new Error("luau-web has no memory");
}

// LEB128: seven bits a byte, the lowest first.
function readNumber(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
}

function writeTwo(bytes, at, value) {
  bytes[at] = (value & 127) | 128;
  bytes[at + 1] = value >> 7;
}
