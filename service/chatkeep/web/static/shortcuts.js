// The keys that do something, in a dialog.
import { h, t } from "./dom.js";
import more from "./shortcuts-texts.js";
import words from "./texts.js";

Object.assign(words, more);

const KEYS = [
  [["Enter"], "key_send"],
  [["Ctrl", "Enter"], "key_send"],
  [["Shift", "Enter"], "key_line"],
  [["Esc"], "key_cancel"],
  [["?"], "key_help"],
];

export function showShortcuts() {
  if (document.querySelector("dialog")) return;
  const rows = KEYS.flatMap(([keys, name]) => [h("dt", {}, ...keys.flatMap((key, n) => [n ? " + " : "", h("kbd", { text: key })])), h("dd", { text: t(name) })]);
  const close = h("button", { type: "submit", class: "main", text: t("close") });
  const form = h("form", { method: "dialog" }, h("h2", { id: "shortcuts", text: t("shortcuts") }), h("dl", { class: "shortcuts" }, ...rows), h("p", { class: "buttons" }, close));
  const box = h("dialog", { "aria-labelledby": "shortcuts", on: { close: () => box.remove(), click: (event) => event.target === box && box.close() } }, form);
  document.body.append(box);
  box.showModal();
  close.focus();
}
