// One turn on the page: a prompt, its reply, and what can be done with them.
import { h, hasText, icon, moment, spinner, t, tool } from "./dom.js";
import { insertSanitised } from "./html.js";
import { isFile, isText, itemElement } from "./items.js";
import { draftKey } from "./sign-in.js";

export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain http browsers have no clipboard for pages.
  const area = h("textarea", { class: "hidden" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Copy, and show on the button that it was done. */
export async function copyFrom(button, text) {
  await copyText(text);
  const [before, label] = [button.firstElementChild, button.getAttribute("aria-label")];
  button.firstElementChild.replaceWith(icon("check"));
  button.setAttribute("aria-label", t("copied"));
  setTimeout(() => {
    button.firstElementChild.replaceWith(before);
    button.setAttribute("aria-label", label);
  }, 1500);
}

/** Put a reply's HTML in, each block of code with its language and a button that copies it. */
export function showReply(element, html, { copies = true } = {}) {
  insertSanitised(element, html);
  for (const pre of element.querySelectorAll("pre")) {
    const copy = copies ? tool("copy", t("copy_code"), { "data-act": "copy-code" }) : null;
    const head = h("div", { class: "code-head" }, h("span", { text: pre.dataset.language ?? "" }), copy);
    const box = h("div", { class: "code" });
    pre.replaceWith(box);
    pre.setAttribute("role", "group"); // no landmark: there are many
    pre.setAttribute("aria-label", t("code"));
    box.append(head, pre);
  }
  for (const each of element.querySelectorAll(".scroll")) {
    each.setAttribute("role", "group");
    each.setAttribute("aria-label", t(each.matches(".formula") ? "formula" : "table"));
  }
  if (element.querySelector("math")) import("./formulas.js");
}

/** Put a whole reply in, of whatever it is made of. */
export function fillReply(element, turn, options = {}) {
  const { items } = turn.reply ?? {};
  if (!items) {
    if (turn.reply_html) showReply(element, turn.reply_html, options);
    return;
  }
  const parts = [...(turn.reply_parts ?? [])];
  for (const item of items) {
    if (!isText(item)) element.append(itemElement(item, options.file));
    else {
      const part = h("div", { class: "part" });
      showReply(part, parts.shift() ?? "", options);
      element.append(part);
    }
  }
}

/** The text of a prompt, with the names of those who speak where others than its user do. */
function saidIn({ content, items }) {
  const said = (items ?? []).filter(isText);
  if (said.every(({ role = "user" }) => role === "user")) return [content];
  const points = [...content];
  const nameOf = { user: t("user"), assistant: t("assistant") };
  return said.flatMap(({ role = "user", start, end }, at) => [
    h("strong", { text: `${at ? "\n\n" : ""}${nameOf[role] ?? t("system_prompt")}\n` }),
    points.slice(start, end).join(""),
  ]);
}

/** A prompt, and what it is made of beside its text. Going on with a reply has none. */
export function promptElements(turn, file) {
  if (turn.continues) return [];
  const elements = (fits) => (turn.prompt.items ?? []).filter(fits).map((item) => itemElement(item, file));
  const files = elements(isFile);
  const others = elements((item) => !isText(item) && !isFile(item));
  return [files.length ? h("div", { class: "files" }, ...files) : null, turn.prompt.content ? h("div", { class: "prompt", dir: "auto" }, ...saidIn(turn.prompt)) : null, ...others];
}

function branches({ siblings }) {
  if (siblings.count < 2) return null;
  const { position, count } = siblings;
  const step = (name, label, act, ends) => tool(name, label, { "data-act": act, "aria-disabled": ends ? "true" : null });
  return h(
    "span",
    { class: "branches", role: "group", "aria-label": t("branches") },
    step("left", t("earlier_branch"), "previous", position === 1),
    h("span", { class: "where", text: `${position}/${count}` }),
    step("right", t("later_branch"), "next", position === count),
  );
}

function rating(turn, name, value) {
  const pressed = turn.feedback?.rating === value;
  return tool(name, t(name === "good" ? "good_answer" : "bad_answer"), { "data-act": name, "aria-pressed": String(pressed) });
}

/** How an answer ended that is not whole, in words. */
export function endingText(turn) {
  if (turn.status === "incomplete") return t(turn.finish_reason === "content_filter" ? "turn_filtered" : "turn_cut");
  if (turn.status !== "failed") return t(`turn_${turn.status}`);
  if (hasText(`error_${turn.error?.code}`)) return t(`error_${turn.error.code}`);
  return [t("turn_failed"), turn.error?.detail].filter(Boolean).join(" ");
}

export function ending(turn) {
  if (turn.status === "complete" || turn.status === "streaming") return null;
  return h("p", { class: turn.status === "failed" ? "ending bad" : "ending", text: endingText(turn) });
}

/** Whether the model can go on where its answer was cut. */
function canContinue({ status, finish_reason: reason, reply }) {
  return ["incomplete", "stopped", "interrupted"].includes(status) && reason !== "content_filter" && Boolean(reply?.content);
}

/** What to do where there is no whole answer. */
function again(turn) {
  if (turn.status === "complete" || turn.status === "streaming") return null;
  const button = (act, text) => h("button", { type: "button", class: "link again", "data-act": act, text });
  const goesOn = canContinue(turn);
  return h(
    "p",
    { class: "agains" },
    goesOn ? button("continue", t("continue_answer")) : null,
    !goesOn || turn.status === "interrupted" ? button("regenerate", t("try_again")) : null,
  );
}

function tools(turn) {
  const streaming = turn.status === "streaming";
  return h(
    "div",
    { class: "tools" },
    branches(turn),
    turn.reply?.content && !streaming ? tool("copy", t("copy_answer"), { "data-act": "copy-reply" }) : null,
    streaming ? null : tool("again", t("regenerate"), { "data-act": "regenerate" }),
    turn.reply && !streaming ? rating(turn, "good", 1) : null,
    turn.reply && !streaming ? rating(turn, "bad", -1) : null,
    streaming ? null : h("span", { class: "about" }, leftOut(turn), turn.model ? h("span", { text: turn.model }) : null, moment(turn.created_at)),
  );
}

function leftOut({ context }) {
  return context?.left_out ? h("span", { text: t("left_out", { number: context.left_out }) }) : null;
}

export const waiting = (why = t("waiting")) => h("p", { class: "waiting" }, spinner(), h("span", { text: why }));

function promptTools(turn) {
  if (turn.continues || !turn.prompt.content) return null;
  const copy = tool("copy", t("copy_prompt"), { "data-act": "copy-prompt" });
  return h("div", { class: "tools mine" }, copy, tool("edit", t("edit_prompt"), { "data-act": "edit" }));
}

/** Make the element of a turn; `reply_html` and `reply_parts` are what the server rendered. */
export function turnElement(turn) {
  const reply = h("div", { class: "reply prose", dir: "auto" });
  fillReply(reply, turn);
  if (turn.status === "streaming" && !reply.hasChildNodes()) reply.append(waiting());
  const article = h(
    "article",
    { class: turn.continues ? "turn continued" : "turn", "data-id": turn.id, "aria-label": t("turn", { number: turn.index + 1 }) },
    turn.continues ? null : h("h2", { class: "hidden", text: t("you_said") }),
    ...promptElements(turn),
    promptTools(turn),
    h("h2", { class: "hidden", text: t("answer") }),
    reply,
    ending(turn),
    again(turn),
    tools(turn),
  );
  // What was being written in its place is there again.
  if (localStorage.getItem(draftKey(turn.id))) queueMicrotask(() => article.querySelector("[data-act=edit]")?.click());
  return article;
}
