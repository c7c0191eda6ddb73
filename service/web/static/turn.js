// One turn on the page: a prompt, its reply, and what can be done with them.
import { h, icon, moment, spinner, t, tool } from "./dom.js";
import { insertSanitised } from "./html.js";

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
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", t("code"));
    box.append(head, pre);
  }
  for (const each of element.querySelectorAll(".scroll")) {
    each.setAttribute("role", "region");
    each.setAttribute("aria-label", t("table"));
  }
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

export function ending(turn) {
  if (turn.status === "complete" || turn.status === "streaming") return null;
  const failed = turn.status === "failed";
  const detail = failed && turn.error?.detail ? ` ${turn.error.detail}` : "";
  return h("p", { class: failed ? "ending bad" : "ending", text: t(`turn_${turn.status}`) + detail });
}

/** What to do where there is no whole answer. */
function again(turn) {
  if (turn.status !== "failed" && turn.status !== "interrupted") return null;
  return h("button", { type: "button", class: "link again", "data-act": "regenerate", text: t("try_again") });
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
    streaming ? null : h("span", { class: "about" }, turn.model ? h("span", { text: turn.model }) : null, moment(turn.created_at)),
  );
}

export const waiting = () => h("p", { class: "waiting" }, spinner());

/** Make the element of a turn; `reply_html` is what the server rendered. */
export function turnElement(turn) {
  const reply = h("div", { class: "reply prose", dir: "auto" });
  if (turn.reply_html) showReply(reply, turn.reply_html);
  else if (turn.status === "streaming") reply.append(waiting());
  return h(
    "article",
    { class: "turn", "data-id": turn.id, "aria-label": t("turn", { number: turn.index + 1 }) },
    h("h2", { class: "hidden", text: t("you_said") }),
    h("div", { class: "prompt", dir: "auto", text: turn.prompt.content }),
    h(
      "div",
      { class: "tools mine" },
      tool("copy", t("copy_prompt"), { "data-act": "copy-prompt" }),
      tool("edit", t("edit_prompt"), { "data-act": "edit" }),
    ),
    h("h2", { class: "hidden", text: t("answer") }),
    reply,
    ending(turn),
    again(turn),
    tools(turn),
  );
}

/** Replace the prompt by a field to change it in; `save` gets the new text. */
export function editPrompt(article, text, save) {
  const prompt = article.querySelector(".prompt");
  const field = h("textarea", { class: "edit-field", "aria-label": t("edit_prompt"), rows: Math.min(12, text.split("\n").length + 1) });
  field.value = text;
  const close = () => {
    form.replaceWith(prompt);
    article.querySelector("[data-act=edit]").focus();
  };
  const form = h(
    "form",
    { class: "edit", method: "post" },
    field,
    h(
      "p",
      { class: "buttons" },
      h("button", { type: "button", class: "quiet", text: t("cancel"), on: { click: close } }),
      h("button", { type: "submit", class: "main", text: t("send") }),
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) save(field.value);
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && !event.isComposing && close());
  prompt.replaceWith(form);
  field.focus();
}
