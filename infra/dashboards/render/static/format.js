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
    if (size >= 1) return `${minus}${sign}${size.toFixed(2)}`;
    return `${minus}${sign}${size.toLocaleString("en-US", { maximumSignificantDigits: 3 })}`;
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
  return { number, moment, mark, day, clock };
})();
