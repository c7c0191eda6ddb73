// Files that go with the message that is being written: sent one after the other, shown, taken away again.
import { explain } from "./api.js";
import { $, announce, h, t, tool } from "./dom.js";
import { fileElement } from "./items.js";
import { toast } from "./toasts.js";
import { upload } from "./upload.js";
import more from "./attachments-texts.js";
import words from "./texts.js";

Object.assign(words, more);
document.head.append(h("link", { rel: "stylesheet", href: new URL("./attachments.css", import.meta.url) }));

const MAX_FILES = 10;

export class Attachments {
  /** `changed` hears of every change: whether there is something to send. */
  constructor(changed) {
    this.changed = changed;
    this.list = $("attached");
    this.files = [];
    this.sending = Promise.resolve();
  }

  /** The items of the message. */
  get items() {
    return this.files.map(({ item }) => item).filter(Boolean);
  }

  get isSending() {
    return this.files.some(({ item }) => !item);
  }

  add(files) {
    for (const file of files) {
      if (this.files.length === MAX_FILES) return void toast(t("too_many_files", { number: MAX_FILES }), { bad: true });
      const entry = { name: file.name, abort: new AbortController() };
      this.files.push(entry);
      this.show(entry);
      this.sending = this.sending.then(() => this.send(entry, file));
    }
    this.changed();
  }

  async send(entry, file) {
    if (!this.files.includes(entry)) return;
    const bar = entry.element.querySelector("progress");
    try {
      const kept = await upload("/api/v1/files", file, (part) => (part < 1 ? (bar.value = part) : bar.removeAttribute("value")), entry.abort.signal);
      entry.item = { type: kept.media_type.startsWith("image/") ? "image" : "file", file_id: kept.id, name: kept.name, media_type: kept.media_type };
      bar.replaceWith(fileElement(entry.item));
      announce(t("file_attached", { name: kept.name }));
    } catch (error) {
      if (!this.files.includes(entry)) return; // taken away
      this.remove(entry);
      toast(`${entry.name}: ${explain(error)}`, { bad: true, seconds: 12 });
    }
    this.changed();
  }

  show(entry) {
    const remove = tool("close", t("remove_file", { name: entry.name }));
    const shown = entry.item ? fileElement(entry.item) : h("progress", { "aria-label": t("sending_file", { name: entry.name }), max: 1, value: 0 });
    entry.element = h("li", {}, shown, h("span", { class: "name", dir: "auto", text: entry.name }), remove);
    remove.addEventListener("click", () => {
      this.remove(entry);
      $("prompt").focus();
    });
    this.list.append(entry.element);
    this.list.hidden = false;
  }

  remove(entry) {
    entry.abort.abort();
    entry.element.remove();
    this.files = this.files.filter((each) => each !== entry);
    this.list.hidden = !this.files.length;
    this.changed();
  }

  /** Take everything away: it was sent, or another conversation is shown. */
  clear() {
    for (const entry of [...this.files]) this.remove(entry);
  }

  /** Put back what was not sent after all. */
  restore(items) {
    for (const item of items) {
      const entry = { name: item.name, item, abort: new AbortController() };
      this.files.push(entry);
      this.show(entry);
    }
    this.changed();
  }
}
