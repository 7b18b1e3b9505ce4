// A card in the corner of any site while something is wrong:
//   <script async src="https://…/static/widget.js" data-page="https://…/s/acme"></script>
// It reads the page's public JSON every minute, draws in a shadow root, and touches nothing else of the site.
(() => {
  const script = document.currentScript;
  const page = (script.dataset.page ?? "").replace(/\/$/, "");
  if (!page) { console.error("herald widget: give data-page, the address of the status page"); return; }
  const COLOURS = { maintenance: "#2b55a8", minor: "#8a5a00", major: "#a8480b", critical: "#b3231c" };
  let host = null;
  let dismissed = null;

  async function look() {
    const { status, incidents } = await (await fetch(`${page}/api/v2/summary.json`)).json();
    const said = incidents[0]?.name ?? status.description;
    host?.remove();
    if (status.indicator !== "none" && said !== dismissed) draw(status.indicator, said, incidents[0]?.shortlink ?? page);
  }

  function draw(indicator, said, address) {
    host = document.createElement("div");
    const root = host.attachShadow({ mode: "open" });
    const card = element("aside", {
      position: "fixed", insetBlockEnd: "16px", insetInlineEnd: "16px", zIndex: "2147483000", maxWidth: "320px",
      display: "flex", gap: "12px", padding: "12px 14px", font: "14px/1.4 system-ui, sans-serif", color: "#1b1a17",
      background: "#fff", borderInlineStart: `4px solid ${COLOURS[indicator] ?? COLOURS.minor}`, borderRadius: "4px",
      boxShadow: "0 2px 16px rgb(0 0 0 / .2)",
    });
    card.setAttribute("role", "status");
    const link = element("a", { color: "inherit" });
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = said;
    const close = element("button", { border: "0", background: "none", font: "inherit", color: "inherit", cursor: "pointer" });
    close.textContent = "×";
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => { dismissed = said; host.remove(); });
    card.append(link, close);
    root.append(card);
    document.body.append(host);
  }

  function element(name, style) {
    const made = document.createElement(name);
    Object.assign(made.style, style);
    return made;
  }

  look().catch(() => {});
  setInterval(() => look().catch(() => {}), 60_000);
})();
