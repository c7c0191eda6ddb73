// Text of a reply while it is written: at once, and soon after as Markdown. What is finished of it is rendered once;
// only its last part is rendered again.
import { api } from "./api.js";
import { delay, h } from "./dom.js";
import { showReply } from "./turn.js";

const PAUSE = 250;
const MAX_PART_CHARACTERS = 50_000;

/** Where the last part begins: after a blank line, outside of code, where no list or quotation can go on. */
function lastPart(text) {
  let fence = "";
  let at = 0;
  let begins = 0;
  let blank = false;
  for (const line of text.split("\n")) {
    const mark = /^ {0,3}(\x60{3,}|~{3,})/.exec(line)?.[1] ?? "";
    if (fence) {
      if (mark.startsWith(fence)) fence = "";
    } else {
      if (blank && /^[^\s\-*+>\d|]/.test(line)) begins = at;
      fence = mark;
    }
    blank = line.trim() === "" && !fence;
    at += line.length + 1;
  }
  return begins;
}

function deepest(element) {
  let found = element;
  while (found.lastElementChild?.matches("p, ul, ol, li, blockquote, pre, code, .code, h3, h4, h5, h6")) {
    found = found.lastElementChild;
  }
  return found;
}

export class LiveText {
  /** `changed` is called after each change of the page. */
  constructor(element, { text = "", html = "", changed }) {
    this.element = element;
    this.changed = changed;
    this.text = text;
    this.rendered = 0; // of `text`, what stands as Markdown and stays
    this.ended = false;
    this.whole = false;
    this.part = h("div", { class: "part" });
    this.fresh = document.createTextNode("");
    if (html) showReply(this.part, html);
    element.replaceChildren(this.part);
    this.goOn(text.length);
    this.render();
  }

  append(text) {
    this.text += text;
    this.fresh.data += text;
    if (!this.fresh.isConnected) deepest(this.part).append(this.fresh);
    this.changed();
  }

  /** Put what came after `shown` behind what is rendered, which has lost the blank at its end. */
  goOn(shown) {
    this.shown = shown;
    const place = deepest(this.part);
    const blank = /\s/.test(this.text.charAt(shown - 1)) && /\S$/.test(place.textContent) ? " " : "";
    this.fresh.data = blank + this.text.slice(shown);
    if (this.fresh.data) place.append(this.fresh);
  }

  end() {
    this.ended = true;
  }

  /** Nothing more comes of it; what there is is still rendered. */
  close() {
    this.whole = true;
  }

  async render() {
    while (!this.ended && !(this.whole && this.text.length === this.shown)) {
      const begun = performance.now();
      if (this.text.length > this.shown) await this.renderMore();
      // A slow network or a long part makes it rarer.
      await delay(Math.max(PAUSE, 3 * (performance.now() - begun)));
    }
  }

  async renderMore() {
    const end = this.text.length;
    const begins = this.rendered + lastPart(this.text.slice(this.rendered, end));
    if (begins > this.rendered) {
      const html = await this.html(this.rendered, begins);
      if (html === null) return;
      const done = h("div", { class: "part" });
      showReply(done, html);
      this.part.before(done);
      this.rendered = begins;
    }
    const html = await this.html(this.rendered, end);
    if (html === null) return;
    showReply(this.part, html);
    this.goOn(end);
    this.changed();
  }

  /** Return a stretch of the text as HTML, or null where it is too long or the reply has ended meanwhile. */
  async html(from, to) {
    if (to - from > MAX_PART_CHARACTERS) return null;
    try {
      const { html } = await api("POST", "/web/markdown", { text: this.text.slice(from, to) });
      return this.ended ? null : html;
    } catch {
      return null; // the text itself is on the page; the end brings it rendered
    }
  }
}
