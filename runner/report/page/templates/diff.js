// The difference of two texts by lines: a longest common subsequence between the equal head and the equal tail.
const DIFF_MOST_CELLS = 4_000_000;

// Returns [sign, index in before, index in after] for each line, sign " ", "-" or "+"; null when it would take too long.
function lineDiff(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (
    tail < before.length - head && tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) tail += 1;
  const rows = before.length - head - tail, columns = after.length - head - tail;
  if (rows * columns > DIFF_MOST_CELLS) return null;
  const same = [];
  for (let i = 0; i < head; i += 1) same.push([" ", i, i]);
  const middle = diffMiddle(before.slice(head, head + rows), after.slice(head, head + columns));
  for (const [sign, i, j] of middle) same.push([sign, i + head, j + head]);
  for (let i = tail; i > 0; i -= 1) same.push([" ", before.length - i, after.length - i]);
  return same;
}

function diffMiddle(before, after) {
  const wide = after.length + 1, length = new Uint32Array((before.length + 1) * wide);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      length[i * wide + j] = before[i] === after[j]
        ? length[(i + 1) * wide + j + 1] + 1
        : Math.max(length[(i + 1) * wide + j], length[i * wide + j + 1]);
    }
  }
  const found = [];
  let i = 0, j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) found.push([" ", i++, j++]);
    else if (i < before.length && (j === after.length || length[(i + 1) * wide + j] >= length[i * wide + j + 1])) found.push(["-", i++, j]);
    else found.push(["+", i, j++]);
  }
  return found;
}
