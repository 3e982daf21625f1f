// What the page does besides being there: draws the chart from the table, follows what
// happens, and listens to keys. Without it every link and form works all the same.
// Amounts are text from the ledger; only the height of a bar is a number.
"use strict";

const root = document.documentElement;
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

function remember(name, value) {
  document.cookie = `taximeter_${name}=${value}; path=/; max-age=31536000; SameSite=Strict`;
}

// The chart ---------------------------------------------------------------------------

let chart = null;

function figures() {
  const table = $("#figures");
  if (!table) return null;
  const heads = $$("thead th", table).slice(2, -1);
  const rows = $$("tbody tr", table).map((row) => ({
    label: $("th", row).dataset.label,
    title: $("th", row).textContent.trim(),
    href: $("th a", row).getAttribute("href"),
    sum: $$("td", row)[0].textContent.trim(),
    cells: $$("td", row).slice(1, -1).map((cell) => ({
      usd: Number($("data", cell).value),
      shown: cell.textContent.trim(),
    })),
  }));
  return { heads: heads.map((head) => ({ name: head.textContent, href: head.dataset.href })), rows };
}

function draw() {
  const place = $("#chart");
  const known = figures();
  if (!place || !known || typeof Chart === "undefined") return;
  place.hidden = false;
  if (chart) chart.destroy();
  const last = known.heads.length - 1;
  const bars = known.heads.map((head, index) => ({
    label: head.name,
    data: known.rows.map((row) => row.cells[index].usd),
    backgroundColor: colour(index === last ? "c6" : `c${index}`),
    borderRadius: 2,
    maxBarThickness: 46,
    categoryPercentage: 0.86,
    barPercentage: 0.94,
  })).filter((series) => series.data.some((usd) => usd !== 0));
  const at = (series) => known.heads.findIndex((head) => head.name === series.label);
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  chart = new Chart($("canvas", place), {
    type: "bar",
    data: { labels: known.rows.map((row) => row.label), datasets: bars },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked: true, grid: { display: false }, border: { color: colour("line") },
             ticks: { color: colour("soft"), maxRotation: 0, autoSkipPadding: 16 } },
        y: { stacked: true, beginAtZero: true, border: { display: false },
             grid: { color: colour("line") },
             ticks: { color: colour("soft"), maxTicksLimit: 6, callback: axis } },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          backgroundColor: colour("ink"), titleColor: colour("card"), bodyColor: colour("card"),
          footerColor: colour("card"), padding: 10, boxPadding: 4, cornerRadius: 8,
          filter: (item) => item.raw !== 0,
          itemSort: (a, b) => b.raw - a.raw,
          callbacks: {
            title: (items) => (items.length ? known.rows[items[0].dataIndex].title : ""),
            label: (item) => ` ${item.dataset.label}  ${known.rows[item.dataIndex].cells[at(item.dataset)].shown}`,
            footer: (items) => (items.length ? `in all  ${known.rows[items[0].dataIndex].sum}` : ""),
          },
        },
      },
      onHover: (event, items) => { event.native.target.style.cursor = items.length ? "pointer" : ""; },
      onClick: (event, items) => {
        if (items.length) location.assign(known.rows[items[0].index].href);
      },
    },
  });
}

function axis(value) {
  const places = value === 0 || value >= 10 ? 0 : value >= 0.1 ? 2 : 4;
  return `$${value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places })}`;
}

// What happens ------------------------------------------------------------------------

const QUIET_MS = 4000;
let looking = false;
let lookAgain = null;

function say(state, words, why = "") {
  const live = $("#live");
  live.dataset.state = state;
  live.title = why;
  if ($(".words", live).textContent !== words) $(".words", live).textContent = words;
}

function isBusy(part) {
  return part.contains(document.activeElement) && document.activeElement !== document.body;
}

function take(html, force = false) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  let drawn = false;
  for (const part of $$("[data-live]", fresh)) {
    const here = document.getElementById(part.id);
    if (!here || here.innerHTML === part.innerHTML) continue;
    if (!force && isBusy(here) && part.id !== "now") continue;
    const open = $$("details", here).map((one) => one.open);
    here.innerHTML = part.innerHTML;
    $$("details", here).forEach((one, index) => { one.open = open[index] ?? false; });
    drawn = drawn || part.id === "course";
  }
  if (drawn) draw();
  return fresh;
}

// Everything but the head of the page is asked for again, and put where it has changed.
async function look(force = false) {
  clearTimeout(lookAgain);
  lookAgain = null;
  if (looking) return;
  looking = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected) { location.assign(answer.url); return; }
    const fresh = take(await answer.text(), force);
    if (force) swap(fresh);
  } finally {
    looking = false;
  }
}

// Parts that were not there before, or are not any more, need the whole middle anew.
function swap(fresh) {
  const ids = (page) => $$("main [data-live]", page).map((part) => part.id).join();
  const [there, here] = [$("main", fresh), $("main")];
  if (there && (ids(fresh) !== ids(document) || $(".banner", there) || $(".banner", here))) {
    here.innerHTML = there.innerHTML;
    draw();
  }
}

function soon() {
  if (lookAgain === null && !document.hidden) lookAgain = setTimeout(look, QUIET_MS);
}

function follow() {
  const stream = new EventSource(`/live${location.search}`);
  stream.addEventListener("now", (event) => {
    const told = JSON.parse(event.data);
    const place = $("#now");
    if (!place) { look(true); return; }
    const before = $("#today")?.value;
    if (place.innerHTML !== told.html) place.innerHTML = told.html;
    say("on", "live");
    const big = $(".big", place);
    if (before !== undefined && before !== $("#today").value) {
      big.classList.add("ticked");
      if (told.changed) soon();
    } else if (told.changed) {
      soon();
    }
  });
  stream.addEventListener("away", (event) => say("away", "not live: no ledger", JSON.parse(event.data).why));
  stream.addEventListener("error", () => {
    say("away", "not live", "The API does not answer.");
    // Refused, and not only cut: the token may be worth nothing any more.
    if (stream.readyState === EventSource.CLOSED) look().catch(() => {});
  });
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });

// Whose time it is --------------------------------------------------------------------

function settleZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.body.dataset.zoneGiven === "yes") return false;
  remember("zone", zone);
  if (zone === document.body.dataset.zone || !document.cookie.includes("taximeter_zone")) return false;
  location.reload();
  return true;
}

// Themes and keys ---------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];

function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
  root.dataset.theme = theme;
  remember("theme", theme);
  $("#theme .words").textContent = theme[0].toUpperCase() + theme.slice(1);
  draw();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const link = $$("[data-key]").find((one) => one.dataset.key === event.key);
  if (link) link.click();
  else if (event.key === "/") { event.preventDefault(); $("#add-value").focus(); }
  else if (event.key === "d") nextTheme();
  else if (event.key === "r") look(true);
  else if (event.key === "?") $("#keys").showModal();
}

$("#theme").hidden = false;
$("#keys-open").hidden = false;
$("#theme").addEventListener("click", nextTheme);
$("#keys-open").addEventListener("click", () => $("#keys").showModal());
document.addEventListener("keydown", pressed);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

if (!settleZone()) {
  draw();
  follow();
}
