// Who is let in, and what is forgotten when somebody leaves.
import { once } from "./api.js";
import { $, state, t, url } from "./dom.js";
import { onChoices } from "./forms.js";

export const AS_GUEST = "chatkeep-guest";
const DRAFTS = `${state.root}draft:`; // of this service: another may share the host

/** Whether the page is to be shown: somebody is signed in, or goes on as a guest. */
export function isLetIn() {
  return Boolean(state.user) || (state.allow_guests && sessionStorage.getItem(AS_GUEST) !== null);
}

/** The form is loaded by those who need it. */
const showSignIn = async (message) => (await import("./sign-in-form.js")).showSignIn(message);

/** Take away what this browser knows of what somebody wrote. */
export function forget() {
  for (const key of Object.keys(localStorage)) if (key.startsWith(DRAFTS)) localStorage.removeItem(key);
  sessionStorage.clear();
}

export async function signOut() {
  await once("POST", "/api/v1/auth/logout");
  forget();
  location.assign(url("/"));
}

export function begin() {
  const here = new URL(location);
  here.searchParams.delete("as");
  history.replaceState(history.state, "", here);
  onChoices(document.documentElement.lang, state.theme);
  addEventListener("signed-out", () => showSignIn(t("session_ended")));
  if (isLetIn()) $("app").hidden = false;
  else showSignIn();
  return isLetIn();
}

export const draftKey = (conversationId) => `${DRAFTS}${state.user?.id ?? "guest"}:${conversationId ?? "new"}`;
