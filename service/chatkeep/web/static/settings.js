// What a conversation is answered with: its model and its system prompt.
import { ApiError, get } from "./api.js";
import { ask } from "./dialogs.js";
import { h, state, t } from "./dom.js";
import more from "./settings-texts.js";
import words from "./texts.js";

Object.assign(words, more);

/** The models that there are; where the server does not list them just now, those that are known here. */
async function offered() {
  try {
    return (await get("/api/v1/models")).items;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return state.model ? [{ id: state.model, default: true }] : [];
  }
}

/** The models to choose from. One that was chosen and is gone stays until another is chosen. */
function options(models, chosen) {
  const usual = models.find((each) => each.default)?.id;
  const names = models.map(({ id }) => id);
  if (chosen && !names.includes(chosen)) names.unshift(chosen);
  const label = usual ? t("default_model", { name: usual }) : t("default_model_unnamed");
  return [h("option", { value: "", text: label }), ...names.map((name) => h("option", { value: name, text: name }))];
}

/** Ask for the settings; the answer is what to change, or null. */
export async function askSettings(of) {
  const models = await offered();
  const given = await ask(t("settings"), {
    fields: [
      { name: "model", label: t("model"), value: of.model, options: options(models, of.model) },
      { name: "system_prompt", label: t("system_prompt"), value: of.system_prompt, rows: 7, max: 100_000, hint: t("system_prompt_hint") },
    ],
    confirm: t("save"),
  });
  if (!given) return null;
  return { model: given.model || null, system_prompt: given.system_prompt.trim() ? given.system_prompt : null };
}
