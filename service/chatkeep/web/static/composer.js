// Where a message is written: it grows, it is kept, and Enter sends it.
import { $, t } from "./dom.js";
import { draftKey } from "./sign-in.js";
import { toast } from "./toasts.js";

/** Whether a key sends what is written: Enter, also with Ctrl. */
export function sends(event) {
  // 229: the key belongs to an input method, also where the browser says so only after the conversion has ended.
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}

export class Composer {
  /** `send` gets the text, and empties the field when it is on its way; `restore` puts it back. */
  constructor(send) {
    this.field = $("prompt");
    this.attachments = null; // once there was a file
    this.conversationId = null;
    this.told = () => {};
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.field.value;
      if (!this.isReady()) return;
      if ($("send").hidden) return this.refuse();
      send(text);
    });
    this.field.addEventListener("keydown", (event) => {
      if (!sends(event)) return;
      event.preventDefault();
      $("composer").requestSubmit();
    });
    this.field.addEventListener("input", () => this.changed());
  }

  /** Say why Enter does nothing: the same notice, and not one for each key. */
  refuse() {
    this.told();
    this.told = toast(t("error_turn_in_progress"));
  }

  /** Whether there is something to send, and all of it has arrived. */
  isReady() {
    const { attachments } = this;
    return !attachments?.isSending && Boolean(this.field.value.trim() || attachments?.items.length);
  }

  /** Show what was being written in this conversation. */
  open(conversationId) {
    this.conversationId = conversationId;
    this.attachments?.clear();
    this.field.value = localStorage.getItem(draftKey(conversationId)) ?? "";
    this.fit();
  }

  /** Go on writing under the id that a new conversation has got. */
  moveTo(conversationId) {
    const text = this.field.value;
    this.write("");
    this.conversationId = conversationId;
    this.write(text);
  }

  write(text) {
    this.field.value = text;
    this.changed();
  }

  restore(text, items = []) {
    if (items.length) this.attachments.restore(items);
    const { value } = this.field;
    if (value !== text) this.write(value ? `${text}\n${value}` : text);
    this.field.focus();
  }

  changed() {
    const { value } = this.field;
    if (value) localStorage.setItem(draftKey(this.conversationId), value);
    else localStorage.removeItem(draftKey(this.conversationId));
    this.fit();
  }

  fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
    $("send").setAttribute("aria-disabled", this.isReady() ? "false" : "true");
  }
}
