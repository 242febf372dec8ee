// The samples that the page carries, unpacked: the layout is written by packing.py.
const NO_BREAK_CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const OUTCOME_SIGNS = {
  PASSED: "✓", WRONG: "✗", RUNTIME_ERROR: "R", SYNTAX_ERROR: "S", TIMEOUT: "T", MEMORY: "M",
  NO_CODE: "N", PATCH_REJECTED: "P", CRASHED: "C", NEEDS_STUDIO: "?", HARNESS_ERROR: "H",
};

async function unpackSamples(packed) {
  const bytes = Uint8Array.from(atob(packed), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return readBook(JSON.parse(await new Response(stream).text()));
}

// Control signs could reorder or hide what follows them: they are shown as their code.
function visible(text) {
  return text.replace(NO_BREAK_CONTROLS, (sign) => "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0"));
}

function readBook(raw) {
  const texts = raw.texts.map(visible);
  const book = { cell: raw.cell, gates: raw.gates, flags: raw.flags, tasks: [] };
  const shown = (place) => (place === null ? null : { text: texts[place], cut: raw.cut[place] || 0 });
  const readSample = (line) => ({
    index: line[0], outcome: line[1], detail: texts[line[2]], program: shown(line[3]), written: shown(line[4]),
    isWritten: line[3] === line[4], checks: raw.checks[line[5]], registered: raw.lists[line[6]],
    calls: raw.lists[line[7]], findings: raw.lists[line[8]], circumstances: texts[line[9]],
    tokens: line[10], milliseconds: line[11], seed: line[12], marks: line[13] === null ? null : raw.marks[line[13]],
  });
  book.tasks = raw.tasks.map((task, place) => ({
    ...task, place, name: visible(task.id), family: visible(task.family), kind: visible(task.kind), cluster: visible(task.cluster), seen: raw.lists[task.seen], instruction: shown(task.instruction), input: shown(task.input),
    reference: shown(task.reference), prompt: shown(task.prompt),
    base: { ...task.base, samples: task.base.samples.map(readSample) },
    cell: { ...task.cell, samples: task.cell.samples.map(readSample) },
  }));
  return book;
}

// Everything of a task that a search may find, in lower case; made when first asked for.
function haystack(task) {
  if (task.haystack === undefined) {
    const words = [task.id, task.family, task.kind, task.cluster, task.instruction.text, task.input.text];
    for (const sample of [...task.base.samples, ...task.cell.samples]) {
      words.push(sample.outcome, sample.detail, sample.written.text, ...sample.findings, ...sample.registered);
    }
    task.haystack = words.join("\n").toLowerCase();
  }
  return task.haystack;
}

// What became of a task: lost and gained by pass@k, solved by nobody, by one arm or by both.
const CHANGES = {
  lost: (task) => task.gain !== null && task.gain < 0,
  gained: (task) => task.gain !== null && task.gain > 0,
  same: (task) => task.gain === 0,
  neither: (task) => task.base.c === 0 && !task.cell.c,
  broken: (task) => task.base.c > 0 && task.cell.c === 0,
  learned: (task) => task.base.c === 0 && task.cell.c > 0,
};

// Orders of the list; "" is the report's own: losses first.
const ORDERS = {
  gain: (a, b) => (b.gain ?? -Infinity) - (a.gain ?? -Infinity),
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  base: (a, b) => b.base.c - a.base.c,
  cell: (a, b) => (b.cell.c ?? -1) - (a.cell.c ?? -1),
  family: (a, b) => (a.family < b.family ? -1 : a.family > b.family ? 1 : 0),
};

function matches(task, wanted) {
  const [arm, outcome] = wanted.outcome.split(":");
  return (
    (!wanted.family || task.family === wanted.family) &&
    (!wanted.kind || task.kind === wanted.kind) &&
    (!wanted.status || task.status === wanted.status) &&
    (!wanted.change || CHANGES[wanted.change](task)) &&
    (!outcome || task[arm].samples.some((sample) => sample.outcome === outcome)) &&
    wanted.words.every((word) => haystack(task).includes(word))
  );
}

function replayCommand(book, task, arm, sample) {
  const gate = book.gates[arm];
  const cell = arm === "cell" && gate === "D" ? ` --cell ${book.cell}` : "";
  return `python -m runner replay ${gate} ${shellWord(task.id)} ${sample.index}${cell}${book.flags}`;
}

function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replaceAll("'", `'"'"'`) + "'";
}
