// Looks at the page in the frame as a person would: is anything cut, on top of something, too small?
"use strict";

const frame = document.querySelector("iframe");
const found = document.getElementById("found");

function box(element) {
  const { left, right, top, bottom, width, height } = element.getBoundingClientRect();
  return { left, right, top, bottom, width, height };
}

function overlap(a, b) {
  const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return x > 1 && y > 1;
}

function pairs(elements, name) {
  const shown = elements.map((e) => [e, box(e)]).filter(([, b]) => b.width && b.height);
  const wrong = [];
  for (let i = 0; i < shown.length; i++) {
    for (let j = i + 1; j < shown.length; j++) {
      const [[a, first], [b, second]] = [shown[i], shown[j]];
      if (overlap(first, second) && !a.contains(b) && !b.contains(a)) {
        wrong.push(`${name}: '${a.textContent.slice(0, 40)}' and '${b.textContent.slice(0, 40)}'`);
      }
    }
  }
  return wrong;
}

function charts(page, width) {
  const wrong = [];
  for (const chart of page.querySelectorAll(".chart")) {
    const svg = chart.querySelector("svg");
    const name = chart.parentElement.querySelector("figcaption")?.textContent ?? chart.id;
    if (!svg) { wrong.push(`no chart: ${name}`); continue; }
    const labels = [...svg.querySelectorAll(".role-axis-label text")].filter(
      (e) => e.textContent && getComputedStyle(e).opacity !== "0" && e.getAttribute("opacity") !== "0");
    wrong.push(...pairs(labels, `ticks of ${name}`));
    for (const dot of svg.querySelectorAll(".mark-symbol path")) {
      const hidden = labels.find((label) => overlap(box(dot), box(label)));
      if (hidden) wrong.push(`a dot on '${hidden.textContent}' of ${name}`);
    }
    if (labels.length < 4) wrong.push(`${name} has ${labels.length} ticks`);
    const drawn = box(svg);
    for (const label of labels) {
      const at = box(label);
      if (at.height < 9) wrong.push(`small tick '${label.textContent}' of ${name}`);
      if (at.left < 0 || at.right > width + 1) wrong.push(`cut tick '${label.textContent}' of ${name}`);
      if (at.left < drawn.left - 2 || at.right > drawn.right + 2) {
        wrong.push(`tick '${label.textContent}' outside of ${name}`);
      }
      if (label.textContent.includes("…")) wrong.push(`shortened '${label.textContent}' of ${name}`);
    }
    if (drawn.width < 110 || drawn.height < 60) wrong.push(`tiny chart ${name}`);
  }
  return wrong;
}

function look(page, width) {
  const texts = [...page.querySelectorAll("h1, h2, h3, p, li, th, td, figcaption, summary, small")];
  const wrong = [
    ...pairs(texts.filter((e) => !e.closest("nav")), "text"),
    ...pairs([...page.querySelectorAll("nav a")], "contents"),
    ...pairs([...page.querySelectorAll("figure")], "figures"),
    ...charts(page, width),
  ];
  if (page.documentElement.scrollWidth > width) {
    wrong.push(`the page is ${page.documentElement.scrollWidth} wide`);
  }
  for (const table of page.querySelectorAll("table")) {
    const around = table.closest(".scroll");
    const room = around ? around.clientWidth : page.body.clientWidth;
    if (table.offsetWidth > room && getComputedStyle(around ?? page.body).overflowX !== "auto") {
      wrong.push(`cut table: ${table.textContent.slice(0, 40)}`);
    }
  }
  for (const text of texts) {
    const size = parseFloat(getComputedStyle(text).fontSize);
    if (box(text).width && size < 11) wrong.push(`small text: ${text.textContent.slice(0, 40)}`);
  }
  return wrong;
}

function column(page, header) {
  const heads = [...page.querySelectorAll("table.games thead th")];
  const index = heads.findIndex((e) => e.textContent.startsWith(header));
  heads[index].querySelector("button").click();
  const rows = [...page.querySelectorAll("table.games tbody tr")];
  return rows.map((row) => row.cells[index].dataset.value ?? row.cells[index].textContent.trim());
}

async function main() {
  const page = frame.contentDocument;
  const width = frame.clientWidth;
  while (page.body?.dataset.drawn !== "all") await new Promise((next) => setTimeout(next, 50));
  for (const closed of page.querySelectorAll("details")) closed.open = true;
  frame.style.height = `${page.documentElement.scrollHeight}px`;
  const wrong = look(page, width);
  const first = page.querySelector("table.games thead th:nth-child(2) button")?.textContent;
  const [once, twice] = first ? [column(page, first), column(page, first)] : [[], []];
  const log = page.querySelectorAll("input[data-spec]")[1];
  log?.click();
  await new Promise((next) => setTimeout(next, 500));
  const profile = log && page.getElementById(log.dataset.place).textContent;
  const answer = page.querySelector(".first");
  found.textContent = JSON.stringify({
    wrong, once, twice, profile,
    charts: page.querySelectorAll(".chart svg").length,
    first: answer && box(answer),
    scrolls: [...page.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth).length,
  });
}
frame.contentDocument.readyState === "complete" && frame.contentDocument.body?.dataset.drawn
  ? main() : frame.addEventListener("load", main);
