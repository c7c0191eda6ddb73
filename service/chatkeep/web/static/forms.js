// Forms that send JSON: one at a time, with what went wrong beside them.
import { explain } from "./api.js";
import { h, state, t } from "./dom.js";

/** Run `act` with the form's values when it is submitted; what it throws is shown. */
export function onSubmit(form, act) {
  const problem = form.querySelector(".problem");
  const submit = form.querySelector("[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const empty = [...form.elements].find((each) => each.required && !each.value);
    problem.hidden = true;
    for (const each of form.elements) each.removeAttribute("aria-invalid");
    if (empty) return refuse(problem, t("fill_in", { field: form.querySelector(`[for="${empty.id}"]`).textContent }), empty);
    if (form.getAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    submit.setAttribute("aria-disabled", "true");
    try {
      await act(form.elements);
    } catch (error) {
      refuse(problem, explain(error), error.field ?? [...form.elements].find((each) => each.matches("input:not([hidden])")));
    } finally {
      form.removeAttribute("aria-busy");
      submit.removeAttribute("aria-disabled");
    }
  });
}

function refuse(problem, text, field) {
  problem.textContent = text;
  problem.hidden = false;
  if (field.matches("input, textarea")) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

function remember(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${value}; path=${state.root || "/"}; max-age=31536000; samesite=lax${secure}`;
}

/** Language and theme: cookies, so that the server sends the page as it is to look. */
export function onChoices(language, theme) {
  for (const select of document.querySelectorAll("[data-choice]")) {
    const isLanguage = select.dataset.choice === "lang";
    select.value = isLanguage ? language : theme;
    select.addEventListener("change", () => {
      remember(select.dataset.choice, select.value);
      if (isLanguage) location.reload();
      else document.documentElement.dataset.theme = select.value;
    });
  }
}

export function listed(list, rows, emptyText) {
  list.replaceChildren(...(rows.length ? rows : [h("li", { class: "none", text: emptyText })]));
}
