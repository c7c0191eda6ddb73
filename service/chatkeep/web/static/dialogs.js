// Questions that are asked over the page.
import { h, t } from "./dom.js";

let names = 0;

/** Ask; return the values of the fields by name, or null where it was cancelled.
 *
 * `fields` are {name, label, value, rows, hint, options}; one with `rows` takes several lines, one with `options` is a choice.
 */
export function ask(title, { text, fields = [], confirm, dangerous = false }) {
  return new Promise((resolve) => {
    const id = `d-${(names += 1)}`;
    const form = h("form", { method: "dialog" }, h("h2", { id, text: title }));
    if (text) form.append(h("p", { class: "lead", text }));
    const inputs = fields.map((field) => {
      const of = { id: `${id}-${field.name}`, name: field.name, maxlength: field.max, placeholder: field.placeholder };
      const input = field.rows ? h("textarea", { ...of, rows: field.rows }) : field.options ? h("select", of, ...field.options) : h("input", of);
      input.value = field.value ?? "";
      const hint = field.hint ? h("span", { class: "hint", id: `${of.id}-hint`, text: field.hint }) : null;
      if (hint) input.setAttribute("aria-describedby", hint.id);
      form.append(h("p", { class: "field" }, h("label", { for: of.id, text: field.label }), input, hint));
      return input;
    });
    const cancel = h("button", { type: "button", class: "quiet", text: t("cancel"), on: { click: () => box.close() } });
    const done = h("button", { type: "submit", class: dangerous ? "main destroy" : "main", text: confirm, value: "done" });
    form.append(h("p", { class: "buttons" }, cancel, done));
    const box = h("dialog", { "aria-labelledby": id }, form);
    box.addEventListener("close", () => {
      const given = box.returnValue === "done" ? Object.fromEntries(inputs.map((each) => [each.name, each.value])) : null;
      box.remove();
      resolve(given);
    });
    box.addEventListener("click", (event) => event.target === box && box.close());
    document.body.append(box);
    box.showModal();
    (inputs[0] ?? cancel).focus();
    inputs[0]?.select?.();
  });
}
