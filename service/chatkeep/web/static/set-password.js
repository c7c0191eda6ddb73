// Setting a password by a link. Its secret stands behind the # of the address, which no browser sends to a server.
import { explain, once } from "./api.js";
import { $, state, t, url } from "./dom.js";
import { onChoices, onSubmit } from "./forms.js";
import { repeatedField, requireSame, show, showButton } from "./sign-in-form.js";

const LINK = "/api/v1/auth/link";

function refuse(form, error) {
  form.hidden = true;
  $("whose").textContent = explain(error);
  $("whose").classList.add("problem");
  $("home").hidden = false;
}

async function start() {
  const form = $("set-password");
  const token = location.hash.slice(1);
  onChoices(document.documentElement.lang, state.theme);
  form.elements.password.after(showButton(form));
  form.elements.password.closest("p").after(repeatedField());
  onSubmit(form, async (fields) => {
    requireSame(fields);
    show(form, false);
    await once("POST", `${LINK}/password`, { token, password: fields.password.value });
    location.replace(url("/")); // the link leaves the browser's history with it
    await new Promise(() => {});
  });
  try {
    const { username } = await once("POST", LINK, { token: token || "-" });
    form.elements.username.value = username;
    $("whose").textContent = t("password_of", { name: username });
    form.elements.password.focus();
  } catch (error) {
    refuse(form, error);
  }
}

start();
