// Notices that come and go, some with something to do.
import { $, h, t, tool } from "./dom.js";

/** Show a notice. `action` is {label, run}; `seconds` 0 keeps it until it is closed. Returns what takes it away. */
export function toast(text, { action, seconds = 6, bad = false, after = () => {} } = {}) {
  const close = () => {
    clearTimeout(timer);
    if (!box.isConnected) return;
    box.remove();
    after();
  };
  const box = h("div", { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" }, h("span", { text }));
  if (action) {
    const run = () => {
      after = () => {};
      close();
      action.run();
    };
    box.append(h("button", { type: "button", class: "link", text: action.label, on: { click: run } }));
  }
  box.append(tool("close", t("close"), { on: { click: close } }));
  $("toasts").append(box);
  let timer = seconds ? setTimeout(close, seconds * 1000) : 0;
  // Who reads or aims at it has the time that it takes.
  const hold = () => clearTimeout(timer);
  const go = () => seconds && (timer = setTimeout(close, seconds * 1000));
  box.addEventListener("focusin", hold);
  box.addEventListener("pointerenter", hold);
  box.addEventListener("focusout", go);
  box.addEventListener("pointerleave", go);
  return close;
}
