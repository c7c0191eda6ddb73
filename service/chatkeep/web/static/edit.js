// The field in which a prompt is changed. What is in it is kept as it is written, wherever one goes meanwhile.
import { h, t } from "./dom.js";
import { sends } from "./composer.js";
import { draftKey } from "./sign-in.js";

/** Keep what is written in the place of a prompt; what says the same as the prompt is nothing. */
export function keepDraft(turn, text) {
  if (text && text !== turn.prompt.content) localStorage.setItem(draftKey(turn.id), text);
  else localStorage.removeItem(draftKey(turn.id));
}

/** Replace the prompt by a field to change it in; `save` gets the new text. */
export function editPrompt(article, turn, save) {
  const prompt = article.querySelector(".prompt");
  if (!prompt) return; // it is a field already
  const draft = localStorage.getItem(draftKey(turn.id));
  const text = draft ?? turn.prompt.content;
  const field = h("textarea", { class: "edit-field", "aria-label": t("edit_prompt"), rows: Math.min(12, text.split("\n").length + 1) });
  field.value = text;
  const close = () => {
    keepDraft(turn, null);
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
  field.addEventListener("input", () => keepDraft(turn, field.value));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) save(field.value);
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && !event.isComposing && close());
  field.addEventListener("keydown", (event) => sends(event) && (event.preventDefault(), form.requestSubmit()));
  prompt.replaceWith(form);
  if (!draft) field.focus();
}
