// A time series answer as lines: one a name (or a figure's column), on common times, with gaps where nothing was.
"use strict";
const Series = (() => {
  const CONNECTED = 3; // a line goes on over as many missing points
  const COLORS = 12;
  const MEANINGS = { ok: "green", error: "red", failed: "red" };

  const lines = (answer) => {
    const time = answer.columns.findIndex((column) => column.kind === "time");
    const names = answer.columns.flatMap((column, at) => (column.kind === "string" ? [at] : []));
    const figures = answer.columns.flatMap((column, at) => (column.kind === "number" ? [at] : []));
    const found = new Map();
    for (const row of answer.rows)
      for (const figure of figures) {
        const label = names.map((at) => row[at] || "(none)").join(" ");
        const name = !names.length ? answer.columns[figure].name : figures.length > 1 ? `${label} ${answer.columns[figure].name}` : label;
        if (!found.has(name)) found.set(name, { name, column: answer.columns[figure].name, points: new Map() });
        found.get(name).points.set(row[time] / 1000, row[figure]);
      }
    const all = [...found.values()];
    // Named ones by name, whichever came first in the range: a line keeps its colour from one answer to the next.
    return names.length ? all.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true })) : all;
  };

  // Times of all lines; in a pause one more after its begin and one before its end, where nothing is drawn.
  const times = (all, interval) => {
    const seen = [...new Set(all.flatMap((line) => [...line.points.keys()]))].sort((a, b) => a - b);
    const made = [];
    seen.forEach((at, index) => {
      if (index && at - seen[index - 1] > interval * CONNECTED) made.push(seen[index - 1] + interval, at - interval);
      made.push(at);
    });
    return [...new Set(made)].sort((a, b) => a - b);
  };

  // The distance at which most points stand: a query may have points of an hour, whatever is asked for.
  const usual = (all) => {
    const seen = [...new Set(all.flatMap((line) => [...line.points.keys()]))].sort((a, b) => a - b);
    const steps = seen.slice(1).map((at, index) => at - seen[index]).sort((a, b) => a - b);
    return steps[Math.floor(steps.length / 2)] || 0;
  };

  const values = (line, at, interval, stacked) => {
    if (stacked) return at.map((time) => line.points.get(time) ?? 0);
    const made = at.map((time) => line.points.get(time) ?? null);
    // undefined is drawn over, null is a gap.
    let last = -1;
    made.forEach((value, index) => {
      if (value === null) return;
      if (last >= 0 && at[index] - at[last] <= interval * CONNECTED)
        for (let between = last + 1; between < index; between += 1) made[between] = undefined;
      last = index;
    });
    return made;
  };

  const wide = (answer, stacked) => {
    const all = lines(answer);
    const interval = Math.max(answer.interval, usual(all));
    const at = times(all, interval);
    const plain = new Set();
    let next = 0;
    for (const line of all) {
      line.values = values(line, at, interval, stacked);
      const meaning = MEANINGS[line.name.toLowerCase()];
      const free = meaning && !plain.has(meaning);
      if (free) plain.add(meaning);
      line.color = free ? meaning : `series-${(next++ % COLORS) + 1}`;
    }
    return { times: at, lines: all };
  };

  // Each line on top of those before it; what is hidden takes no room.
  const stack = (all, hidden) => {
    let below = null;
    return all.map((line) => {
      if (hidden.has(line.name)) return line.values.map(() => null);
      const top = line.values.map((value, index) => value + (below ? below[index] : 0));
      below = top;
      return top;
    });
  };
  // A line's amount, as its legend tells it: the mean of its points. Of a stack, what is not there is nothing.
  const amount = (line, stacked) => {
    const told = line.values.filter((value) => value !== null && value !== undefined);
    const known = [...line.points.values()].some((value) => value !== null);
    return known && told.length ? told.reduce((sum, value) => sum + value, 0) / (stacked ? line.values.length : told.length) : null;
  };
  return { wide, stack, amount };
})();
