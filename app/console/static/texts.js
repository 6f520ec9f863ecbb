// Fields that hold several things, as text.

// The words of a text, between spaces and commas.
export const words = (text) => text.split(/[\s,]+/).filter(Boolean);

// Reads a pair in each line, {pairs, error}: with the mark "=", "deal=4711" is {deal: "4711"}. `error` says in words
// what is wrong, empty if nothing is.
export function pairsOf(text, mark) {
  const pairs = new Map();
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const place = line.indexOf(mark);
    const name = line.slice(0, Math.max(place, 0)).trim();
    if (!name) return { pairs: {}, error: `There is no name and no “${mark}” in this line: ${line}` };
    if (pairs.has(name)) return { pairs: {}, error: `“${name}” is there twice.` };
    pairs.set(name, line.slice(place + mark.length).trim());
  }
  return { pairs: Object.fromEntries(pairs), error: "" };
}
