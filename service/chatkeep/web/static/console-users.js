// Users: found, invited, and what administrators do to accounts.
import { get, send, withQuery } from "./api.js";
import { ask } from "./dialogs.js";
import { $, h, t, tool, url } from "./dom.js";
import { because, pagesIn, tried, valuesOf } from "./console.js";
import { USERS, about, actsOn, badges, during, personLink, showLink } from "./console-acts.js";
import { showMenu } from "./menu.js";
import { begin } from "./sign-in.js";

const PAUSE = 250;

function userRow(user) {
  const more = tool("more", t("menu_of", { title: user.username }), { "aria-haspopup": "menu", "aria-expanded": "false" });
  const also = [user.display_name, user.email].filter(Boolean).join(" · ");
  const row = h(
    "li",
    {},
    h(
      "div",
      { class: "what" },
      h("p", { class: "named" }, personLink(user.id, user.username), ...badges(user)),
      also ? h("p", { text: also, dir: "auto" }) : null,
      about(user),
    ),
    more,
  );
  more.addEventListener("click", () => showMenu(more, choicesFor(user, row)));
  return row;
}

function choicesFor(user, row) {
  const on = {
    during: (act) => during(row.lastElementChild, act),
    changed: (changed) => {
      const fresh = userRow(changed);
      row.replaceWith(fresh);
      fresh.querySelector("button").focus();
    },
    gone: () => {
      const neighbour = row.nextElementSibling ?? row.previousElementSibling ?? $("f-q");
      row.remove();
      (neighbour.querySelector("button") ?? neighbour).focus();
    },
  };
  return [
    { label: t("read_history"), run: () => location.assign(withQuery(url("/console/history"), { username: user.username })) },
    ...actsOn(user, on).map(({ name, run, dangerous }) => ({ label: t(name), run, dangerous })),
  ];
}

async function invite(load) {
  const fields = [
    { name: "username", label: t("new_username"), max: 256 },
    { name: "email", label: t("email_optional"), max: 254 },
    { name: "reason", label: t("reason_optional"), max: 500 },
  ];
  const given = await ask(t("invite"), { text: t("invite_hint"), fields, confirm: t("invite") });
  if (!given?.username.trim()) return;
  const body = { username: given.username.trim(), ...(given.email.trim() ? { email: given.email.trim() } : {}) };
  await tried(async () => {
    const made = await (await send("POST", USERS, body, because(given.reason))).json();
    await load();
    showLink(made.link, made.username);
  });
}

/** The values of the filters as the API has them: one choice stands for three kinds of accounts. */
function asked(form) {
  const { kind, ...values } = valuesOf(form);
  return kind ? { ...values, [kind]: true } : values;
}

function start() {
  const form = $("filters");
  const pages = pagesIn(userRow, t("nobody_found"));
  const load = () => {
    const filters = asked(form);
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
  $("invite").addEventListener("click", () => invite(load));
  load();
}

if (begin()) start();
