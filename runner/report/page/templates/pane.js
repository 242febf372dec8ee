// One task as it is drawn: what was asked, and a sample of each arm beside the other.
const VIEWS = { program: "Program", base: "Diff to base", reference: "Diff to reference", written: "Whole completion" };
const armName = (arm) => (arm === "base" ? "Base" : "Adapter");

function signed(gain) {
  return gain === null ? "" : (gain > 0 ? "+" : gain < 0 ? "-" : "") + Math.abs(gain).toFixed(1);
}

function toneOf(gain) {
  return gain === null || gain === 0 ? "even" : gain > 0 ? "gain" : "loss";
}

function codeBlock(lines, cut, label, tone) {
  const code = element("code");
  for (const [kind, ...parts] of lines) {
    const row = element("span", { class: kind ? `line ${kind}` : "line" });
    for (const [tone, text] of parts) row.append(tone ? element("span", { class: tone }, text) : text);
    row.append("\n");
    code.append(row);
  }
  if (cut) code.append(element("span", { class: "line cut" }, `… ${cut.toLocaleString("en")} more characters are in the file`));
  return element("pre", { tabindex: 0, "aria-label": label, role: "group", class: tone }, code);
}

// A block with the button that copies what is in it.
function textBlock(shown, lines, label, tone) {
  return element("div", { class: "block" }, codeBlock(lines(shown), shown.cut, label, tone), copyButton(label, shown.text));
}

const asLua = (shown) => luaLines(shown.text.replace(/\n$/, "")).map((line) => ["", ...line]);
const asPlain = (shown) => plainLines(shown.text.replace(/\n$/, "")).map((line) => ["", ...line]);

function diffBlock(before, after, names) {
  const old = luaLines(before.text.replace(/\n$/, "")), now = luaLines(after.text.replace(/\n$/, ""));
  const plain = (lines) => lines.map((line) => line.map((part) => part[1]).join(""));
  const changes = lineDiff(plain(old), plain(now));
  if (changes === null) return element("p", { class: "muted" }, "Too long to compare here.");
  if (changes.every(([sign]) => sign === " ")) return element("p", { class: "muted equal" }, `The same as ${names[0]}.`);
  const tones = { " ": "", "-": "removed", "+": "added" };
  const lines = changes.map(([sign, i, j]) => [tones[sign], ["sign", sign + " "], ...(sign === "+" ? now[j] : old[i])]);
  const box = element("div", {}, element("p", { class: "small muted" }, `− ${names[0]}   + ${names[1]}`));
  box.append(codeBlock(lines, before.cut || after.cut, `${names[0]} against ${names[1]}`));
  return box;
}

function programView(task, arm, sample, other, view) {
  const here = `${armName(arm).toLowerCase()} sample ${sample.index}`;
  if (view === "written") return textBlock(sample.written, asPlain, `whole completion, ${here}`);
  if (sample.program === null) {
    const box = element("div", {}, element("p", { class: "muted" }, "No program found; the whole completion:"));
    box.append(textBlock(sample.written, asPlain, `whole completion, ${here}`));
    return box;
  }
  if (view === "reference") return diffBlock(referenceProgram(task), sample.program, ["the reference", here]);
  if (view === "base" && other && other.program) return diffBlock(other.program, sample.program, [`base sample ${other.index}`, here]);
  return textBlock(sample.program, task.answer === "calls" ? asCalls : asLua, `program, ${here}`);
}

// A repair's reference is a diff: what it is compared with is the input, once the diff is applied to it.
function referenceProgram(task) {
  return task.answer === "diff" ? { text: patched(task.input.text, task.reference.text), cut: 0 } : task.reference;
}

// The reference's hunks apply exactly: its own checks passed in Gate A. Anything else is shown as the diff it is.
function patched(source, diff) {
  const lines = source.split("\n"), made = [];
  let at = 0;
  for (const hunk of diff.split(/^@@.*$/m).slice(1)) {
    const body = hunk.replace(/^\n/, "").replace(/\n$/, "").split("\n").filter((line) => !line.startsWith("\\"));
    const old = body.filter((line) => line[0] !== "+").map((line) => line.slice(1));
    let start = at;
    while (start <= lines.length - old.length && !old.every((line, i) => lines[start + i] === line)) start += 1;
    if (start > lines.length - old.length) return diff;
    made.push(...lines.slice(at, start), ...body.filter((line) => line[0] !== "-").map((line) => line.slice(1)));
    at = start + old.length;
  }
  return at || made.length ? [...made, ...lines.slice(at)].join("\n") : diff;
}

function availableViews(task, arm, sample, other) {
  const views = ["program"];
  if (arm === "cell" && sample.program && other && other.program) views.push("base");
  if (sample.program && task.reference.text) views.push("reference");
  if (sample.program) views.push("written");
  return views;
}

function checkList(sample) {
  const signs = { true: ["✓", "ok"], false: ["✗", "failed"], null: ["○", "open"] };
  return element("ul", { class: "checks", "aria-label": "Checks" }, ...sample.checks.map(([name, passed, detail]) => {
    const [sign, tone] = signs[passed];
    return element("li", { class: tone }, element("span", { class: "sign", "aria-hidden": "true" }, sign), ` ${visible(name)}`,
      passed === null ? element("span", { class: "muted" }, " not reached") : "",
      passed === false && detail ? element("span", { class: "muted" }, ` ${visible(detail)}`) : "");
  }));
}

function named(label, items) {
  if (!items.length) return "";
  return element("div", {}, element("dt", {}, label), element("dd", {}, items.map(visible).join(" · ")));
}

function sampleStrip(arm, samples, selected, choose) {
  return element("div", { class: "strip", role: "group", "aria-label": `${armName(arm)} samples` }, ...samples.map((sample, place) =>
    element("button", {
      type: "button", class: `chip ${sample.outcome}`, "aria-pressed": String(place === selected), title: `sample ${sample.index}: ${sample.outcome}`,
      "aria-label": `${armName(arm)} sample ${sample.index}: ${sample.outcome}`, onclick: () => choose(arm, place),
    }, OUTCOME_SIGNS[sample.outcome] || "?")));
}

function armPane(book, task, state, arm, acts) {
  const mine = task[arm], sample = mine.samples[state.chosen[arm]], other = arm === "cell" ? task.base.samples[state.chosen.base] : null;
  const heading = element("h4", {}, armName(arm), element("span", { class: "muted" }, mine.n === null ? "" : ` ${mine.c} of ${mine.n} passed`));
  const pane = element("section", { class: `arm-pane${state.arm === arm ? " active" : ""}`, "data-arm": arm, "aria-label": armName(arm) }, heading);
  if (!sample) return pane.append(element("p", { class: "muted" }, "Its samples are not in this page.")), pane;
  const views = availableViews(task, arm, sample, other), view = views.includes(state.view[arm]) ? state.view[arm] : "program";
  const command = replayCommand(book, task, arm, sample);
  pane.append(
    sampleStrip(arm, mine.samples, state.chosen[arm], acts.choose),
    element("p", { class: "end" }, element("strong", { class: `outcome-tag ${sample.outcome}` }, sample.outcome),
      element("span", { class: "why" }, ` ${sample.detail}`)),
    views.length < 2 ? "" : element("div", { class: "views", role: "group", "aria-label": "What is shown" }, ...views.map((name) =>
      element("button", { type: "button", "aria-pressed": String(name === view), onclick: () => acts.show(arm, name) }, VIEWS[name]))),
    programView(task, arm, sample, other, view),
    checkList(sample),
    element("dl", { class: "told" }, markList(sample.marks), madeTree(sample.registered), named("calls", sample.calls), findingList(sample.findings)),
    element("p", { class: "small muted" }, `${sample.tokens} tokens · ${sample.milliseconds} ms · seed ${sample.seed} · ${sample.circumstances}`),
    element("p", { class: "replay" }, element("code", {}, command),
      copyButton("the command", command)),
  );
  return pane;
}

function taskPane(book, task, state, acts) {
  const about = [task.family, task.kind, task.difficulty ? `difficulty ${task.difficulty}` : "", `cluster ${task.cluster}`];
  const block = (title, shown, lines, open) => shown.text
    ? element("details", { open }, element("summary", {}, title), textBlock(shown, lines, title, lines === asPlain ? "prose" : null)) : "";
  // A documentation task's input is prose, and so is what a task for tool calls tells of its place.
  const input = task.family === "doc" || task.answer === "calls" ? asPlain : asLua;
  return element("article", { class: "task-pane", "aria-label": `Task ${task.name}` },
    element("h3", {}, task.name, task.gain === null ? "" : element("span", { class: `gain ${toneOf(task.gain)}` }, ` ${signed(task.gain)} pp`),
      task.status === "CLEAN" ? "" : element("span", { class: "tag no" }, task.status.toLowerCase())),
    element("p", { class: "small muted" }, about.filter(Boolean).join(" · ")),
    task.seen.length ? element("ul", { class: "seen small" }, ...task.seen.map((line) => element("li", {}, visible(line)))) : "",
    element("p", { class: "instruction" }, task.instruction.text, task.instruction.cut ? " …" : ""),
    block("Prompt, exactly as the model reads it", task.prompt, asPlain, false),
    block("Input", task.input, input, true),
    block("Reference answer", task.reference, task.answer === "code" ? asLua : asPlain, false),
    element("div", { class: "arms" }, armPane(book, task, state, "base", acts), book.cell ? armPane(book, task, state, "cell", acts) : ""),
  );
}
