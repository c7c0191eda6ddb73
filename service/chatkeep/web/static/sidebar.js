// On a phone the list lies over the conversation, and is closed until it is asked for.
import { $, state, t } from "./dom.js";

const narrow = matchMedia("(max-width: 47.99rem)");
let isOpen = false;

function show() {
  const over = narrow.matches;
  $("app").classList.toggle("listing", over && isOpen);
  // What is covered or out of sight must not be reached with the keyboard either.
  $("sidebar").inert = over && !isOpen;
  $("main").inert = over && isOpen;
  $("open-sidebar").setAttribute("aria-expanded", String(isOpen));
}

export function openSidebar(open) {
  if (open === isOpen) return;
  isOpen = open;
  show();
  if (narrow.matches) $(open ? "close-sidebar" : "open-sidebar").focus();
}

export function prepareSidebar() {
  narrow.addEventListener("change", show);
  $("open-sidebar").setAttribute("aria-controls", "sidebar");
  $("open-sidebar").addEventListener("click", () => openSidebar(true));
  $("close-sidebar").addEventListener("click", () => openSidebar(false));
  $("shade").addEventListener("click", () => openSidebar(false));
  $("sidebar").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) openSidebar(false);
  });
  show();
}

/** Name the user at the list's foot, and say to a guest what an account is for. */
export function showUser() {
  const { user } = state;
  $("me-name").textContent = !user || user.is_guest ? t("guest") : user.display_name || user.username;
  $("guest-note").hidden = !user?.is_guest;
}
