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

/** How much of a text can be shown: a line that may become a mark of code is held back until it ends. */
function settled(text) {
  const line = text.slice(text.lastIndexOf("\n") + 1);
  return /^ {0,3}(?:\x60{1,2}|~{1,2}|(?:\x60{3,}|~{3,})[^\x60]*)$/.test(line) ? text.length - line.length : text.length;
}

/** Take away the end of a line that Markdown puts behind code whose last line is still being written. */
function openLastLine(code) {
  const last = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
  while (last.lastChild());
  if (last.currentNode !== code) last.currentNode.data = last.currentNode.data.replace(/\n$/, "");
}

const lastCode = (part) => [...part.querySelectorAll("pre")].at(-1);

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
    this.showFresh();
    if (!this.fresh.isConnected) deepest(this.part).append(this.fresh);
    this.changed();
  }

  /** Put what came after `shown` behind what is rendered, which has lost the blank at its end. */
  goOn(shown) {
    this.shown = shown;
    const place = deepest(this.part);
    const endsLine = this.text.charAt(shown - 1) === "\n";
    if (place.matches("code") && !endsLine) openLastLine(place);
    this.blank = /\s/.test(this.text.charAt(shown - 1)) && /\S$/.test(place.textContent) ? " " : "";
    this.showFresh();
    if (this.fresh.data) place.append(this.fresh);
  }

  /** How far the text can be shown. */
  get settled() {
    return this.whole ? this.text.length : settled(this.text);
  }

  /** Show what came since the last rendering, up to where code begins or ends: that is seen with the next one. */
  showFresh() {
    const [fresh] = this.text.slice(this.shown, this.settled).split(/^ {0,3}(?:\x60{3}|~{3})/m, 1);
    this.fresh.data = this.blank + fresh;
  }

  end() {
    this.ended = true;
  }

  /** Nothing more comes of it; what there is is still rendered. */
  close() {
    this.whole = true;
    this.showFresh();
  }

  async render() {
    while (!this.ended && !(this.whole && this.text.length === this.shown)) {
      const begun = performance.now();
      if (this.settled > this.shown) await this.renderMore();
      // A slow network or a long part makes it rarer.
      await delay(Math.max(PAUSE, 3 * (performance.now() - begun)));
    }
  }

  async renderMore() {
    const end = this.settled;
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
    const before = lastCode(this.part)?.scrollLeft;
    showReply(this.part, html);
    if (before) lastCode(this.part)?.scrollTo({ left: before });
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
