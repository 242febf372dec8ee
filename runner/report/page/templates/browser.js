// The sample browser: filters, the list of tasks, keys and deep links; it only ever makes text of what a model wrote.
async function startBrowser() {
  const box = document.getElementById("browser"), packed = document.getElementById("samples-data");
  if (!box || !packed) return;
  if (typeof DecompressionStream === "undefined") {
    document.getElementById("browser-note").textContent = "This browser is too old to unpack the samples; they are in the files named here.";
    return;
  }
  try {
    const book = await unpackSamples(packed.textContent);
    if (book.tasks.length) new SampleBrowser(book, box).start();
  } catch (error) {
    document.getElementById("browser-note").textContent = `The samples in this page could not be unpacked (${error}); they are in the files named here.`;
  }
}

const FILTERS = ["text", "family", "kind", "change", "outcome", "status", "sort"];

class SampleBrowser {
  constructor(book, box) {
    this.book = book;
    this.box = box;
    this.form = box.querySelector("form");
    this.list = box.querySelector(".task-list");
    this.place = box.querySelector(".pane-place");
    this.shown = [];
    this.task = null;
    this.state = { arm: book.cell ? "cell" : "base", chosen: { base: 0, cell: 0 }, view: { base: "program", cell: "program" } };
  }

  start() {
    this.fillFilters();
    this.box.hidden = false;
    document.getElementById("browser-note").hidden = true;
    this.form.addEventListener("input", () => this.refilter());
    this.form.addEventListener("reset", () => setTimeout(() => this.refilter()));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => this.pick(event.target.closest("[role=option]")));
    this.list.addEventListener("keydown", (event) => this.listKey(event));
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("hashchange", () => this.followLink());
    this.box.querySelector(".help-button").addEventListener("click", () => this.help());
    this.filter();
    this.followLink();
  }

  fillFilters() {
    const tasks = this.book.tasks;
    this.fill("family", count(tasks.map((task) => task.family)));
    this.fill("kind", count(tasks.map((task) => task.kind)));
    const statuses = count(tasks.map((task) => task.status));
    this.fill("status", statuses);
    this.form.elements.status.closest("label").hidden = statuses.length < 2;
    for (const arm of this.book.cell ? ["cell", "base"] : ["base"]) {
      const counts = count(tasks.flatMap((task) => task[arm].samples.map((sample) => sample.outcome)));
      const group = element("optgroup", { label: armName(arm) }, ...counts.map(([name, number]) =>
        element("option", { value: `${arm}:${name}` }, `${armName(arm).toLowerCase()} ${name} (${number})`)));
      this.form.elements.outcome.append(group);
    }
    const change = this.form.elements.change;
    change.closest("label").hidden = !this.book.cell;
    if (!this.book.cell) for (const value of ["gain", "cell"]) this.form.querySelector(`[name=sort] [value=${value}]`).remove();
    for (const option of [...change.options]) {
      const number = option.value ? tasks.filter(CHANGES[option.value]).length : tasks.length;
      option.textContent += ` (${number})`;
    }
  }

  fill(name, counts) {
    this.form.elements[name].append(...counts.map(([value, number]) => element("option", { value }, `${value} (${number})`)));
  }

  wanted() {
    const value = (name) => this.form.elements[name].value;
    return {
      family: value("family"), kind: value("kind"), status: value("status"), change: value("change"), outcome: value("outcome"),
      words: searchWords(value("text")),
    };
  }

  // What a reader chose is kept in the address; what the address asked for is there already.
  refilter() {
    this.filter();
    this.remember();
  }

  filter() {
    const wanted = this.wanted(), order = ORDERS[this.form.elements.sort.value];
    this.shown = this.book.tasks.filter((task) => matches(task, wanted));
    if (order) this.shown.sort(order);
    this.list.replaceChildren(...this.shown.map((task) => this.option(task)));
    this.form.querySelector("output").textContent = `${this.shown.length} of ${this.book.tasks.length} tasks`;
    if (!this.shown.includes(this.task)) this.task = this.shown[0] || null;
    this.chooseMatching(wanted.outcome);
    this.draw();
  }

  // An outcome that is asked for is what is looked at first.
  chooseMatching(filter) {
    const [arm, outcome] = filter.split(":");
    if (!this.task || !outcome) return;
    const place = this.task[arm].samples.findIndex((sample) => sample.outcome === outcome);
    if (place >= 0) Object.assign(this.state, { arm, chosen: { ...this.state.chosen, [arm]: place } });
  }

  option(task) {
    const counts = this.book.cell ? `${task.base.c} → ${task.cell.c}` : `${task.base.c}`;
    const said = this.book.cell ? `passed: base ${task.base.c} of ${task.base.n}, adapter ${task.cell.c} of ${task.cell.n}` : `passed: ${task.base.c} of ${task.base.n}`;
    return element("li", { role: "option", id: `task-${task.place}`, "data-place": task.place, title: said },
      element("span", { class: `gain ${toneOf(task.gain)}` }, signed(task.gain)),
      element("span", { class: "id" }, task.name, task.status === "CLEAN" ? "" : element("span", { class: "no", title: task.status }, " ●")),
      element("span", { class: "counts" }, counts));
  }

  draw() {
    this.place.replaceChildren(this.task
      ? taskPane(this.book, this.task, this.state, { choose: (...args) => this.choose(...args), show: (...args) => this.show(...args) })
      : element("p", { class: "muted" }, "No task is like that."));
    for (const option of this.list.children) option.setAttribute("aria-selected", String(Number(option.dataset.place) === this.task?.place));
    if (!this.task) return this.list.removeAttribute("aria-activedescendant");
    this.list.setAttribute("aria-activedescendant", `task-${this.task.place}`);
    const option = document.getElementById(`task-${this.task.place}`), list = this.list;
    const above = option.offsetTop < list.scrollTop, below = option.offsetTop + option.offsetHeight > list.scrollTop + list.clientHeight;
    if (above || below) list.scrollTop = option.offsetTop - list.clientHeight / 3;
  }

  pick(option) {
    if (option) this.open(this.book.tasks[Number(option.dataset.place)]);
  }

  open(task, chosen = { base: 0, cell: 0 }) {
    this.task = task;
    this.state.chosen = { base: 0, cell: 0, ...chosen };
    this.chooseMatching(this.wanted().outcome);
    this.draw();
    this.remember();
  }

  choose(arm, place) {
    this.state.arm = arm;
    this.state.chosen[arm] = place;
    this.draw();
    this.remember();
    this.box.querySelector(`[data-arm=${arm}] .chip[aria-pressed=true]`)?.focus({ preventScroll: true });
  }

  show(arm, view) {
    this.state.arm = arm;
    this.state.view[arm] = view;
    this.draw();
    this.box.querySelector(`[data-arm=${arm}] .views [aria-pressed=true]`)?.focus({ preventScroll: true });
  }

  // The address of what is shown: the filters that are set, then task, arm and sample.
  link() {
    const parts = FILTERS.map((name) => [name, this.form.elements[name].value.trim()]).filter(([, value]) => value);
    if (this.task) {
      const sample = this.task[this.state.arm].samples[this.state.chosen[this.state.arm]];
      parts.push(["task", this.task.id], ["arm", this.state.arm === "base" ? "base" : "adapter"], ["sample", sample ? sample.index : 0]);
    }
    return `#${parts.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`;
  }

  remember() {
    history.replaceState(null, "", this.link());
  }

  followLink() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (![...FILTERS, "task"].some((name) => asked.has(name))) return;
    for (const name of FILTERS) this.form.elements[name].value = asked.get(name) || "";
    this.filter();
    if (asked.has("task")) this.openLinked(asked);
    this.box.scrollIntoView();
  }

  openLinked(asked) {
    const task = this.book.tasks.find((one) => one.id === asked.get("task"));
    if (!task) return this.place.prepend(element("p", { role: "status" }, `No task is called ${visible(asked.get("task"))}.`));
    if (!this.shown.includes(task)) {
      this.form.reset();
      this.filter();
    }
    const arm = !this.book.cell || asked.get("arm") === "base" ? "base" : "cell";
    const place = task[arm].samples.findIndex((sample) => String(sample.index) === asked.get("sample"));
    this.state.arm = arm;
    this.task = task;
    this.state.chosen = { base: 0, cell: 0, [arm]: Math.max(0, place) };
    this.draw();
  }

  move(step) {
    const next = this.shown[this.shown.indexOf(this.task) + step];
    if (next) this.open(next);
    const top = this.box.getBoundingClientRect().top;
    if (top < 0 || top > window.innerHeight / 2) this.box.scrollIntoView();
  }

  turn(step) {
    const arm = this.state.arm, place = this.state.chosen[arm] + step;
    if (this.task && this.task[arm].samples[place]) this.choose(arm, place);
  }

  nextView() {
    const button = this.box.querySelector(`[data-arm=${this.state.arm}] .views [aria-pressed=true]`);
    (button?.nextElementSibling || button?.parentElement.firstElementChild)?.click();
  }

  otherArm() {
    if (!this.book.cell) return;
    this.state.arm = this.state.arm === "base" ? "cell" : "base";
    this.draw();
    this.remember();
  }

  help() {
    const dialog = document.getElementById("keys");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  listKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.move(step);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const acts = {
      j: () => this.move(1), k: () => this.move(-1), l: () => this.turn(1), h: () => this.turn(-1), a: () => this.otherArm(),
      d: () => this.nextView(), "?": () => this.help(), "/": () => { this.box.scrollIntoView(); this.form.elements.text.focus(); },
      c: () => this.box.querySelector(`[data-arm=${this.state.arm}] .replay .copy`)?.click(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

// Words that must all occur; what stands in quotes is one of them.
function searchWords(text) {
  return [...text.toLowerCase().matchAll(/"([^"]+)"|\S+/g)].map((match) => match[1] || match[0]);
}

// Each distinct value with how often it occurs, the most frequent first.
function count(values) {
  const found = new Map();
  for (const value of values) found.set(value, (found.get(value) || 0) + 1);
  return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

startBrowser();
