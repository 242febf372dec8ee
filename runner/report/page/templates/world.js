// What a program left behind in its world, and its marks: names and numbers, beside the verdict.
const MARK_NAMES = ["syntax", "api", "bugs", "quality"];

// "Part Workspace.Door.Handle" as [kind, names]; "node mymod:lamp" has one name.
function madeThing(item) {
  const space = item.indexOf(" ");
  return space < 0 ? ["", [item]] : [item.slice(0, space), item.slice(space + 1).split(".")];
}

// A list of things made, as a tree where their names are paths: instances stand below their parents.
function madeTree(items) {
  const things = items.map(madeThing);
  if (!things.some(([, names]) => names.length > 1)) return named("registered", items);
  const root = new Map();
  for (const [kind, names] of things) {
    let below = root;
    for (const [place, name] of names.entries()) {
      if (!below.has(name)) below.set(name, { kind: "", count: 0, children: new Map() });
      const node = below.get(name);
      if (place === names.length - 1) Object.assign(node, { kind, count: node.count + 1 });
      below = node.children;
    }
  }
  return element("div", {}, element("dt", {}, "made"), element("dd", {}, treeList(root)));
}

function treeList(level) {
  return element("ul", { class: "tree" }, ...[...level].map(([name, { kind, count, children }]) =>
    element("li", {}, visible(name), kind ? element("span", { class: "muted" }, ` ${visible(kind)}`) : "",
      count > 1 ? element("span", { class: "muted" }, ` × ${count}`) : "", children.size ? treeList(children) : "")));
}

// What runs beside a verdict, by kind: "deprecated: Part.Velocity" and its like stand together.
function findingList(findings) {
  if (!findings.length) return "";
  return element("div", {}, element("dt", {}, "findings"), element("dd", {},
    element("ul", { class: "findings" }, ...findings.map((finding) => element("li", {}, visible(finding))))));
}

function markList(marks) {
  if (!marks) return "";
  return element("div", {}, element("dt", {}, "marks"), element("dd", { class: "marks" }, ...MARK_NAMES.map((name, place) =>
    element("span", { class: "mark" }, `${name} `, element("strong", {}, marks[place].toFixed(2))))));
}

// A document of tool calls, one value a line; a document that was cut short stays as it is.
function asCalls(shown) {
  try {
    return asPlain({ text: JSON.stringify(JSON.parse(shown.text), null, 2) });
  } catch {
    return asPlain(shown);
  }
}
