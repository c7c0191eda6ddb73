// A conversation as its user saw it, to be read when it is said why.
import { get, withQuery } from "./api.js";
import { $, h, moment, t } from "./dom.js";
import { BACK, Pages, because } from "./console.js";
import { personLink } from "./console-acts.js";
import { filesOf } from "./console-files.js";
import { onSubmit } from "./forms.js";
import { begin } from "./sign-in.js";
import { ending, fillReply, promptElements } from "./turn.js";

function aboutTurn(turn) {
  const { count, position } = turn.siblings;
  const version = count > 1 ? h("span", { text: t("version", { position, count }) }) : null;
  const rated = turn.feedback ? h("span", { text: t(turn.feedback.rating > 0 ? "good_answer" : "bad_answer") }) : null;
  const comment = turn.feedback?.comment ? h("span", { dir: "auto", text: turn.feedback.comment }) : null;
  return h("p", { class: "about" }, version, rated, comment, turn.model ? h("span", { text: turn.model }) : null, moment(turn.created_at));
}

function turnArticle(turn, file) {
  const reply = h("div", { class: "reply prose", dir: "auto" });
  fillReply(reply, turn, { copies: false, file });
  const ended = turn.status === "streaming" ? h("p", { class: "ending", text: t("state_streaming") }) : ending(turn);
  return h(
    "article",
    { class: "turn", "aria-label": t("turn", { number: turn.index + 1 }) },
    turn.continues ? null : h("h3", { class: "hidden", text: t("they_said") }),
    ...promptElements(turn, file),
    h("h3", { class: "hidden", text: t("answer") }),
    reply,
    ended,
    aboutTurn(turn),
  );
}

function systemPrompt(text) {
  return h("details", {}, h("summary", { text: t("system_prompt") }), h("p", { dir: "auto", text }));
}

function start() {
  const form = $("why");
  const id = form.dataset.conversation;
  $("back").href = sessionStorage.getItem(BACK) ?? $("back").href;
  onSubmit(form, async () => {
    const reason = form.elements.reason.value;
    const found = await get(`/api/v1/admin/conversations/${id}`, because(reason));
    $("title").textContent = found.title || t("untitled");
    $("whose").replaceChildren(personLink(found.user_id, found.username), " · ", moment(found.created_at));
    if (found.system_prompt) $("whose").after(systemPrompt(found.system_prompt));
    form.hidden = true;
    $("reading").hidden = false;
    const file = filesOf(found.user_id, reason);
    const pages = new Pages({ list: $("list"), state: $("state"), row: (turn) => turnArticle(turn, file), empty: t("no_turns"), newestFirst: true });
    await pages.load((cursor, signal) => get(withQuery(`/web/console/conversations/${id}/turns`, { limit: 30, cursor }), { ...because(reason), signal }));
  });
}

if (begin()) start();
