// Signing in, making an account, or going on as a guest.
import { ApiError, once } from "./api.js";
import { $, h, state, t } from "./dom.js";
import { onSubmit } from "./forms.js";
import { AS_GUEST } from "./sign-in.js";
import more from "./sign-in-texts.js";
import words from "./texts.js";

Object.assign(words, more);

const passwords = (form) => [form.elements.password, form.elements.repeated].filter(Boolean);

export function showButton(form) {
  const change = () => show(form, form.elements.password.type === "password");
  return h("button", { type: "button", class: "link show", text: t("show_password"), on: { click: change } });
}

/** Show what is typed as a password, or hide it. */
export function show(form, isShown) {
  for (const each of passwords(form)) each.type = isShown ? "text" : "password";
  form.querySelector(".show").textContent = t(isShown ? "hide_password" : "show_password");
}

export function repeatedField() {
  const field = { id: "f-repeated", name: "repeated", type: "password", autocomplete: "new-password", maxlength: 1024, required: true };
  return h("p", { class: "field" }, h("label", { for: field.id, text: t("repeat_password") }), h("input", field));
}

export function requireSame({ password, repeated }) {
  if (!repeated || repeated.value === password.value) return;
  throw Object.assign(new ApiError(422, { detail: t("passwords_differ") }), { field: repeated });
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
  form.elements.password.after(showButton(form));
  offerModes(page, form);
  onSubmit(form, async (fields) => {
    const body = { username: fields.username.value, password: fields.password.value };
    requireSame(fields);
    show(form, false);
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
  const become = (mode) => {
    const registers = mode === "register";
    form.dataset.mode = mode;
    page.querySelector("h1").textContent = page.querySelector(".main span:last-child").textContent = t(mode);
    form.querySelector(".check").hidden = page.querySelector(".forgotten").hidden = registers;
    const hint = form.querySelector(".hint");
    hint.hidden = !registers;
    if (registers) form.elements.password.setAttribute("aria-describedby", hint.id);
    else form.elements.password.removeAttribute("aria-describedby");
    if (registers) form.querySelector(".check").before(repeatedField());
    else form.elements.repeated?.closest("p").remove();
    show(form, false);
    form.elements.password.autocomplete = registers ? "new-password" : "current-password";
    other.firstElementChild.textContent = t(registers ? "have_account" : "no_account");
    other.lastElementChild.textContent = t(registers ? "sign_in" : "register");
    document.title = `${t(mode)} · Chatkeep`;
  };
  other.hidden = !state.allow_registration;
  guest.hidden = !state.allow_guests;
  become("sign_in");
  other.querySelector("button").addEventListener("click", () => {
    become(form.dataset.mode === "register" ? "sign_in" : "register");
    form.elements.username.focus();
  });
  guest.querySelector("button").addEventListener("click", () => {
    // A browser drops a cookie for https from any other page.
    if (!navigator.cookieEnabled || (state.cookie_secure && !isSecureContext)) return comeBack("guest");
    sessionStorage.setItem(AS_GUEST, "1");
    location.reload();
  });
}
