// Numbers in words and units.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const SIZES = ["bytes", "KiB", "MiB", "GiB", "TiB"];
const SPANS = [[86_400, "d"], [3600, "h"], [60, "min"]];

export const count = (number) => WHOLE.format(number);

// "1 call", "1,234 calls".
export const counted = (number, one, several = `${one}s`) => `${count(number)} ${number === 1 ? one : several}`;

export function size(bytes) {
  const step = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), SIZES.length - 1);
  return `${SHORT.format(bytes / 1024 ** step)} ${SIZES[step]}`;
}

// A length of time: "40 ms", "1.5 s", "2 min", "3 h".
export function duration(seconds) {
  if (seconds > 0 && seconds < 1) return `${WHOLE.format(seconds * 1000)} ms`;
  const [unit, name] = SPANS.find(([least]) => seconds >= least) ?? [1, "s"];
  return `${SHORT.format(seconds / unit)} ${name}`;
}

// A length of time that goes on, to the second: "12 s", "4 min 12 s", "2 h 5 min", "3 d 1 h".
export function span(seconds) {
  const whole = Math.floor(seconds);
  const index = SPANS.findIndex(([least]) => whole >= least);
  if (index < 0) return `${whole} s`;
  const [unit, name] = SPANS[index];
  const [below, belowName] = SPANS[index + 1] ?? [1, "s"];
  const rest = Math.floor((whole % unit) / below);
  return `${count(Math.floor(whole / unit))} ${name}${rest ? ` ${rest} ${belowName}` : ""}`;
}
