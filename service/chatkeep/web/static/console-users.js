// Users: found, and what administrators do to accounts.
import { get, send, withQuery } from "./api.js";
import { ask } from "./dialogs.js";
import { $, day, h, moment, number, spinner, t, tool, url } from "./dom.js";
import { because, pagesIn, tried, valuesOf } from "./console.js";
import { showMenu } from "./menu.js";
import { begin } from "./sign-in.js";
import { toast } from "./toasts.js";

const USERS = "/api/v1/admin/users";
const PAUSE = 250;

const badge = (name, bad) => h("span", { class: bad ? "badge bad" : "badge", text: t(name) });

function badges(user) {
  return [
    user.role === "admin" && badge("role_admin"),
    user.is_guest && badge("guest"),
    user.disabled && badge("disabled", true),
    user.legal_hold && badge("legal_hold"),
  ].filter(Boolean);
}

function about(user) {
  const counts = t("user_counts", { conversations: number(user.conversation_count), turns: number(user.turn_count) });
  const seen = user.last_seen_at ? [` · ${t("last_seen")} `, moment(user.last_seen_at)] : [` · ${t("never_seen")}`];
  return h("p", {}, counts, ...seen, ` · ${t("since")} `, day(user.created_at));
}

function userRow(user) {
  const more = tool("more", t("menu_of", { title: user.username }), { "aria-haspopup": "menu", "aria-expanded": "false" });
  const also = [user.display_name, user.email].filter(Boolean).join(" · ");
  const row = h(
    "li",
    {},
    h(
      "div",
      { class: "what" },
      h("p", { class: "named" }, h("strong", { text: user.username, dir: "auto" }), ...badges(user)),
      also ? h("p", { text: also, dir: "auto" }) : null,
      about(user),
    ),
    more,
  );
  more.addEventListener("click", () => showMenu(more, choicesFor(user, row)));
  return row;
}

function choicesFor(user, row) {
  const change = (name, changes) => ({ label: t(name), run: () => changeUser(user, row, name, changes) });
  return [
    { label: t("read_history"), run: () => location.assign(withQuery(url("/console/history"), { username: user.username })) },
    user.role === "admin" ? change("make_user", { role: "user" }) : change("make_admin", { role: "admin" }),
    user.disabled ? change("enable", { disabled: false }) : change("disable", { disabled: true }),
    user.legal_hold ? change("end_hold", { legal_hold: false }) : change("begin_hold", { legal_hold: true }),
    { label: t("end_sessions"), run: () => endSessions(user, row) },
    { label: t("delete_user"), run: () => deleteUser(user, row), dangerous: true },
  ];
}

/** Ask whether it is to be done, and why; null where not. */
async function sure(user, name, { fields = [], dangerous = false } = {}) {
  const reason = { name: "reason", label: t("reason_optional"), max: 500 };
  const title = `${t(name)}: ${user.username}`;
  return ask(title, { text: t(`${name}_hint`), fields: [...fields, reason], confirm: t(name), dangerous });
}

/** Do what may take a while, and show in the row that it is being done. */
async function during(row, act) {
  const wait = spinner();
  row.lastElementChild.before(wait);
  await tried(act);
  wait.remove();
}

async function changeUser(user, row, name, changes) {
  const given = await sure(user, name);
  if (!given) return;
  await during(row, async () => {
    const answer = await send("PATCH", `${USERS}/${user.id}`, changes, because(given.reason));
    const changed = userRow(await answer.json());
    row.replaceWith(changed);
    changed.querySelector("button").focus();
    toast(t("saved"));
  });
}

async function endSessions(user, row) {
  const given = await sure(user, "end_sessions");
  if (!given) return;
  await during(row, async () => {
    await send("POST", `${USERS}/${user.id}/sessions/revoke`, undefined, because(given.reason));
    toast(t("sessions_ended", { name: user.username }));
  });
}

async function deleteUser(user, row) {
  const fields = [{ name: "typed", label: t("type_name", { name: user.username }), max: 256 }];
  const given = await sure(user, "delete_user", { fields, dangerous: true });
  if (!given) return;
  if (given.typed.trim() !== user.username) return void toast(t("name_differs"), { bad: true });
  await during(row, async () => {
    await send("DELETE", `${USERS}/${user.id}`, undefined, because(given.reason));
    const neighbour = row.nextElementSibling ?? row.previousElementSibling ?? $("f-q");
    row.remove();
    (neighbour.querySelector("button") ?? neighbour).focus();
    toast(t("user_deleted", { name: user.username }));
  });
}

function start() {
  const form = $("filters");
  const pages = pagesIn(userRow, t("nobody_found"));
  const load = () => {
    const filters = valuesOf(form);
    return pages.load((cursor, signal) => get(withQuery(USERS, { ...filters, limit: 50, cursor }), { signal }));
  };
  let timer = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(load, PAUSE);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    load();
  });
  load();
}

if (begin()) start();
