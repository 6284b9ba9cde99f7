"use strict";

const { rows, chosen, gallery } = JSON.parse(document.getElementById("data").textContent);

const percent = (value) => `${(100 * value).toFixed(1)} %`;
const bits = (value) => value.toFixed(2);
const whole = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f");

// The columns of the table; the tooltip shows those with `tip`.
const COLUMNS = [
  { key: "name", title: "clustering" },
  { key: "source", title: "source" },
  { key: "accuracy", title: "accuracy", show: percent, tip: true },
  { key: "n_trials", title: "trials", show: whole, tip: true },
  { key: "n_clusters", title: "K", show: whole, tip: true },
  { key: "i_zt", title: "I(Z;T)", show: bits, tip: true },
  { key: "i_zt_chance", title: "chance", show: bits },
  { key: "i_zt_excess", title: "excess", show: bits, tip: true },
  { key: "h_z_given_t", title: "H(Z|T)", show: bits, tip: true },
  { key: "h_z", title: "H(Z)", show: bits },
  { key: "ami", title: "AMI", show: bits },
  { key: "seconds", title: "seconds", show: whole },
];

function make(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function shown(row, column) {
  const value = row[column.key];
  if (value === null || value === undefined) return "–";
  return column.show ? column.show(value) : value;
}

// ---- table

const FIRST = 100; // rows shown before "Show all"
const table = document.getElementById("clusterings");
const filter = document.getElementById("filter");
const more = document.getElementById("more");
const state = { key: "accuracy", down: true, all: false };

function compare(a, b) {
  const [x, y] = [a[state.key], b[state.key]];
  if (x === y) return 0;
  if (x === null) return 1; // unknown values last, whichever way
  if (y === null) return -1;
  const order = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
  return state.down ? -order : order;
}

function makeRow(row) {
  const line = make("tr");
  if (row.clustering_id === chosen) line.className = "chosen";
  for (const column of COLUMNS) {
    const cell = make(column.key === "name" ? "th" : "td", shown(row, column));
    if (column.key === "name") {
      cell.scope = "row";
      if (row.clustering_id === chosen) cell.append(" (chosen by validation)");
    }
    if (column.show) cell.className = "number";
    if (column.key === "accuracy" && row.spread !== null) {
      cell.append(make("span", ` ± ${(100 * row.spread).toFixed(1)}`, "spread"));
    }
    line.append(cell);
  }
  return line;
}

function fillTable() {
  const wanted = filter.value.trim().toLowerCase();
  const found = rows
    .filter((row) => `${row.name} ${row.source}`.toLowerCase().includes(wanted))
    .sort(compare);
  const visible = state.all ? found : found.slice(0, FIRST);
  table.tBodies[0].replaceChildren(...visible.map(makeRow));
  document.getElementById("count").textContent =
    `${visible.length} of ${rows.length} clusterings`;
  more.hidden = visible.length === found.length;
  for (const cell of table.tHead.rows[0].cells) {
    if (cell.dataset.key === state.key) {
      cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      cell.querySelector("span").textContent = state.down ? " ↓" : " ↑";
    } else {
      cell.removeAttribute("aria-sort");
      cell.querySelector("span").textContent = "";
    }
  }
}

function makeHead() {
  const head = table.createTHead().insertRow();
  for (const column of COLUMNS) {
    const cell = make("th", undefined, column.show ? "number" : "");
    cell.scope = "col";
    cell.dataset.key = column.key;
    const button = make("button", column.title);
    const arrow = make("span");
    arrow.setAttribute("aria-hidden", "true");
    button.type = "button";
    button.append(arrow);
    button.addEventListener("click", () => {
      state.down = state.key === column.key ? !state.down : Boolean(column.show);
      state.key = column.key;
      fillTable();
    });
    cell.append(button);
    head.append(cell);
  }
  table.append(make("tbody"));
}

makeHead();
fillTable();
filter.addEventListener("input", fillTable);
more.addEventListener("click", () => {
  state.all = true;
  fillTable();
});

// ---- tooltips: by pointer to the nearest mark, by keyboard with the arrow keys

const tooltip = document.getElementById("tooltip");
let active = null;

function words(row) {
  const parts = COLUMNS.filter((c) => c.tip).map((c) => `${c.title} ${shown(row, c)}`);
  return `${row.name}: ${parts.join(", ")}`;
}

function showTip(mark) {
  if (active === mark) return;
  hideTip();
  active = mark;
  mark.classList.add("active");
  const row = rows[Number(mark.dataset.row)];
  const list = make("dl");
  for (const column of COLUMNS.filter((c) => c.tip)) {
    let text = shown(row, column);
    if (column.key === "accuracy" && row.spread !== null) {
      text = `${(100 * row.accuracy).toFixed(1)} ± ${(100 * row.spread).toFixed(1)} %`;
    }
    list.append(make("dt", column.title), make("dd", text));
  }
  tooltip.replaceChildren(make("b", row.name), list);
  tooltip.hidden = false;
  place(mark.getBoundingClientRect());
}

function place(box) {
  const [width, height] = [tooltip.offsetWidth, tooltip.offsetHeight];
  const right = document.documentElement.clientWidth - width - 8;
  const left = Math.max(8, Math.min(box.left + box.width / 2 - width / 2, right));
  const above = box.top - height - 10;
  const top = above > 8 ? above : box.bottom + 10;
  tooltip.style.left = `${left + window.scrollX}px`;
  tooltip.style.top = `${top + window.scrollY}px`;
}

function hideTip() {
  if (active) active.classList.remove("active");
  active = null;
  tooltip.hidden = true;
}

const REACH = 28; // CSS pixels from the pointer to the nearest mark

function nearest(places, x, y) {
  let best = null;
  let least = REACH * REACH;
  for (const place of places) {
    const distance = (place.x - x) ** 2 + (place.y - y) ** 2;
    if (distance < least) [best, least] = [place.mark, distance];
  }
  return best;
}

function locate(marks, svg) {
  const frame = svg.getBoundingClientRect();
  return marks.map((mark) => {
    const box = mark.getBoundingClientRect();
    return { mark, x: box.left + box.width / 2 - frame.left, y: box.top + box.height / 2 - frame.top };
  });
}

function prepare(svg) {
  const marks = [...svg.querySelectorAll(".mark")];
  if (!marks.length) return;
  let places = null; // measured on first use: a hidden figure has no size yet
  let current = 0;
  const point = (event) => {
    const frame = svg.getBoundingClientRect();
    if (!places || places.width !== frame.width) {
      places = locate(marks, svg);
      places.width = frame.width;
    }
    const mark = nearest(places, event.clientX - frame.left, event.clientY - frame.top);
    if (mark) showTip(mark);
    else hideTip();
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") hideTip();
  });

  // One mark is in the tab order; the arrow keys walk the others from left to right.
  let ordered = null;
  const reach = (index) => {
    ordered[current].removeAttribute("tabindex");
    current = (index + ordered.length) % ordered.length;
    const mark = ordered[current];
    mark.setAttribute("tabindex", "0");
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", words(rows[Number(mark.dataset.row)]));
    return mark;
  };
  const across = (mark) => Number((mark.getAttribute("cx") ?? mark.getAttribute("points").split(/[ ,]/)[0]));
  ordered = [...marks].sort((a, b) => across(a) - across(b));
  reach(0);
  svg.addEventListener("focusin", (event) => showTip(event.target));
  svg.addEventListener("focusout", hideTip);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") hideTip();
    if (!step) return;
    event.preventDefault();
    reach(current + step).focus();
  });
}

for (const svg of document.querySelectorAll("svg.figure")) prepare(svg);
document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest("svg.figure")) hideTip();
});

// ---- switch between the two estimates of I(Z;T)

const buttons = [...document.querySelectorAll("[data-shows]")];
for (const button of buttons) {
  button.addEventListener("click", () => {
    hideTip();
    for (const other of buttons) {
      other.setAttribute("aria-pressed", String(other === button));
      document.getElementById(other.dataset.shows).hidden = other !== button;
    }
  });
}

// ---- copy the best specification

const copy = document.getElementById("copy");
if (copy) {
  const text = document.getElementById("best");
  const tell = (word) => {
    copy.textContent = word;
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  };
  const select = () => {
    getSelection().selectAllChildren(text);
    tell(document.execCommand("copy") ? "Copied" : "Selected");
  };
  copy.hidden = false;
  copy.addEventListener("click", () => {
    if (!navigator.clipboard) select(); // of a page that is no secure context
    else navigator.clipboard.writeText(text.textContent).then(() => tell("Copied"), select);
  });
}

// ---- map of test images: thumbnails of those that have room, dots of the others, coloured by a column

const COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#e08214", "#17becf", "#8c564b",
  "#e377c2", "#bcbd22", "#3f51b5", "#009688", "#795548", "#7f7f7f"];

function drawGallery() {
  const canvas = document.getElementById("map");
  const picks = ["map-encoder", "map-colour"].map((id) => document.getElementById(id));
  const thumbnail = make("span", undefined, "thumb");
  canvas.after(thumbnail);
  const source = getComputedStyle(thumbnail).backgroundImage.slice(5, -2);
  thumbnail.remove();
  const atlas = new Image();
  let places = [];
  let current = -1;

  const kinds = () => [...new Set(gallery.columns[picks[1].value])].sort(
    (a, b) => a.localeCompare(b, "en", { numeric: true }));

  const draw = () => {
    const width = canvas.clientWidth;
    const height = Math.round(Math.min(width * 0.7, 640));
    const ratio = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const { tile, across } = gallery;
    const size = width < 500 ? tile * 0.5 : tile * 0.7;
    const values = gallery.columns[picks[1].value];
    const known = kinds();
    places = gallery.maps[picks[0].value].map(([x, y]) => [
      size / 2 + 3 + x * (width - size - 6), size / 2 + 3 + (1 - y) * (height - size - 6)]);
    const taken = [];
    const order = places.map((_, i) => i);
    if (current >= 0) order.push(...order.splice(current, 1)); // on top
    for (const i of order) {
      const [x, y] = places[i];
      const free = i === current ||
        !taken.some(([a, b]) => Math.abs(a - x) < size && Math.abs(b - y) < size);
      pen.strokeStyle = pen.fillStyle = COLOURS[known.indexOf(values[i]) % COLOURS.length];
      if (free) {
        taken.push([x, y]);
        const side = i === current ? size * 1.6 : size;
        pen.drawImage(atlas, (i % across) * tile, Math.floor(i / across) * tile, tile, tile,
          x - side / 2, y - side / 2, side, side);
        pen.lineWidth = i === current ? 4 : 2.5;
        pen.strokeRect(x - side / 2, y - side / 2, side, side);
      } else {
        pen.beginPath();
        pen.arc(x, y, 3.5, 0, 7);
        pen.fill();
      }
    }
  };

  const show = (index) => {
    current = index;
    const words = Object.entries(gallery.columns).map(([name, v]) => `${name} ${v[index]}`);
    document.getElementById("map-said").textContent = index < 0 ? "" : words.join(" · ");
    draw();
  };

  const refresh = () => {
    document.getElementById("map-legend").replaceChildren(...kinds().map((kind, number) => {
      const entry = make("span", kind);
      entry.style.setProperty("--colour", COLOURS[number % COLOURS.length]);
      return entry;
    }));
    draw();
  };

  for (const pick of picks) pick.addEventListener("change", refresh);
  window.addEventListener("resize", draw);
  canvas.addEventListener("pointermove", (event) => {
    const frame = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const found = places.reduce((best, [a, b], i) => {
      const distance = (a - x) ** 2 + (b - y) ** 2;
      return distance < best[0] ? [distance, i] : best;
    }, [REACH ** 2, -1])[1];
    if (found !== current) show(found);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const order = places.map((_, i) => i).sort((a, b) => places[a][0] - places[b][0]);
    show(order[(order.indexOf(current) + step + order.length) % order.length]);
  });
  atlas.addEventListener("load", refresh);
  atlas.src = source;
}

if (gallery) drawGallery();
