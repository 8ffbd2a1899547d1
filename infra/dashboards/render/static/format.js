// Numbers in Grafana's units, and times, as people read them.
"use strict";
const Format = (() => {
  const plain = (value, digits) => value.toLocaleString("en-US", { maximumFractionDigits: digits });
  // Three significant digits: 1.23, 12.3, 123.
  const digitsOf = (value) => {
    const size = Math.abs(value);
    if (size === 0 || size >= 100) return 0;
    return size >= 10 ? 1 : size >= 1 ? 2 : Math.min(6, 2 - Math.floor(Math.log10(size)) - 1);
  };
  const rounded = (value) => plain(value, digitsOf(value));
  const stepped = (value, steps) => {
    const size = Math.abs(value);
    const [factor, unit] = steps.find(([least]) => size >= least) || steps[steps.length - 1];
    return `${rounded(value / factor)}${unit}`;
  };
  const COUNTS = [[1e12, " T"], [1e9, " B"], [1e6, " M"], [1e4, " K", 1e3]].map(([least, unit, by]) => [least, unit, by || least]);
  const count = (value) => {
    const found = COUNTS.find(([least]) => Math.abs(value) >= least);
    if (found) return `${rounded(value / found[2])}${found[1]}`;
    return Number.isInteger(value) ? plain(value, 0) : rounded(value);
  };
  const TIMES = [[86400 * 365, " y"], [86400, " d"], [3600, " h"], [60, " min"], [1, " s"], [1e-3, " ms"], [1e-6, " µs"], [1e-9, " ns"]];
  const time = (seconds) => (seconds === 0 ? "0 s" : stepped(seconds, TIMES));
  const BYTES = [[2 ** 50, " PiB"], [2 ** 40, " TiB"], [2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]];
  const money = (sign) => (value) => {
    const size = Math.abs(value);
    const minus = value < 0 ? "-" : "";
    if (size >= 1e6) return `${minus}${sign}${count(size)}`;
    if (size >= 1000 || size === 0) return `${minus}${sign}${plain(size, 0)}`;
    if (size >= 0.1) return `${minus}${sign}${size.toFixed(2)}`;
    return `${minus}${sign}${size.toLocaleString("en-US", { maximumSignificantDigits: 2 })}`;
  };
  const share = (value) => {
    const percent = value * 100;
    const size = Math.abs(percent);
    return `${plain(percent, size === 0 || size >= 100 ? (size > 100 ? 0 : 1) : size >= 10 ? 1 : size >= 1 ? 2 : digitsOf(percent))}%`;
  };
  const UNITS = {
    short: count, none: rounded, currencyUSD: money("$"), currencyEUR: money("€"), currencyGBP: money("£"),
    percentunit: share, percent: (value) => share(value / 100),
    d: (value) => time(value * 86400), h: (value) => time(value * 3600), m: (value) => time(value * 60),
    s: time, ms: (value) => time(value / 1e3), "µs": (value) => time(value / 1e6), ns: (value) => time(value / 1e9),
    bytes: (value) => (value === 0 ? "0 B" : stepped(value, BYTES)),
    Bps: (value) => `${stepped(value, BYTES)}/s`,
    reqps: (value) => `${count(value)} req/s`, ops: (value) => `${count(value)} ops/s`, cps: (value) => `${count(value)}/s`,
  };
  const number = (value, unit, decimals) => {
    if (value === null || value === undefined) return "–";
    if (decimals !== undefined && decimals !== null && (!unit || unit === "short" || unit === "none")) return value.toFixed(decimals);
    const made = UNITS[unit || "short"];
    return made ? made(value) : `${count(value)} ${unit}`;
  };
  // On an axis: no zeros that say nothing.
  const tick = (value, unit) => number(value, unit).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
  // Distances between an axis' marks that read well in the unit: whole minutes, powers of two.
  const decades = (from, to) => Array.from({ length: to - from }, (_, at) => [1, 2, 5].map((step) => step * 10 ** (from + at))).flat();
  const clockSteps = [...decades(-9, 1), 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000, 2592000, 8640000];
  const SECONDS = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 };
  const steps = (unit) => {
    if (SECONDS[unit]) return clockSteps.map((step) => step / SECONDS[unit]);
    if (unit === "bytes" || unit === "Bps") return Array.from({ length: 60 }, (_, at) => 2 ** at);
    return decades(-9, 15);
  };
  const two = (value) => String(value).padStart(2, "0");
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const day = (at) => `${at.getDate()} ${MONTHS[at.getMonth()]}`;
  const clock = (at, seconds = true) => `${two(at.getHours())}:${two(at.getMinutes())}${seconds ? `:${two(at.getSeconds())}` : ""}`;
  const moment = (ms, fine = false) => {
    const at = new Date(ms);
    return `${day(at)} ${clock(at)}${fine ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : ""}`;
  };
  // A time axis' marks: as fine as their distance asks for.
  const mark = (ms, step) => {
    const at = new Date(ms);
    if (step >= 86400) return day(at);
    const midnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0;
    return midnight ? day(at) : clock(at, step < 60);
  };
  return { number, tick, steps, moment, mark, day, clock };
})();
