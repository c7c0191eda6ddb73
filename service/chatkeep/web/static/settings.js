// What a conversation is answered with: its model and its system prompt.
import { ask } from "./dialogs.js";
import { state, t } from "./dom.js";
import more from "./settings-texts.js";
import words from "./texts.js";

Object.assign(words, more);

/** Ask for the settings; the answer is what to change, or null. */
export async function askSettings(of) {
  const given = await ask(t("settings"), {
    fields: [
      { name: "model", label: t("model"), value: of.model, max: 200, hint: t("model_hint"), placeholder: state.model ?? "" },
      { name: "system_prompt", label: t("system_prompt"), value: of.system_prompt, rows: 7, max: 100_000, hint: t("system_prompt_hint") },
    ],
    confirm: t("save"),
  });
  if (!given) return null;
  return { model: given.model.trim() || null, system_prompt: given.system_prompt.trim() ? given.system_prompt : null };
}
