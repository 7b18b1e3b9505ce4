// The demo's support desk: how a host page uses <herald-sidekick>.

const $ = (id) => document.getElementById(id);
const sidekick = $("sidekick");
const PAUSE = 250; // ms without a keystroke before the panel is told

let conversation = crypto.randomUUID();
let timer;

sidekick.requestToken = async () => (await (await fetch("/demo/token", { method: "POST" })).json()).token;

function show() {
  const email = $("email").validity.valid ? $("email").value : "";
  sidekick.show({
    conversationId: conversation,
    messages: [$("message").value],
    customer: email ? { email } : {},
  });
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(show, PAUSE);
}

$("message").addEventListener("input", later);
$("email").addEventListener("input", later);
$("next").addEventListener("click", () => {
  conversation = crypto.randomUUID();
  $("message").value = "";
  $("answer").value = "";
  $("message").focus();
  show();
});
sidekick.addEventListener("herald-insert", (event) => {
  $("answer").value = event.detail.text;
  $("answer").lang = event.detail.language;
  $("answer").dir = event.detail.direction;
  $("answer").focus();
});
