// The account page.
import { ApiError, api, explain, get, once, withQuery } from "./api.js";
import { $, h, moment, state, t, url } from "./dom.js";
import { ask } from "./dialogs.js";
import { listed, onSubmit } from "./forms.js";
import { prepareImport } from "./import.js";
import { begin, forget, signOut } from "./sign-in.js";
import { toast } from "./toasts.js";
import { copyFrom } from "./turn.js";
import more from "./account-texts.js";
import ofPasswords from "./sign-in-texts.js";
import words from "./texts.js";

Object.assign(words, ofPasswords, more);

const AUTH = "/api/v1/auth";

/** Fill a list of the API, with a button for the next page where there is one. */
async function fill(id, path, row, emptyText) {
  const list = $(id);
  const rows = [];
  const more = async (cursor) => {
    try {
      const page = await get(withQuery(path, { limit: 20, cursor }));
      rows.push(...page.items.map(row));
      listed(list, rows, emptyText);
      if (!page.next_cursor) return;
      list.append(h("li", {}, act(quiet(t("more")), () => more(page.next_cursor))));
    } catch (error) {
      const again = act(h("button", { type: "button", class: "link", text: t("try_again") }), () => more(cursor));
      listed(list, [...rows, h("li", { class: "none" }, h("span", { text: explain(error) }), again)], "");
    }
  };
  listed(list, [h("li", { class: "none" }, h("span", { class: "spinner", role: "img", "aria-label": t("loading") }))], "");
  await more(null);
}

function act(button, run) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      await run();
    } catch (error) {
      toast(explain(error), { bad: true });
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
  return button;
}

const quiet = (text, label) => h("button", { type: "button", class: "quiet", text, "aria-label": label });

/** A browser in a few words; the whole of what it says of itself is too long to read. */
function browserOf(agent) {
  const browsers = [["Edg", "Edge"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]];
  const systems = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]];
  const named = (pairs) => pairs.find(([mark]) => agent?.includes(mark))?.[1];
  return [named(browsers), named(systems)].filter(Boolean).join(" · ") || agent?.slice(0, 60) || t("unknown_browser");
}

function sessionRow(session) {
  const name = browserOf(session.user_agent);
  const end = act(quiet(t("end"), t("end_session_of", { name })), async () => {
    await api("DELETE", `${AUTH}/sessions/${session.id}`);
    await showSessions();
  });
  return h(
    "li",
    {},
    h(
      "div",
      {},
      h("strong", { text: name }),
      h("p", {}, `${session.ip ?? ""} · ${t("last_used")} `, moment(session.last_seen_at)),
    ),
    session.current ? h("span", { class: "badge", text: t("this_browser") }) : end,
  );
}

const showSessions = () => fill("sessions", `${AUTH}/sessions`, sessionRow, t("none"));

const SCOPES = ["chat", "read", "import", "account", "admin"];

const scopesOf = (token) =>
  token.scopes.length === SCOPES.length ? t("scope_everything") : token.scopes.map((each) => t(`scope_${each}`)).join(" · ");

function tokenRow(token) {
  const end = act(quiet(t("revoke"), t("revoke_token", { name: token.name })), async () => {
    const given = await ask(t("revoke_token", { name: token.name }), { text: t("revoke_lead"), confirm: t("revoke"), dangerous: true });
    if (!given) return;
    await api("DELETE", `${AUTH}/tokens/${token.id}`);
    await showTokens();
  });
  const used = token.last_used_at ? [`${t("last_used")} `, moment(token.last_used_at)] : [t("never_used")];
  const until = token.expires_at ? [` · ${t("expires")} `, moment(token.expires_at)] : [];
  const may = h("p", { text: scopesOf(token) });
  return h("li", {}, h("div", {}, h("strong", { text: token.name }), may, h("p", {}, ...used, ...until)), end);
}

const showTokens = () => fill("tokens", `${AUTH}/tokens`, tokenRow, t("no_tokens"));

function showSecret(secret) {
  const copy = h("button", { type: "button", class: "quiet" }, h("span", { text: t("copy") }));
  copy.addEventListener("click", () => copyFrom(copy, secret));
  $("new-token").replaceChildren(h("p", { text: t("token_once") }), h("code", { text: secret }), copy);
  $("new-token").hidden = false;
}

function accessRow(access) {
  const reader = access.reader ?? t(access.reader_kind === "user" ? "deleted_administrator" : "operator");
  const what = h("strong", { text: t(`access_${access.action}`) });
  return h("li", {}, h("div", {}, what, h("p", {}, `${reader} · `, moment(access.created_at))));
}

const showAccess = () => fill("access", `${AUTH}/me/access-log`, accessRow, t("nobody_read"));

function prepareProfile() {
  const form = $("profile");
  form.elements.display_name.value = state.user.display_name ?? "";
  form.elements.email.value = state.user.email ?? "";
  onSubmit(form, async (fields) => {
    const changes = { display_name: fields.display_name.value.trim() || null, email: fields.email.value.trim() || null };
    state.user = await api("PATCH", `${AUTH}/me`, changes);
    showWho();
    toast(t("saved"));
  });
}

function preparePassword() {
  const form = $("password");
  for (const each of document.getElementsByName("username")) each.value = state.user.username;
  onSubmit(form, async (fields) => {
    await once("POST", `${AUTH}/password`, { current_password: fields.current_password.value, new_password: fields.new_password.value });
    form.reset();
    toast(t("password_changed"));
    await Promise.all([showSessions(), showTokens()]);
  });
}

function scopeBox(scope) {
  const box = h("input", { type: "checkbox", name: "scope", value: scope, checked: scope === "chat" });
  const hint = h("span", { class: "hint", text: t(`scope_${scope}_hint`) });
  return h("label", { class: "check" }, box, h("span", {}, h("strong", { text: t(`scope_${scope}`) }), " ", hint));
}

function prepareTokens() {
  const form = $("make-token");
  const offered = SCOPES.filter((each) => each !== "admin" || state.user.role === "admin");
  $("scopes").append(...offered.map(scopeBox));
  onSubmit(form, async (fields) => {
    const days = Number(fields.expires.value);
    const boxes = [...form.querySelectorAll("[name=scope]")];
    const scopes = boxes.filter((each) => each.checked).map((each) => each.value);
    if (!scopes.length) throw Object.assign(new ApiError(422, { detail: t("choose_scope") }), { field: boxes[0] });
    const expires_at = days ? new Date(Date.now() + days * 86_400_000).toISOString() : null;
    const made = await once("POST", `${AUTH}/tokens`, { name: fields.token_name.value, expires_at, scopes });
    form.reset();
    showSecret(made.token);
    await showTokens();
  });
}

function prepareEnding() {
  onSubmit($("delete"), async (fields) => {
    const given = await ask(t("delete_account"), { text: t("delete_account_sure"), confirm: t("delete_account"), dangerous: true });
    if (!given) return;
    await once("DELETE", `${AUTH}/me`, { password: fields.delete_password.value });
    forget();
    location.assign(url("/"));
  });
}

function prepareKeeping() {
  onSubmit($("keep"), async (fields) => {
    await once("POST", `${AUTH}/register`, { username: fields.keep_username.value, password: fields.keep_password.value });
    location.reload();
  });
}

function showWho() {
  const { user } = state;
  $("who").textContent = user.is_guest ? t("guest") : t("signed_in_as", { name: user.display_name || user.username });
}

function start() {
  if (!state.user) return location.replace(url("/")); // a guest who has said nothing yet has no account
  const kind = state.user.is_guest ? "guest" : "user";
  for (const section of document.querySelectorAll("[data-for]")) section.hidden = section.dataset.for !== kind;
  showWho();
  act($("sign-out"), signOut);
  act($("end-others"), async () => {
    await api("DELETE", `${AUTH}/sessions`);
    await showSessions();
    toast(t("others_ended"));
  });
  showSessions();
  prepareImport();
  if (state.user.is_guest) return prepareKeeping();
  prepareProfile();
  preparePassword();
  prepareTokens();
  prepareEnding();
  showTokens();
  showAccess();
}

if (begin()) start();
