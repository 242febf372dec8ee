// The judging program in a VM that is put back, byte for byte, to how it was before the first program ran.
//
// The program is compiled and its world is built once; a copy of the memory is kept. A VM has nothing outside that memory but
// its stack pointer, so a program that runs after the copy is put back runs in a fresh VM.

import { literals, Machine, Trapped } from "./machine.mjs";

// No way to real globals. What the judging program needs of them it is given as an argument.
const WITHHELD = ["collectgarbage", "gcinfo", "loadstring", "print", "require", "luagate_compile"];
const MEMORY_TEXTS = ["not enough memory", "memory error:", "block too big"];
// Hands over the real globals and the metatables of vectors and strings, so that they can be opened for writing: the judging
// program says what methods strings have, and seals them.
const FOUND = 'return getmetatable(getfenv()).__index, getmetatable(vector.one), getmetatable("")';
// W is a global while files are loaded: one chunk each, so that the compiler's memory is that of the longest.
const OPENING = `
local compile, real, vectors = luagate_compile, getmetatable(getfenv()).__index, getmetatable(vector.one)
luagate_compile = nil
for _, name in {${WITHHELD.map((name) => `"${name}"`).join(",")}} do real[name] = nil end
table.clear(vectors)
W = {later = {}, vector_metatable = vectors}
function W.loadstring(source, name)
	local chunk = compile(source, name)
	if type(chunk) == "string" then error(chunk, 0) end
	return chunk
end
`;
const CLOSING = "local W = W getfenv().W = nil return function(job) return W.judge(job()) end";
// A run that took this much more than the copy leaves a memory that is given back to the system.
const KEPT_BYTES = 8 << 20;

/** The judging program itself failed: never the candidate's fault. */
export class JudgeFailed extends Error {}
export class OutOfMemory extends Error {}

export class Judge {
  /** `files` are the judging program, name to source; `onDemand` become the functions `W.later[name](W)`. */
  constructor(module, files, onDemand) {
    this.#module = module;
    const machine = new Machine(module);
    this.#function = build(machine, files, onDemand);
    this.#copy = new Uint8Array(machine.memory.buffer.slice(0));
    this.#stack = machine.stackPointer;
    this.#machine = machine;
  }

  #module;
  #function;
  #copy;
  #stack;
  #machine;

  get copyBytes() {
    return this.#copy.length;
  }

  /** Run one job in a fresh VM; return its values: strings and numbers. Throws OutOfMemory, JudgeFailed, Trapped. */
  run(texts) {
    const machine = this.#freshMachine();
    let result;
    try {
      result = machine.call(this.#function, literals(texts));
    } catch (error) {
      this.#machine = null;
      if (machine.wasRefused) throw new OutOfMemory();
      throw error;
    }
    if (machine.isOverrun(this.#copy)) throw new Trapped("the C stack is too deep");
    if (result.ok) return result.values.map(plain);
    const said = String(result.values[0]?.error ?? "no reason");
    if (machine.wasRefused || MEMORY_TEXTS.some((text) => said.includes(text))) throw new OutOfMemory();
    throw new JudgeFailed(said);
  }

  #freshMachine() {
    const used = this.#machine?.memory.buffer.byteLength ?? Infinity;
    if (used > this.#copy.length + KEPT_BYTES) this.#machine = new Machine(this.#module);
    this.#machine.restore(this.#copy, this.#stack);
    return this.#machine;
  }
}

function build(machine, files, onDemand) {
  const found = machine.call(machine.load(Buffer.from(FOUND), "found")).values.map((value) => Number(value.value));
  for (const table of found) machine.setReadOnly(table, false);
  execute(machine, "opening", OPENING);
  for (const [name, text] of Object.entries(files)) execute(machine, name, `local W = W ${text}`);
  for (const [name, text] of Object.entries(onDemand)) {
    execute(machine, name, `W.later["${name.replace(/\.\w+$/, "")}"] = function(W) ${text}\nend`);
  }
  const [judge] = execute(machine, "closing", CLOSING);
  machine.setReadOnly(found[0], true);
  return Number(judge.value);
}

// Every chunk is called "engine", as the world's own files expect of each other.
function execute(machine, name, text) {
  let reference;
  try {
    reference = machine.load(Buffer.from(text), "engine");
  } catch (error) {
    throw new Error(`${name}: ${error.message}`);
  }
  const result = machine.call(reference);
  if (!result.ok) throw new JudgeFailed(`${name}: ${result.values[0]?.error}`);
  return result.values;
}

function plain({ type, value }) {
  if (type === "string") return Buffer.from(value, "latin1").toString("utf8");
  if (type === "number") return Number(value);
  throw new JudgeFailed(`the judging program returned a ${type}`);
}
