// A menu that opens at a button.
import { h } from "./dom.js";

let open = null;

function place(box, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const below = at.bottom + height + 8 < innerHeight;
  box.style.top = `${Math.max(8, below ? at.bottom + 4 : at.top - height - 4)}px`;
  box.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
}

function onKey(event, items) {
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (to !== undefined) items.at(to % items.length).focus();
  else if (event.key !== "Escape" && event.key !== "Tab") return;
  if (event.key === "Escape" || event.key === "Tab") close();
  if (event.key !== "Tab") {
    event.preventDefault();
    event.stopPropagation();
  }
}

function close() {
  if (!open) return;
  const { box, button } = open;
  open = null;
  const hadFocus = box.contains(document.activeElement);
  box.remove();
  if (hadFocus) button.focus(); // first: a row's button is hidden once its menu is closed and nothing is in the row
  button.setAttribute("aria-expanded", "false");
}

/** Open a menu of `choices`, each {label, run, href, dangerous}, or close the one that this button opened. */
export function showMenu(button, choices) {
  const again = open?.button === button;
  close();
  if (again) return;
  const items = choices.map(({ label, run, href, dangerous }) =>
    h(href ? "a" : "button", {
      ...(href ? { href, download: true } : { type: "button" }),
      role: "menuitem",
      tabindex: "-1",
      class: dangerous ? "dangerous" : null,
      text: label,
      on: { click: () => (close(), run?.()) },
    }),
  );
  const box = h("div", { class: "menu", role: "menu", "aria-label": button.getAttribute("aria-label") ?? button.textContent.trim() }, ...items);
  box.addEventListener("keydown", (event) => onKey(event, items));
  document.body.append(box);
  place(box, button);
  open = { box, button };
  button.setAttribute("aria-expanded", "true");
  items[0].focus();
}

document.addEventListener("pointerdown", (event) => {
  if (open && !open.box.contains(event.target) && !open.button.contains(event.target)) close();
});
addEventListener("resize", close);
