// What is being answered now, looked at again and again while somebody looks at it.
import { explain, send, withQuery } from "./api.js";
import { $, delay, h, language, moment, number, spinner, t, url } from "./dom.js";
import { because, tried } from "./console.js";
import { USERS, personLink } from "./console-acts.js";
import { ask } from "./dialogs.js";
import { begin } from "./sign-in.js";
import { toast } from "./toasts.js";

const RUNNING = "/web/console/running";
const PAUSE = 2000;
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const rows = new Map();

/** Stop an answer. Its row goes when it has stopped. */
async function stop(turn) {
  const reason = { name: "reason", label: t("reason_optional"), max: 500 };
  const given = await ask(t("stop_answer_of", { name: turn.username }), { text: t("stop_answer_hint"), fields: [reason], confirm: t("stop_answer") });
  if (!given) return;
  await tried(async () => {
    await send("POST", `${USERS}/${turn.user_id}/turns/${turn.id}/stop`, undefined, because(given.reason));
    toast(t("stopping"));
  });
}

function lasted(turn, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(turn.created_at)) / 1000));
  return seconds < 60 ? t("for_seconds", { seconds }) : t("for_minutes", { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
}

function rowOf(turn) {
  const made = h(
    "li",
    {},
    h(
      "div",
      { class: "what" },
      h("p", { class: "named" }, personLink(turn.user_id, turn.username), turn.model ? h("span", { class: "badge", text: turn.model }) : null),
      h("p", {}, h("span", { class: "lasted" }), " · ", moment(turn.created_at), " · ", h("a", { href: url(`/console/conversations/${turn.conversation_id}`), text: t("open_conversation") })),
    ),
    h("p", { class: "long" }, h("strong"), ` ${t("characters")}`),
    h("button", { type: "button", class: "quiet", text: t("stop_answer"), "aria-label": t("stop_answer_of", { name: turn.username }), on: { click: () => stop(turn) } }),
  );
  return made;
}

/** Change what has changed, so that neither focus nor place are lost. */
function show(turns, more, now) {
  for (const [id, row] of rows) {
    if (turns.some((turn) => turn.id === id)) continue;
    row.remove();
    rows.delete(id);
  }
  turns.forEach((turn, place) => {
    const row = rows.get(turn.id) ?? rowOf(turn);
    rows.set(turn.id, row);
    row.querySelector(".lasted").textContent = lasted(turn, now);
    row.querySelector(".long strong").textContent = number(turn.characters);
    if ($("list").children[place] !== row) $("list").insertBefore(row, $("list").children[place] ?? null);
  });
  $("list").hidden = !turns.length;
  $("count").textContent = t("running_now", { number: `${number(turns.length)}${more ? "+" : ""}` });
  $("as-of").textContent = t("as_of", { time: clock.format(now) });
  $("state").replaceChildren(...(turns.length ? [] : [h("p", { class: "none", text: t("nothing_runs") })]));
}

const seen = () => new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));

async function look() {
  const answer = await send("GET", withQuery(RUNNING, { limit: 100 }));
  const page = await answer.json();
  show(page.items, page.next_cursor, Date.parse(answer.headers.get("Date")) || Date.now());
}

async function watch() {
  $("state").replaceChildren(spinner());
  for (;;) {
    try {
      await look();
      document.body.classList.remove("stale");
    } catch (error) {
      document.body.classList.add("stale");
      $("state").replaceChildren(h("p", { class: "problem", text: explain(error) }));
    }
    await delay(PAUSE);
    while (document.hidden) await seen();
  }
}

if (begin()) tried(watch);
