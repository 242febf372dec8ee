// A Luau VM in WebAssembly: text goes in as Luau's own literals, values come out as text.
//
// What the module can reach is the imports below, and none of them touches a file, a socket or a JavaScript object. One
// is a function for the judging program: it compiles a text, which the VM alone cannot do.

import { PAGE_BYTES } from "./module.mjs";

const STEP_PAGES = 16;
const GUARD_BYTES = 1024;
const ONE_STATE = 1;
const JOB = 1;
const COMPILER = "luagate_compile"; // a global until the judging program has it
// Layout of the pinned build, all of 32 bits: where a thread keeps the base of its frame, a value, a string.
const FRAME_BASE = 12;
const VALUE_BYTES = 16;
const STRING_LENGTH = 16;
const STRING_TEXT = 20;
const NOT_A_FILE = 52; // WASI's errno for what is not there
// An error of the compiler: after the table of its methods four numbers of its place (the first is the line, from 0), then
// a std::string, whose last byte is its length or, with the top bit set, says that address and length stand in front.
const ERROR_LINE = 4;
const ERROR_TEXT = 20;
const STRING_LAST = 11;
const IS_LONG = 128;

/** longjmp: what the module's own protected calls wait for. */
class Jump {}

/** What the compiler threw instead of returning it: that of C++ is not caught in this build. */
class Raised {
  constructor(line, text) {
    this.line = line;
    this.text = text;
  }
}

/** The program was stopped by the machine itself: an abort, an access out of bounds, a stack that is too deep. */
export class Trapped extends Error {}

export class Machine {
  constructor(module) {
    this.wasRefused = false; // whether memory was asked for beyond the limit since it was last set
    this.exports = new WebAssembly.Instance(module, this.#imports()).exports;
    this.exports.__wasm_call_ctors();
    this.exports.emscripten_stack_init();
    this.state = this.exports.makeLuaState(ONE_STATE);
    const words = [COMPILER, "jfunction", "-1"].map((word) => this.#text(Buffer.from(word)));
    this.exports.pushGlobalToLua(this.state, ...words);
  }

  get memory() {
    return this.exports.memory;
  }

  /** Compile `source` (bytes) and return a reference to the function. Throws the compiler's message. */
  load(source, name) {
    const status = this.#compile(this.state, source, Buffer.from(`=${name}`));
    const [value] = this.#parsed(`[${this.#values[this.exports.getLuaValue(this.state, -1)]}]`);
    if (status !== 0) throw new Error(value.value);
    return Number(value.value);
  }

  /** Call a function with the values of the chunk `job` (bytes; null: none). Return {ok, values}; throws Trapped. */
  call(reference, job = null) {
    this.#job = job;
    this.#returned = "[]";
    this.#values = [];
    try {
      const status = this.exports.luaPcall(this.state, reference, JOB);
      return { ok: status === 0, values: this.#parsed(this.#returned) };
    } catch (error) {
      throw new Trapped(`${error.name ?? "an exception"}: ${error.message ?? error.text}`);
    }
  }

  get stackPointer() {
    return this.exports.emscripten_stack_get_current();
  }

  /** Put the memory back to `copy`, and what lies behind it to zeros, as the system gives it. */
  restore(copy, stackPointer) {
    const missing = copy.length - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(missing / PAGE_BYTES);
    const heap = new Uint8Array(this.memory.buffer);
    heap.set(copy);
    heap.fill(0, copy.length);
    this.exports._emscripten_stack_restore(stackPointer);
    this.wasRefused = false;
  }

  /** Whether the C stack went past its end, below which the module's own data lie, since `copy` was put back. */
  isOverrun(copy) {
    const end = this.exports.emscripten_stack_get_end();
    return Buffer.from(this.memory.buffer).compare(copy, end, end + GUARD_BYTES, end, end + GUARD_BYTES) !== 0;
  }

  setReadOnly(reference, isReadOnly) {
    this.exports.setreadonly(this.state, reference, isReadOnly ? 1 : 0);
  }

  #job = null;
  #returned = "[]";
  #values = [];
  #texts = []; // what the compiler asks for: a source and a name

  #imports() {
    const nothing = () => 0;
    const env = {
      acceptStringTransaction: (_state, number) => this.#text(this.#texts[number]),
      pushTransactionString: (_state, text) => this.#values.push(this.#read(text)) - 1,
      setMultretData: (_thread, _state, text) => {
        this.#returned = this.#read(text);
      },
      pushArgs: (thread) => {
        if (this.#job === null) return 0;
        if (this.#compile(thread, this.#job, Buffer.from("=job")) !== 0) throw new Error("a job that does not compile");
        return 1;
      },
      __asyncjs__callJSFunction: nothing,
      pushRetData: (thread) => {
        this.#compile(thread, this.#argument(thread, 1), this.#argument(thread, 2));
        return 1;
      },
      emscripten_resize_heap: (bytes) => this.#grow(bytes >>> 0),
      invoke_vii: (index, one, two) => this.#protect(index, one, two),
      _emscripten_throw_longjmp: () => {
        throw new Jump();
      },
      __cxa_throw: (address) => {
        throw this.#raised(address);
      },
      _abort_js: () => {
        throw new Error("abort");
      },
      emscripten_date_now: nothing,
      emscripten_get_now: nothing,
    };
    for (const name of ["sendValueToJS", "setEnvFromJS", "ensureInterop", "getJSProperty", "setJSProperty", "releaseJSKeyList",
      "prepareJSKeyList", "getJSIteratorNext", "_gmtime_js", "_localtime_js", "_tzset_js"]) env[name] = nothing;
    const wasi = { fd_write: () => NOT_A_FILE, fd_close: () => NOT_A_FILE, fd_seek: () => NOT_A_FILE, clock_time_get: () => NOT_A_FILE };
    return { env, wasi_snapshot_preview1: wasi };
  }

  // Leaves a function, or the message why there is none, on the stack of `thread`.
  #compile(thread, source, name) {
    this.#texts = [source, name];
    const stack = this.stackPointer;
    try {
      return this.exports.luauLoad(thread, 0, 1);
    } catch (error) {
      if (!(error instanceof Raised) || this.wasRefused) throw error;
      this.exports._emscripten_stack_restore(stack);
      const message = `${name.subarray(1).toString("latin1")}:${error.line + 1}: ${error.text}`;
      const words = ["string", message, ""].map((word) => this.#text(Buffer.from(word, "latin1")));
      this.exports.pushValueToLuaWrapper(thread, ...words);
      return 1;
    }
  }

  #protect(index, one, two) {
    const stack = this.stackPointer;
    try {
      this.exports.dynCall_vii(index, one, two);
    } catch (error) {
      if (!(error instanceof Jump)) throw error;
      this.exports._emscripten_stack_restore(stack);
      this.exports.setThrew(1, 0);
    }
  }

  #raised(address) {
    const words = new DataView(this.memory.buffer);
    const text = address + ERROR_TEXT;
    const last = words.getUint8(text + STRING_LAST);
    const [start, length] = last & IS_LONG ? [words.getUint32(text, true), words.getUint32(text + 4, true)] : [text, last];
    return new Raised(words.getUint32(address + ERROR_LINE, true), Buffer.from(this.memory.buffer).latin1Slice(start, start + length));
  }

  // In steps, while there is room for one: each makes a new view of the memory.
  #grow(bytes) {
    const needed = Math.ceil((bytes - this.memory.buffer.byteLength) / PAGE_BYTES);
    for (const pages of [Math.max(needed, STEP_PAGES), needed]) {
      try {
        this.memory.grow(pages);
        return 1;
      } catch {
        continue;
      }
    }
    this.wasRefused = true;
    return 0;
  }

  // A copy that ends with a zero, which the module frees. Without memory for it the module would write to address 0.
  #text(bytes) {
    const address = this.exports.malloc(bytes.length + 1);
    if (address === 0) throw new Error("no memory for a text");
    const heap = new Uint8Array(this.memory.buffer);
    heap.set(bytes, address);
    heap[address + bytes.length] = 0;
    return address;
  }

  #read(address) {
    const heap = Buffer.from(this.memory.buffer);
    return heap.latin1Slice(address, heap.indexOf(0, address));
  }

  #argument(thread, number) {
    const words = new DataView(this.memory.buffer);
    const text = words.getUint32(words.getUint32(thread + FRAME_BASE, true) + number * VALUE_BYTES, true);
    const start = text + STRING_TEXT;
    return Buffer.from(this.memory.buffer.slice(start, start + words.getUint32(text + STRING_LENGTH, true)));
  }

  // The module writes strings as JSON, one character for each byte.
  #parsed(text) {
    return JSON.parse(text);
  }
}

/** Return a chunk whose values are `texts`, each of any bytes. */
export function literals(texts) {
  return Buffer.from(`return ${texts.map((text) => `"${escaped(text)}"`).join(",")}`, "latin1");
}

function escaped(bytes) {
  return bytes.toString("latin1").replace(/[\x00-\x1f"\\\x7f]/g, (one) => `\\${String(one.charCodeAt(0)).padStart(3, "0")}`);
}
