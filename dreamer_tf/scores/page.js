// Draws the charts of a comparison and sorts its table. `charts` and `vegaEmbed` come before it.
"use strict";

const config = {
  font: "inherit", background: null, view: { stroke: null },
  axis: {
    labelColor: "var(--muted)", titleColor: "var(--muted)", gridColor: "var(--line)",
    domainColor: "var(--line)", tickColor: "var(--line)", labelFontSize: 11, titleFontSize: 11,
    titleFontWeight: "normal", labelFont: "system-ui, DejaVu Sans, sans-serif",
    titleFont: "system-ui, DejaVu Sans, sans-serif", tickSize: 4,
  },
  axisY: { titlePadding: 6 },
};

// Points of a panel stand in columns, so that no name is repeated a thousand times.
function points(columns, agents) {
  const names = Object.keys(columns);
  return (columns[names[0]] || []).map((_, row) => {
    const point = {};
    for (const name of names) {
      const value = columns[name][row];
      if (value !== null) point[name] = name === "agent" ? agents[value] : value;
    }
    return point;
  });
}

async function draw(place, chart) {
  const element = document.getElementById(place);
  const template = charts.specs[chart.spec];
  const spec = chart.columns ? {
    ...template, config, width: "container",
    autosize: { type: "fit-x", contains: "padding" },
    data: { values: points(chart.columns, charts.agents) },
  } : { ...template, config: { ...template.config, ...config } };
  try {
    await vegaEmbed(element, spec, { actions: false, renderer: "svg" });
  } catch (error) {
    element.textContent = String(error);
  }
}

async function drawAll() {
  for (const [place, chart] of Object.entries(charts.places)) await draw(place, chart);
  document.body.dataset.drawn = "all";
}

function sortBy(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const text = column === 0;
  const before = header.getAttribute("aria-sort");
  const up = before ? before === "descending" : text;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = (row) => {
    const cell = row.cells[column];
    return text ? cell.textContent : parseFloat(cell.dataset.value ?? "NaN");
  };
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (text) return x.localeCompare(y);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || 0;
    return x - y;
  };
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const gap = !text && (Number.isNaN(key(a)) || Number.isNaN(key(b)));
    return gap || up ? compare(a, b) : -compare(a, b);  // rows without a score stay at the end
  });
  table.tBodies[0].append(...rows);
}

for (const header of document.querySelectorAll("table.games thead th")) {
  header.querySelector("button")?.addEventListener("click", () => sortBy(header));
}
for (const box of document.querySelectorAll("input[data-show]")) {
  const show = () => document.getElementById("games").classList.toggle(box.dataset.show, box.checked);
  box.addEventListener("change", show);
  show();
}
for (const choice of document.querySelectorAll("input[data-spec]")) {
  choice.addEventListener("change", () => {
    const chart = charts.places[choice.dataset.place];
    draw(choice.dataset.place, { ...chart, spec: choice.dataset.spec });
  });
}
drawAll();
