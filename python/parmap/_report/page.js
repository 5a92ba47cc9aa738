"use strict";
// Draws the figures of a report. The grid is drawn anew when another part of it is chosen.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const config = { responsive: true, displaylogo: false };
  const common = { margin: { l: 70, r: 20, t: 30, b: 60 }, paper_bgcolor: "white", plot_bgcolor: "white", font: { size: 13 } };
  for (const [name, figure] of Object.entries(data.figures))
    Plotly.newPlot(name, figure.data ?? linesOf(figure.lines), { ...common, ...figure.layout }, config);

  // A trace for each kind of slice. Each slice is a line of three points and a gap: the mouse finds its ends and its middle.
  function linesOf(packed) {
    const types = { f8: Float64Array, f4: Float32Array, u4: Uint32Array, u2: Uint16Array, u1: Uint8Array };
    const unpack = ({ dtype, bdata }) => new types[dtype](Uint8Array.from(atob(bdata), (c) => c.charCodeAt(0)).buffer);
    const [begin, seconds, worker, kind, first, tasks] =
      ["begin", "seconds", "worker", "kind", "first", "tasks"].map((name) => unpack(packed[name]));
    const rows = worker.reduce((a, b) => Math.max(a, b), 0) + 1;
    const traces = packed.kinds.map(([name, color]) => ({
      type: "scattergl", mode: "lines", name, x: [], y: [], text: [], connectgaps: false,
      line: { color, width: Math.max(2, Math.min(16, 600 / rows)) }, hovertemplate: `%{text}<extra>${name}</extra>`,
    }));
    for (let k = 0; k < begin.length; k++) {
      const { x, y, text } = traces[kind[k]];
      const inputs = packed.inputs[k] === undefined ? "" : ` (${packed.inputs[k]})`;
      x.push(begin[k], begin[k] + seconds[k] / 2, begin[k] + seconds[k], null);
      y.push(worker[k], worker[k], worker[k], null);
      const what = `${tasks[k] > 1 ? `${tasks[k]} tasks` : `task ${first[k]}`}${inputs}: ${seconds[k].toPrecision(3)} s`;
      text.push(what, what, what, "");
    }
    return traces.filter((trace) => trace.x.length > 0);
  }
  const grid = data.grid;
  if (grid === null) return;

  const at = (id) => document.getElementById(id);
  const sizes = grid.values.map((axis) => axis.length);
  const strides = sizes.map((_, k) => sizes.slice(k + 1).reduce((a, b) => a * b, 1));
  const chosen = sizes.map(() => 0); // the place on each axis that is not drawn
  const order = sizes.map((_, k) => k).sort((a, b) => sizes[b] - sizes[a] || a - b); // the longest axes first
  const plain = (text) => new DOMParser().parseFromString(String(text), "text/html").documentElement.textContent;
  const fill = (select, texts, value) => {
    texts.forEach((text, k) => select.add(new Option(plain(text), k)));
    select.value = value;
  };
  fill(at("quantity"), grid.quantities.map(([name]) => name), 0);
  fill(at("across"), grid.names, order[0]);
  if (sizes.length > 1) fill(at("up"), grid.names, order[1]);
  else at("up").parentElement.hidden = true;

  const numeric = (axis) => axis.every((each) => typeof each === "number");
  const cells = (across, up) => {
    let base = 0;
    chosen.forEach((place, k) => { if (k !== across && k !== up) base += place * strides[k]; });
    return (x, y) => base + x * strides[across] + (up === null ? 0 : y * strides[up]);
  };
  const about = (cell) => (grid.failed[cell] ? grid.kinds[grid.failed[cell] - 1] : "");

  function draw() {
    const across = Number(at("across").value);
    let up = sizes.length > 1 ? Number(at("up").value) : null;
    if (up === across) {
      up = order.find((k) => k !== across);
      at("up").value = up;
    }
    rest(across, up);
    const [name, numbers] = grid.quantities[Number(at("quantity").value)];
    const title = name === "seconds" ? "time, s" : name;
    const cell = cells(across, up);
    const xs = grid.values[across];
    const ys = up === null ? [""] : grid.values[up];
    const kind = (axis) => (numeric(axis) ? {} : { type: "category" });
    const rows = ys.map((_, y) => xs.map((_, x) => cell(x, y)));
    const lines = rows.slice(0, 60).map((row, y) => ({
      type: "scatter", mode: xs.length > 200 ? "lines" : "lines+markers", x: xs, y: row.map((c) => numbers[c]),
      text: row.map(about), name: up === null ? title : `${grid.names[up]} = ${ys[y]}`,
      hovertemplate: "%{x}: %{y} %{text}<extra>%{fullData.name}</extra>",
    }));
    const layout = {
      ...common, height: 380, xaxis: { title: { text: grid.names[across] }, ...kind(xs) }, yaxis: { title: { text: title } },
      showlegend: up !== null,
    };
    Plotly.react("plot", lines, layout, config);
    at("map").hidden = up === null;
    if (up === null) return;
    const map = {
      type: "heatmap", x: xs, y: ys, z: rows.map((row) => row.map((c) => numbers[c])), text: rows.map((row) => row.map(about)),
      colorscale: name === "failed" ? [[0, "#dbe7f5"], [1, "#d62728"]] : "Viridis", colorbar: { title: { text: title } },
      hovertemplate: `${grid.names[across]} = %{x}<br>${grid.names[up]} = %{y}<br>${title} = %{z} %{text}<extra></extra>`,
      hoverongaps: true,
    };
    if (name === "failed") Object.assign(map, { zmin: 0, zmax: 1, showscale: false });
    Plotly.react("map", [map], {
      ...common, height: 420, xaxis: { title: { text: grid.names[across] }, ...kind(xs) },
      yaxis: { title: { text: grid.names[up] }, ...kind(ys) },
    }, config);
  }

  // A slider for each axis that is not drawn.
  function rest(across, up) {
    const box = at("rest");
    box.replaceChildren();
    sizes.forEach((size, k) => {
      if (k === across || k === up) return;
      const label = document.createElement("label");
      const value = document.createElement("output");
      const slider = document.createElement("input");
      Object.assign(slider, { type: "range", min: 0, max: size - 1, value: chosen[k], disabled: size < 2 });
      const name = document.createElement("span");
      const show = () => { value.textContent = plain(grid.values[k][chosen[k]]); };
      name.textContent = plain(grid.names[k]);
      slider.addEventListener("input", () => { chosen[k] = Number(slider.value); show(); });
      slider.addEventListener("change", draw);
      show();
      label.append(name, slider, value);
      box.append(label);
    });
  }

  for (const id of ["quantity", "across", "up"]) at(id).addEventListener("change", draw);
  draw();
})();
