// What administrators do to an account, from the list of users and from a person's own page.
import { send } from "./api.js";
import { ask } from "./dialogs.js";
import { $, day, h, moment, number, spinner, t, url } from "./dom.js";
import { because, tried } from "./console.js";
import { toast } from "./toasts.js";
import { copyFrom } from "./turn.js";
import ofPasswords from "./sign-in-texts.js";
import words from "./texts.js";

Object.assign(words, ofPasswords);

export const USERS = "/api/v1/admin/users";
const LONG = 60;

const badge = (name, bad) => h("span", { class: bad ? "badge bad" : "badge", text: t(name) });

/** The name of a user, which leads to their page. */
export const personLink = (id, name) => h("a", { class: "who", href: url(`/console/users/${id}`), text: name, dir: "auto" });

export function badges(user) {
  return [
    user.role === "admin" && badge("role_admin"),
    user.is_guest && badge("guest"),
    user.disabled && badge("disabled", true),
    user.legal_hold && badge("legal_hold"),
  ].filter(Boolean);
}

export function about(user) {
  const counts = t("user_counts", { conversations: number(user.conversation_count), turns: number(user.turn_count) });
  const seen = user.last_seen_at ? [` · ${t("last_seen")} `, moment(user.last_seen_at)] : [` · ${t("never_seen")}`];
  return h("p", {}, counts, ...seen, ` · ${t("since")} `, day(user.created_at));
}

/** Show a link that sets a password. It is not shown again. */
export function showLink(link, name) {
  const copy = h("button", { type: "button", class: "quiet" }, h("span", { text: t("copy") }));
  copy.addEventListener("click", () => copyFrom(copy, link));
  $("new-link").replaceChildren(h("p", { text: t("link_once", { name }) }), h("code", { text: link, tabindex: "0" }), copy);
  $("new-link").hidden = false;
  $("new-link").scrollIntoView({ block: "nearest" });
  copy.focus();
}

/** Ask whether it is to be done, and why; null where not. */
async function sure(user, name, { fields = [], dangerous = false } = {}) {
  const reason = { name: "reason", label: t("reason_optional"), max: 500 };
  const title = `${t(name)}: ${user.username}`;
  return ask(title, { text: t(`${name}_hint`), fields: [...fields, reason], confirm: t(name), dangerous });
}

/** What can be done to a user. `on.during` shows that it is being done, `on.changed` gets what came of it, `on.gone` hears of the end. */
export function actsOn(user, on) {
  const change = (name, changes) => ({ name, run: () => changeUser(user, name, changes, on) });
  return [
    user.role === "admin" ? change("make_user", { role: "user" }) : change("make_admin", { role: "admin" }),
    user.disabled ? change("enable", { disabled: false }) : change("disable", { disabled: true }),
    user.legal_hold ? change("end_hold", { legal_hold: false }) : change("begin_hold", { legal_hold: true }),
    ...(user.is_guest ? [] : [{ name: "reset_password", run: () => resetPassword(user, on) }]),
    { name: "end_sessions", run: () => endSessions(user, on) },
    { name: "delete_user", run: () => deleteUser(user, on), dangerous: true },
  ];
}

async function changeUser(user, name, changes, on) {
  const given = await sure(user, name);
  if (!given) return;
  await on.during(async () => {
    const answer = await send("PATCH", `${USERS}/${user.id}`, changes, because(given.reason));
    on.changed(await answer.json());
    toast(t("saved"));
  });
}

async function resetPassword(user, on) {
  const given = await sure(user, "reset_password");
  if (!given) return;
  await on.during(async () => {
    const answer = await send("POST", `${USERS}/${user.id}/reset`, undefined, because(given.reason));
    showLink((await answer.json()).link, user.username);
  });
}

async function endSessions(user, on) {
  const given = await sure(user, "end_sessions");
  if (!given) return;
  await on.during(async () => {
    await send("POST", `${USERS}/${user.id}/sessions/revoke`, undefined, because(given.reason));
    on.changed(user);
    toast(t("sessions_ended", { name: user.username }));
  });
}

async function deleteUser(user, on) {
  const fields = [{ name: "typed", label: t("type_name", { name: user.username }), max: 256 }];
  const given = await sure(user, "delete_user", { fields, dangerous: true });
  if (!given) return;
  if (given.typed.trim() !== user.username) return void toast(t("name_differs"), { bad: true });
  await on.during(async () => {
    const answer = await send("DELETE", `${USERS}/${user.id}`, undefined, because(given.reason));
    const receipt = answer.headers.get("Erasure-Receipt");
    on.gone(receipt);
    toast(t("user_deleted", { name: user.username, receipt }), { seconds: LONG });
  });
}

/** Do what may take a while, with a spinner before an element. */
export async function during(before, act) {
  const wait = spinner();
  before.before(wait);
  await tried(act);
  wait.remove();
}
