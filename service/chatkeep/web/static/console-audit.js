// The audit trail: who did what, and whether all of it is as it was written.
import { explain, send, withQuery } from "./api.js";
import { $, h, hasText, icon, moment, number, t, url } from "./dom.js";
import { fillFrom, pagesIn, read, showFound, showLag, valuesOf } from "./console.js";
import { onSubmit } from "./forms.js";
import { begin } from "./sign-in.js";

const AUDIT = "/api/v1/admin/audit";
const ID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const NUMBER = /^\d{1,4}-\d{1,18}$/; // of a row, which an erasure gives
const MAX_NAMED = 4;

const fitting = (name, value, filters) => h("a", { class: "who", href: withQuery(url("/console/audit"), { [name]: filters ?? value }), text: value, dir: "auto" });

/** An account by its name, or where it is gone by its id; a link to what else there is of it. */
const account = (role, id, username) => (username ? fitting(role, username) : fitting(role, t("gone_account", { id: id.slice(-8) }), id));

function actor(event) {
  if (event.actor_id) return account("actor", event.actor_id, event.actor_username);
  return h("strong", { text: t(`actor_${event.actor_kind}`) });
}

function subjects(event) {
  const others = event.subjects.filter((each) => each.id !== event.actor_id);
  if (!others.length) return null;
  const named = others.slice(0, MAX_NAMED).flatMap((each, n) => [n ? ", " : "→ ", account("subject", each.id, each.username)]);
  const left = others.length - MAX_NAMED;
  return h("span", {}, ...named, left > 0 ? ` ${t("and_others", { number: number(left) })}` : "");
}

const told = (value) => (typeof value === "object" && value ? JSON.stringify(value) : String(value));
function detail([name, value]) {
  const code = h("code", { text: `${name}: ${told(value)}` });
  return [" · ", name === "conversation_id" ? h("a", { href: url(`/console/conversations/${value}`) }, code) : code];
}

function eventRow(event) {
  const name = `action_${event.action}`;
  const place = t("trail_place", { chain: event.chain, row: number(event.seq) });
  return h(
    "li",
    { class: "act" },
    h("p", {}, moment(event.created_at)),
    h(
      "div",
      {},
      h("p", { class: "named" }, h("span", { class: event.action.includes("failed") ? "badge bad" : "badge", text: hasText(name) ? t(name) : event.action }), " ", actor(event), " ", subjects(event)),
      event.reason ? h("p", { class: "why", dir: "auto", text: event.reason }) : null,
      h("p", { class: "more" }, event.address ? `${event.address} · ` : "", place, ...Object.entries(event.details).flatMap(detail)),
    ),
  );
}

/** The filters as the API has them: who is named by an id, or else by a name. */
function asked(form) {
  const { actor, subject, ...values } = valuesOf(form);
  if (NUMBER.test(subject ?? "")) return { ...values, row: subject };
  for (const [name, value] of Object.entries({ actor, subject })) if (value) values[ID.test(value) ? `${name}_id` : name] = value;
  return values;
}

function showFaults(found) {
  const where = (each) => t("fault_at", { chain: each.chain, row: each.last ? `${number(each.row)}–${number(each.last)}` : number(each.row) });
  const rows = found.breaks.map((each) => h("li", {}, `${where(each)}${t(`fault_${each.fault}`)} `, each.event_id ? h("code", { text: each.event_id }) : ""));
  const left = found.broken - found.breaks.length;
  if (left > 0) rows.push(h("li", { text: t("more_faults", { number: number(left) }) }));
  const all = h("ul", { class: "faults", tabindex: "0", "aria-label": t("faults") }, ...rows);
  $("verdict").replaceChildren(h("p", { class: "verdict bad" }, icon("close"), t("trail_broken", { number: number(found.broken), rows: number(found.whole) })), all);
}

function showVerdict(found) {
  showLag(found.lag_seconds);
  if (found.error) return showProblem(t(hasText(`error_${found.error}`) ? `error_${found.error}` : "error_other"));
  if (found.broken) return showFaults(found);
  $("verdict").replaceChildren(h("p", { class: "verdict good" }, icon("check"), t("trail_whole", { rows: number(found.whole) })));
}

const showProblem = (text) => $("verdict").replaceChildren(h("p", { class: "problem", text }));

function showProgress({ read, rows }) {
  $("verified").max = rows;
  $("verified").value = read;
  $("verified-so-far").textContent = t("verified_so_far", { read: number(read), rows: number(rows) });
}

/** Read a line after the other of an answer, as they come. */
async function* linesOf(answer) {
  let rest = "";
  for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield* lines.map((line) => JSON.parse(line));
  }
}

async function verify() {
  const answer = await send("POST", "/web/console/audit/verification");
  for await (const line of linesOf(answer)) {
    if ("read" in line) showProgress(line);
    else return showVerdict(line);
  }
  throw new TypeError("the answer broke off");
}

function prepareVerifying() {
  const button = $("verify");
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    $("verdict").replaceChildren();
    $("verified").removeAttribute("value");
    $("verified-so-far").textContent = "";
    $("verifying").hidden = false;
    try {
      await verify();
    } catch (error) {
      showProblem(explain(error));
    } finally {
      $("verifying").hidden = true;
      button.removeAttribute("aria-disabled");
    }
  });
}

function start() {
  const form = $("filters");
  const pages = pagesIn(eventRow, t("no_events"), { endless: true });
  const load = () => {
    const filters = asked(form);
    return pages.load((cursor, signal) => read(withQuery(AUDIT, { ...filters, limit: 50, cursor }), { signal }));
  };
  fillFrom(form, location.search);
  onSubmit(form, async () => {
    history.replaceState(null, "", withQuery(url("/console/audit"), Object.fromEntries([...new FormData(form)].filter(([, value]) => value))));
    await load();
    showFound(form);
  });
  prepareVerifying();
  load();
}

if (begin()) start();
