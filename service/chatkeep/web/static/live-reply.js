// A reply while it is written: text, reasoning and whole items, in the order in which they come.
import { h, t } from "./dom.js";
import { isText, itemElement, stretch, thinking, thought, thoughtFor } from "./items.js";
import { LiveText } from "./live.js";
import { waiting } from "./turn.js";

export class LiveReply {
  /** Begin with what there is of `turn`; `changed` is called after each change of the page. */
  constructor(element, turn, changed) {
    this.element = element;
    this.changed = changed;
    this.text = this.thought = null;
    element.replaceChildren();
    for (const item of itemsOf(turn)) this.begin(item, turn);
    if (!element.hasChildNodes()) element.append(waiting());
  }

  begin(item, turn) {
    if (isText(item)) {
      this.startText(stretch(turn.reply.content, item.start, item.end), item.html);
    } else if (item.type === "reasoning") {
      this.think(item.text);
    } else this.add(item);
  }

  /** Nothing has come for a while. */
  wait(isQueued) {
    this.element.querySelector(":scope > .waiting")?.replaceWith(waiting(isQueued ? t("queued") : undefined));
  }

  say(text) {
    if (this.text) this.text.append(text);
    else {
      this.startText("", "");
      this.text.append(text);
    }
  }

  /** The words of a thought are there for whoever unfolds it. */
  think(text) {
    if (!this.thought) {
      this.close();
      this.thought = { element: thought("", thinking()), began: performance.now() };
      this.put(this.thought.element);
    }
    this.thought.element.lastElementChild.append(text);
    this.changed();
  }

  add(item) {
    this.close();
    this.put(itemElement(item));
    this.changed();
  }

  startText(text, html) {
    this.close();
    const element = h("div", { class: "said" });
    this.put(element);
    this.text = new LiveText(element, { text, html, changed: this.changed });
  }

  put(element) {
    this.element.querySelector(":scope > .waiting")?.remove();
    this.element.append(element);
  }

  /** Something else begins. */
  close() {
    this.text?.close();
    if (this.thought) {
      const seconds = (performance.now() - this.thought.began) / 1000;
      this.thought.element.firstElementChild.replaceChildren(thoughtFor(seconds));
    }
    this.text = this.thought = null;
  }

  end() {
    this.text?.end();
  }
}

/** What a turn is made of so far; plain text has its HTML with it. */
function itemsOf({ reply, reply_html: html, reply_parts: parts }) {
  if (!reply) return [];
  if (!reply.items) return reply.content ? [{ type: "message", start: 0, end: [...reply.content].length, html }] : [];
  const rendered = [...(parts ?? [])];
  return reply.items.map((item) => (isText(item) ? { ...item, html: rendered.shift() } : item));
}
