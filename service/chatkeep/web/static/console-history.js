// Everybody's turns: read and exported by filters, only when it is asked for, since each reading goes on record.
import { send, withQuery } from "./api.js";
import { $, h, moment, number, t, url } from "./dom.js";
import { BACK, because, fillFrom, pagesIn, read, showFound, showLag, tried, valuesOf } from "./console.js";
import { personLink } from "./console-acts.js";
import { excerpt, isInReasoning, patternOf } from "./console-excerpt.js";
import { onSubmit } from "./forms.js";
import { isFile } from "./items.js";
import { begin } from "./sign-in.js";
import { endingText } from "./turn.js";

const HISTORY = "/api/v1/admin/history";

const thoughtsOf = (reply) => (reply?.items ?? []).filter((each) => each.type === "reasoning").map((each) => each.text).join("\n\n");

const filesIn = (items) => (items ?? []).filter(isFile).map(({ name }) => name || t("file"));

function turnRow(turn, pattern, inReasoning) {
  const names = [...filesIn(turn.prompt.items), ...filesIn(turn.reply?.items)];
  const saidPattern = inReasoning ? null : pattern;
  const status = turn.status === "complete" ? null : h("span", { class: turn.status === "failed" ? "badge bad" : "badge", text: t(`state_${turn.status}`) });
  const rated = turn.feedback && h("span", { class: "badge", text: t(turn.feedback.rating > 0 ? "good_answer" : "bad_answer") });
  const title = h("a", { href: url(`/console/conversations/${turn.conversation_id}`), text: turn.conversation_title || t("untitled"), dir: "auto" });
  return h(
    "li",
    {},
    h(
      "div",
      { class: "what" },
      h("p", { class: "named" }, personLink(turn.user_id, turn.username), title, status, rated || null),
      h("p", { class: "said", dir: "auto" }, ...excerpt(turn.prompt.content, saidPattern)),
      names.length ? h("p", { class: "named-files", dir: "auto", text: t("named_files", { names: names.join(", ") }) }) : null,
      inReasoning ? h("p", { class: "said thought", dir: "auto" }, `${t("thought")} `, ...excerpt(thoughtsOf(turn.reply), pattern)) : null,
      turn.reply ? h("p", { class: "said replied", dir: "auto" }, ...excerpt(turn.reply.content, saidPattern, { markdown: true })) : null,
      turn.status === "failed" ? h("p", { class: "ending bad", text: endingText(turn) }) : null,
      h("p", {}, moment(turn.created_at), turn.model ? ` · ${turn.model}` : ""),
    ),
  );
}

/** Empty the reason's field once a reading is on record: the next one may be of somebody else, and has its own. */
function forget(reason, { elements: { reason: field } }) {
  if (field.value === reason) field.value = "";
}

/** Write a file from an answer, telling how much there is of it. The header with the reason rules out a plain link. */
async function exported(form, format) {
  const path = withQuery(`${HISTORY}/export`, { ...valuesOf(form), format });
  const reason = form.elements.reason.value;
  const answer = await send("GET", path, undefined, because(reason));
  forget(reason, form);
  showLag(answer.headers.get("X-Standby-Lag-Seconds"));
  let size = 0;
  const told = (name) => ($("exporting").textContent = t(name, { size: number(Math.ceil(size / 1024)) }));
  const counting = new TransformStream({
    transform(part, to) {
      size += part.length;
      told("exported_so_far");
      to.enqueue(part);
    },
  });
  // Browsers keep what comes as a blob on the disk; as parts of ours all of it would be in memory.
  const address = URL.createObjectURL(await new Response(answer.body.pipeThrough(counting)).blob());
  h("a", { href: address, download: `history.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  told("exported");
}

function prepareExport(form, button) {
  button.addEventListener("click", async () => {
    if (form.elements.reason.required && !form.elements.reason.value.trim()) return form.requestSubmit(); // which says so
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    $("exporting").textContent = t("exporting");
    if (!(await tried(() => exported(form, button.dataset.export)))) $("exporting").textContent = "";
    button.removeAttribute("aria-disabled");
  });
}

function start() {
  const form = $("filters");
  let pattern = null;
  let inReasoning = false;
  const pages = pagesIn((turn) => turnRow(turn, pattern, inReasoning), t("no_turns"));
  fillFrom(form, location.search);
  onSubmit(form, async () => {
    const filters = valuesOf(form);
    const reason = form.elements.reason.value;
    pattern = patternOf(filters.q ?? "");
    inReasoning = isInReasoning(filters.q ?? "");
    // A conversation that is opened from here leads back to these filters. Who and what, never why.
    const address = withQuery(url("/console/history"), Object.fromEntries(new FormData(form).entries().filter(([name, value]) => value && name !== "reason")));
    history.replaceState(null, "", address);
    sessionStorage.setItem(BACK, address);
    await pages.load((cursor, signal) => read(withQuery("/web/console/history", { ...filters, limit: 30, cursor }), { ...because(reason), signal }));
    if (!$("state").querySelector(".problem")) forget(reason, form);
    showFound(form);
  });
  for (const button of document.querySelectorAll("[data-export]")) prepareExport(form, button);
}

if (begin()) start();
