// The child of the pool under Node: the frames and answers of eval/sandbox/child.py, with Luau in WebAssembly.
//
// CPU time is bounded by the parent, which sees it from outside and ends this process; everything else is bounded here or
// by what launch.py set before this began. Nothing is asynchronous: a frame is read, a program runs, an answer is written.

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { Trapped } from "./machine.mjs";
import { Judge, JudgeFailed, OutOfMemory } from "./judge.mjs";
import { readModule, PAGE_BYTES, STATIC_PAGES } from "./module.mjs";

const [packageFolder, sha256, runtime, readyFd, lockedFd, networkLayer, refusedBefore] = process.argv.slice(2);
const MAX_JOB_BYTES = 64 << 20;
const REASON_CHARACTERS = 500;
// The heap of a program is all that may grow; what the allocator loses between its blocks comes on top.
const FRAGMENTS = 1.25;

function readExactly(count) {
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; ) {
    const got = readSync(0, bytes, at, count - at);
    if (got === 0) process.exit(0); // the parent closed the pipe: the usual end
    at += got;
  }
  return bytes;
}

function readFrame() {
  const length = readExactly(4).readUInt32BE();
  if (length > MAX_JOB_BYTES) throw new Error(`a frame of ${length} bytes`);
  return JSON.parse(readExactly(length).toString("utf8"));
}

function writeFrame(message) {
  const body = Buffer.from(JSON.stringify(message));
  const header = Buffer.alloc(4);
  header.writeUInt32BE(body.length);
  const frame = Buffer.concat([header, body]);
  for (let at = 0; at < frame.length; ) at += writeSync(1, frame, at);
}

// Half of a pair of UTF-16 stands for its own three bytes, as in Python's "surrogatepass".
function bytesOf(text) {
  const parts = text.split(/((?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff]))/);
  if (parts.length === 1) return Buffer.from(text);
  return Buffer.concat(parts.map((part, number) => (number % 2 ? surrogate(part.charCodeAt(0)) : Buffer.from(part))));
}

function surrogate(unit) {
  return Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 63), 0x80 | (unit & 63)]);
}

function runProgram(judge, texts) {
  try {
    return { status: "done", fields: judge.run(texts.map(bytesOf)) };
  } catch (error) {
    if (error instanceof OutOfMemory) return { status: "memory" };
    if (error instanceof JudgeFailed) return { status: "fault", detail: `judging program: ${error.message}`.slice(0, REASON_CHARACTERS) };
    if (error instanceof Trapped) return { status: "crashed", detail: error.message.slice(0, REASON_CHARACTERS) };
    throw error;
  }
}

function lifeCpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function cannotOpen() {
  try {
    closeSync(openSync("/dev/null", "r"));
    return false;
  } catch {
    return true;
  }
}

function cannotListen() {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(true));
    server.listen(0, "127.0.0.1", () => server.close(() => resolve(false)));
  });
}

// Tell the supervisor that everything is loaded, wait until it has gone, and look whether the filter is in force.
async function lockDown() {
  const layers = networkLayer ? [networkLayer] : [];
  if (refusedBefore) return { layers, refused: refusedBefore };
  writeSync(Number(readyFd), "x");
  readSync(Number(lockedFd), Buffer.alloc(1));
  if (cannotOpen() && (await cannotListen())) return { layers: [...layers, "seccomp"], refused: "" };
  return { layers, refused: "the filter was installed but had no effect" };
}

async function serve() {
  const setup = readFrame();
  const heapBytes = (setup.memory_mb << 20) * FRAGMENTS;
  const module = readModule(packageFolder, sha256, heapBytes + STATIC_PAGES * PAGE_BYTES);
  const judge = new Judge(module, setup.program, setup.on_demand);
  for (const job of setup.warm_up) runProgram(judge, job);
  const { layers, refused } = await lockDown();
  writeFrame({ layers, refused, runtime, life_cpu_s: lifeCpuSeconds() });
  for (;;) {
    const job = readFrame();
    const started = performance.now();
    const answer = runProgram(judge, job.arguments);
    writeFrame({ ...answer, id: job.id, seconds: (performance.now() - started) / 1e3, life_cpu_s: lifeCpuSeconds() });
  }
}

try {
  await serve();
} catch (error) {
  writeSync(2, `${error.name}: ${error.message}\n`);
  process.exit(70);
}
