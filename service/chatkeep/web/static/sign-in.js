// Signing in, making an account, or going on as a guest.
import { once } from "./api.js";
import { $, state, t, url } from "./dom.js";
import { onChoices, onSubmit } from "./forms.js";

const AS_GUEST = "chatkeep-guest";
const DRAFTS = `${state.root}draft:`; // of this service: another may share the host

/** Whether the page is to be shown: somebody is signed in, or goes on as a guest. */
export function isLetIn() {
  return Boolean(state.user) || (state.allow_guests && sessionStorage.getItem(AS_GUEST) !== null);
}

export function showSignIn(message) {
  const page = $("sign-in");
  const form = page.querySelector("form");
  if (!page.hidden) return;
  $("app").hidden = true;
  page.hidden = false;
  if (message) {
    page.querySelector(".lead").textContent = message;
  }
  offerModes(page, form);
  onSubmit(form, async (fields) => {
    const body = { username: fields.username.value, password: fields.password.value };
    if (form.dataset.mode === "register") await once("POST", "/api/v1/auth/register", body);
    else await once("POST", "/api/v1/auth/login", { ...body, remember: fields.remember.checked });
    comeBack("user");
    await new Promise(() => {}); // the button stays busy until the new page is there
  });
  form.elements.username.focus();
}

/** Load the page again. Where the browser has not kept the cookie, the page then says so. */
function comeBack(as) {
  const here = new URL(location);
  here.searchParams.set("as", as);
  location.replace(here);
}

function offerModes(page, form) {
  const [other, guest] = page.querySelectorAll(".other");
  const show = (mode) => {
    const registers = mode === "register";
    form.dataset.mode = mode;
    page.querySelector("h1").textContent = page.querySelector(".main span:last-child").textContent = t(mode);
    form.querySelector(".check").hidden = registers;
    const hint = form.querySelector(".hint");
    hint.hidden = !registers;
    if (registers) form.elements.password.setAttribute("aria-describedby", hint.id);
    else form.elements.password.removeAttribute("aria-describedby");
    form.elements.password.autocomplete = registers ? "new-password" : "current-password";
    other.firstElementChild.textContent = t(registers ? "have_account" : "no_account");
    other.lastElementChild.textContent = t(registers ? "sign_in" : "register");
    document.title = `${t(mode)} · Chatkeep`;
  };
  other.hidden = !state.allow_registration;
  guest.hidden = !state.allow_guests;
  show("sign_in");
  other.querySelector("button").addEventListener("click", () => {
    show(form.dataset.mode === "register" ? "sign_in" : "register");
    form.elements.username.focus();
  });
  guest.querySelector("button").addEventListener("click", () => {
    // A browser drops a cookie for https from any other page.
    if (!navigator.cookieEnabled || (state.cookie_secure && !isSecureContext)) return comeBack("guest");
    sessionStorage.setItem(AS_GUEST, "1");
    location.reload();
  });
}

/** Take away what this browser knows of what somebody wrote. */
export function forget() {
  for (const key of Object.keys(localStorage)) if (key.startsWith(DRAFTS)) localStorage.removeItem(key);
  sessionStorage.clear();
}

export async function signOut() {
  await once("POST", "/api/v1/auth/logout");
  forget();
  location.assign(url("/"));
}

export function begin() {
  const here = new URL(location);
  here.searchParams.delete("as");
  history.replaceState(history.state, "", here);
  onChoices(document.documentElement.lang, state.theme);
  addEventListener("signed-out", () => showSignIn(t("session_ended")));
  if (isLetIn()) $("app").hidden = false;
  else showSignIn();
  return isLetIn();
}

export const draftKey = (conversationId) => `${DRAFTS}${state.user?.id ?? "guest"}:${conversationId ?? "new"}`;
