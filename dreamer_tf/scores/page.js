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
  mark: { aria: false },  // a description of the chart is read, not a thousand points
};
config.axis.aria = false;

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

// What a screen reader says: the name of the chart, and the last value of each agent.
function described(chart) {
  const { columns, name } = chart;
  const values = columns?.y ?? columns?.value;
  if (!values) return name;
  const last = new Map();
  columns.agent.forEach((agent, row) => {
    if (values[row] !== null) last.set(charts.agents[agent], values[row]);
  });
  const words = [...last].map(([agent, value]) => `${agent} ${value}`);
  return `${name}: ${words.join(", ")}`;
}

async function draw(place, chart) {
  const element = document.getElementById(place);
  const template = charts.specs[chart.spec];
  const spec = chart.columns ? {
    ...template, config, width: "container", description: described(chart),
    autosize: { type: "fit-x", contains: "padding" },
    data: { values: points(chart.columns, charts.agents) },
  } : { ...template, config: { ...template.config, ...config } };
  try {
    await vegaEmbed(element, spec, { actions: false, renderer: "svg" });
  } catch (error) {
    element.textContent = String(error);
  }
}

function save(name, kind, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name.replace(/[^A-Za-z0-9]+/g, "_").slice(0, 80)
    + (kind === "text/csv" ? ".csv" : ".svg");
  link.click();
  URL.revokeObjectURL(link.href);
}

// One number in each cell, and no text that a spreadsheet takes for a formula.
function csv(rows) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

function chartRows(chart) {
  const names = Object.keys(chart.columns);
  const rows = chart.columns[names[0]].map((_, row) => names.map((name) => {
    const value = chart.columns[name][row];
    return name === "agent" ? charts.agents[value] : value;
  }));
  return [names, ...rows];
}

// The variables of the style sheet are replaced, so that the picture stands alone.
function picture(element) {
  const style = getComputedStyle(document.documentElement);
  return element.querySelector("svg").outerHTML
    .replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim())
    .replaceAll("inherit", "sans-serif");
}

function button(text, label, action) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "file";
  element.textContent = text;
  element.setAttribute("aria-label", label);
  element.addEventListener("click", action);
  return element;
}

function offer(place, chart) {
  const element = document.getElementById(place);
  const tools = document.createElement("div");
  tools.className = "save";
  tools.append(
    button("SVG", `Save '${chart.name}' as SVG`,
      () => save(chart.name, "image/svg+xml", picture(element))),
    button("CSV", `Save the points of '${chart.name}' as CSV`,
      () => save(chart.name, "text/csv", csv(chartRows(chart)))));
  element.parentElement.append(tools);
}

function tableRows(table) {
  const head = [...table.tHead.rows[0].cells].map((cell) => cell.querySelector("button").textContent);
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell, column) => {
    if (column === 0) return cell.firstChild.textContent;
    return cell.dataset.value === undefined ? null : parseFloat(cell.dataset.value);
  }));
  return [head, ...rows];
}

async function drawAll() {
  for (const [place, chart] of Object.entries(charts.places)) await draw(place, chart);
  for (const [place, chart] of Object.entries(charts.places)) if (chart.columns) offer(place, chart);
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
const games = document.getElementById("games");
games?.closest(".scroll").previousElementSibling?.append(
  button("CSV", "Save the table as CSV", () => save("scores", "text/csv", csv(tableRows(games)))));

// On paper nothing can be opened or scrolled.
const closed = new Set();
const PAPER = 700;  // pixels between the margins of A4 and of US letter
const SMALLER = 0.75;  // letters of tables on paper, as in the style sheet
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    if (details.querySelector("pre")) continue;  // configurations have hundreds of lines
    closed.add(details);
    details.open = true;
  }
  for (const table of document.querySelectorAll("table")) {
    table.style.zoom = Math.min(1, PAPER / (SMALLER * table.scrollWidth));
  }
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
  closed.clear();
  for (const table of document.querySelectorAll("table")) table.style.zoom = "";
});
drawAll();
