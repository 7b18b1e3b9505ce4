// The panel inside the frame. It listens to one origin only, the one that framed it, and puts every text of
// others into the page as text, never as HTML.

const host = new URLSearchParams(location.search).get("host") ?? location.origin;
const $ = (id) => document.getElementById(id);

let token = null;
let waiting = [];
let shown = null; // what the host last said of the conversation
let answer = null; // what Herald last said of it
let asked = 0;

// ------------------------------------------------------------------------------------------------ the host

window.addEventListener("message", (event) => {
  if (event.origin !== host || event.source !== window.parent) return;
  const { type, ...said } = event.data ?? {};
  if (type === "herald:token") {
    token = said.token;
    for (const go of waiting.splice(0)) go();
  } else if (type === "herald:show") {
    if (shown?.conversationId !== said.conversationId) tell("");
    shown = said;
    refresh();
  }
});

function toHost(message) {
  window.parent.postMessage(message, host);
}

new ResizeObserver(() => {
  toHost({ type: "herald:height", height: Math.ceil(document.querySelector("main").getBoundingClientRect().height) });
}).observe(document.querySelector("main"));

// -------------------------------------------------------------------------------------------------- Herald

function newToken() {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) toHost({ type: "herald:token-needed" });
  });
}

async function call(method, path, body, again = true) {
  if (token === null) await newToken();
  const response = await fetch(`/sidekick/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  if (response.status === 401 && again) {
    token = null;
    return call(method, path, body, false);
  }
  return response;
}

async function ask(method, path, body) {
  const response = await call(method, path, body);
  const said = response.status === 204 ? null : await response.json();
  if (!response.ok) throw new Error(said.error);
  return said;
}

async function refresh() {
  const turn = ++asked;
  const messages = (shown.messages ?? []).filter((message) => message.trim());
  let found = null;
  if (messages.length) {
    try {
      found = await ask("POST", "/match", {
        conversation_id: shown.conversationId, messages, customer: shown.customer ?? {},
      });
    } catch (error) {
      if (turn === asked) tell(error.message);
      return;
    }
  }
  if (turn !== asked) return; // the customer wrote on meanwhile
  answer = found;
  draw();
}

async function follow() {
  for (;;) {
    try {
      const response = await call("GET", "/stream");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        if (value.includes("event: incident") && shown) refresh();
      }
    } catch { /* the connection was lost: it is made again below */ }
    await new Promise((resolve) => setTimeout(resolve, 3000));
    if (shown) refresh();
  }
}

// -------------------------------------------------------------------------------------------------- drawing

function draw() {
  const card = answer?.card ?? null;
  $("card").hidden = !card;
  $("note").hidden = Boolean(card);
  if (card) drawCard(card);
  const others = answer?.alternatives ?? [];
  $("others").hidden = others.length === 0;
  $("list").replaceChildren(...others.map(drawOther));
  toHost({ type: "herald:card", incidentId: card?.incident_id ?? null });
}

function drawCard(card) {
  const can = (action) => card.actions.includes(action);
  if ($("card").dataset.incident !== card.incident_id) $("words").hidden = true;
  $("card").dataset.incident = card.incident_id;
  $("status").textContent = capital(card.status);
  $("severity").textContent = card.severity ? capital(card.severity) : "";
  $("title").textContent = card.title;
  $("title").href = card.url;
  $("meter").value = card.confidence;
  $("confidence").textContent = card.linked
    ? `Linked${card.subscribed ? ", customer subscribed" : ""}`
    : `${capital(card.confidence_in_words)} (${Math.round(card.confidence * 100)} %)`;
  $("components").textContent = card.components.join(", ");
  $("update").textContent = card.latest_update?.message ?? "";
  $("since").dateTime = card.started_at;
  $("since").textContent = `Since ${new Date(card.started_at).toLocaleString()}`;
  $("link").hidden = !can("link_and_subscribe");
  $("link").textContent = shown.customer?.email ? "Link & subscribe" : "Link";
  $("unlink").hidden = !can("unlink");
  $("dismiss").hidden = !can("dismiss");
}

function drawOther(other) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Link";
  button.setAttribute("aria-label", `Link ${other.title}`);
  button.addEventListener("click", () => act(button, () => link(other.incident_id)));
  item.append(`${other.title} (${Math.round(other.confidence * 100)} %)`, button);
  return item;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function tell(text) {
  $("said").textContent = text;
}

// --------------------------------------------------------------------------------------------------- actions

const SUBSCRIBED = {
  active: "Linked. The customer gets every update by mail; a mail says so.",
  already: "Linked. The customer was subscribed already.",
  verification_sent: "Linked. The customer gets a mail to confirm the subscription.",
  suppressed: "Linked. The customer asked for no mail: none was sent.",
};

async function link(incidentId) {
  const email = shown.customer?.email;
  const linked = await ask("POST", "/link", {
    conversation_id: shown.conversationId, incident_id: incidentId, subscribe: Boolean(email),
    customer: shown.customer ?? {},
    ...(answer.card?.incident_id === incidentId && answer.card.match_id && { match_id: answer.card.match_id }),
  });
  tell(SUBSCRIBED[linked.subscription] ?? "Linked.");
}

async function act(button, work) {
  button.disabled = true;
  try {
    await work();
    await refresh();
  } catch (error) {
    tell(error.message);
  } finally {
    button.disabled = false;
  }
}

const about = () => ({ conversation_id: shown.conversationId, incident_id: answer.card.incident_id });

$("link").addEventListener("click", (event) => act(event.target, () => link(answer.card.incident_id)));
$("unlink").addEventListener("click", (event) => act(event.target, async () => {
  await ask("DELETE", `/link?${new URLSearchParams(about())}`);
  tell("Unlinked. A subscription stays until the customer ends it.");
}));
$("dismiss").addEventListener("click", (event) => act(event.target, async () => {
  await ask("POST", "/dismiss", about());
  tell("It is not shown in this conversation again.");
}));
$("reply").addEventListener("click", (event) => act(event.target, async () => {
  const language = shown.customer?.language;
  const reply = await ask("POST", "/reply", {
    incident_id: answer.card.incident_id, sample: shown.messages.join("\n").slice(0, 20000),
    subscribed: answer.card.subscribed, ...(language && { language }),
    ...(shown.customer?.name && { customer_name: shown.customer.name }),
  });
  toHost({ type: "herald:insert", text: reply.text, language: reply.language, direction: reply.direction });
  tell("The reply is a draft: read it before you send it.");
}));
$("why").addEventListener("click", (event) => act(event.target, async () => {
  const why = await ask("POST", "/why", {
    incident_id: answer.card.incident_id, message: shown.messages.join("\n").slice(0, 20000),
  });
  const marked = why.words.filter((word) => word.share >= 0.1);
  const parts = [];
  let end = 0;
  for (const word of marked) {
    const mark = document.createElement("mark");
    mark.textContent = word.words;
    parts.push(why.text.slice(end, word.start), mark);
    end = word.end;
  }
  $("words").replaceChildren(...parts, why.text.slice(end));
  $("words").hidden = false;
}));

toHost({ type: "herald:ready" });
follow();
