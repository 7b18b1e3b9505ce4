// What makes a page that is complete without scripts pleasanter: times in the reader's zone, a theme to choose,
// bars to walk by arrow keys, subscribing without leaving, and news without a reload. Everything may fail without loss.

const root = document.documentElement;
const language = root.lang;

// ------------------------------------------------------------------------------------------- times and theme

const SHAPES = {
  short: { month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" },
  long: { year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" },
};

function showTimes() {
  const local = localStorage.getItem("herald-zone") !== "utc";
  for (const time of document.querySelectorAll("time[data-shape]")) {
    time.utc ??= time.innerHTML;
    time.title = local ? time.utc.replace(/<[^>]*>/g, "") : "";
    if (!local) { time.innerHTML = time.utc; continue; }
    time.textContent = new Intl.DateTimeFormat(language, SHAPES[time.dataset.shape]).format(new Date(time.dateTime));
  }
}

function remember(name, usual, apply) {
  const select = document.getElementById(name);
  if (!select) return;
  select.value = localStorage.getItem(name) ?? usual;
  select.closest("[hidden]")?.removeAttribute("hidden");
  select.addEventListener("change", () => {
    localStorage.setItem(name, select.value);
    apply(select.value);
  });
}

function applyTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
}

// ------------------------------------------------------------------------------------------- bars by keyboard

function walkBars() {
  for (const bars of document.querySelectorAll(".bars")) {
    const days = [...bars.children];
    let at = days.length - 1;
    days[at].tabIndex = 0;
    bars.addEventListener("keydown", (event) => {
      const forward = getComputedStyle(bars).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
      const backward = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
      const to = { [forward]: at + 1, [backward]: at - 1, Home: 0, End: days.length - 1 }[event.key];
      if (to === undefined || !days[to]) return;
      event.preventDefault();
      days[at].tabIndex = -1;
      days[(at = to)].tabIndex = 0;
      days[at].focus();
    });
  }
}

// ------------------------------------------------------------------------------- subscribing without leaving

const dialog = document.createElement("dialog");

// The links to the page on subscribing open it above this one. If anything fails they lead there, as they are.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !dialog.showModal) return;
  event.preventDefault();
  try {
    await fill(await fetch(link.href), link.dataset.dialog);
    dialog.showModal();
    dialog.querySelector("input[type=email]")?.focus();
  } catch {
    location.href = link.href;
  }
});

dialog.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method === "dialog") return;
  event.preventDefault();
  const close = dialog.querySelector(".close").textContent;
  try {
    await fill(await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) }), close);
    (dialog.querySelector("[role=alert]") ?? dialog.querySelector("h1")).focus();
  } catch {
    form.submit();
  }
});

async function fill(answer, close) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const said = page.querySelector("main");
  said.querySelector("h1").id = "dialog-title";
  for (const one of said.querySelectorAll("h1, [role=alert]")) one.tabIndex = -1;
  said.querySelector(":scope > p:last-child").remove();  // the way back to where the reader still is
  await Promise.all([...page.querySelectorAll("link[rel=stylesheet]")].map(borrowStyle));
  const button = Object.assign(document.createElement("button"), { className: "close", textContent: close });
  const end = Object.assign(document.createElement("form"), { method: "dialog" });
  end.append(button);
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.replaceChildren(...said.childNodes, end);
  document.body.append(dialog);
}

function borrowStyle(style) {
  const href = style.getAttribute("href");
  if (document.querySelector(`link[href="${href}"]`)) return null;
  const own = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  document.head.append(own);
  return new Promise((resolve, reject) => Object.assign(own, { onload: resolve, onerror: reject }));
}

// ------------------------------------------------------------------------------------------------------- news

const EVERY = 30_000;
let known = null;

async function look() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: known ? { "If-None-Match": known } : {}, cache: "no-store" });
  if (answer.status !== 200) return;
  const isFirst = known === null;
  known = answer.headers.get("ETag");
  if (!isFirst) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

function show(fresh) {
  const main = document.querySelector("main");
  const came = fresh.querySelector("main");
  if (!came) return;
  const opened = new Map([...main.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const focused = document.activeElement?.closest("main [id]")?.id;
  const said = headline(main);
  main.replaceWith(came);
  for (const [id, open] of opened) {
    const same = document.getElementById(id);
    if (same) same.open = open;
  }
  if (focused) document.getElementById(focused)?.focus();
  document.title = fresh.title;
  start();
  if (headline(came) !== said) document.getElementById("news").textContent = headline(came);
}

function headline(main) {
  const said = [...main.querySelectorAll("h1, .incident .tags, .incident h3")];
  return said.map((one) => one.textContent.trim().replace(/\s+/g, " ")).join(". ");
}

function start() {
  showTimes();
  walkBars();
}

start();
document.getElementById("herald-utc")?.remove();  // no longer true
remember("herald-theme", "system", applyTheme);
remember("herald-zone", "local", showTimes);
if (document.body.dataset.live) {
  look().catch(() => {});
  setInterval(() => look().catch(() => {}), EVERY);
}
