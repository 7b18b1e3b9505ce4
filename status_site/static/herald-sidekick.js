// <herald-sidekick>: the Sidekick's panel in a frame. The page around it holds no key; it hands the panel a
// short-lived token that its own server minted, and says what the customer wrote.
//
//   element.requestToken = async () => (await (await fetch("/my-own-token-endpoint", {method: "POST"})).json()).token;
//   element.show({conversationId: "4711", messages: ["…"], customer: {email: "ana@example.com", language: "es"}});
//   element.addEventListener("herald-insert", (event) => editor.insert(event.detail.text));

const home = new URL(import.meta.url).origin;

class HeraldSidekick extends HTMLElement {
  #frame = null;
  #shown = null;
  #ready = false;
  #listen = (event) => this.#heard(event);

  connectedCallback() {
    this.#frame = document.createElement("iframe");
    this.#frame.title = "Herald Sidekick";
    this.#frame.src = `${home}/sidekick/panel?host=${encodeURIComponent(location.origin)}`;
    this.#frame.style.cssText = "border:0;width:100%;min-height:12rem;display:block;color-scheme:normal";
    window.addEventListener("message", this.#listen);
    this.replaceChildren(this.#frame);
  }

  disconnectedCallback() {
    window.removeEventListener("message", this.#listen);
    this.#ready = false;
  }

  /** Say what the conversation holds now; call it again whenever that changes. */
  show(conversation) {
    this.#shown = conversation;
    if (this.#ready) this.#tell({ type: "herald:show", ...conversation });
  }

  async #heard(event) {
    if (event.origin !== home || event.source !== this.#frame?.contentWindow) return;
    const { type, ...detail } = event.data ?? {};
    if (type === "herald:ready") {
      this.#ready = true;
      if (this.#shown) this.#tell({ type: "herald:show", ...this.#shown });
    } else if (type === "herald:token-needed") {
      this.#tell({ type: "herald:token", token: await this.requestToken() });
    } else if (type === "herald:height") {
      this.#frame.style.height = `${Math.min(Number(detail.height) || 0, 4000)}px`;
    } else if (type === "herald:insert" || type === "herald:card") {
      this.dispatchEvent(new CustomEvent(type.replace(":", "-"), { detail, bubbles: true }));
    }
  }

  #tell(message) {
    this.#frame.contentWindow.postMessage(message, home);
  }
}

customElements.define("herald-sidekick", HeraldSidekick);
