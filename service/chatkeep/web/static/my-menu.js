// The menu of the user at the list's foot.
import { $, state, t, url } from "./dom.js";
import { showMenu } from "./menu.js";
import { signOut } from "./sign-in.js";

export function showMyMenu(complain) {
  const signIn = { label: t("sign_in"), run: () => (sessionStorage.clear(), location.assign(url("/"))) };
  showMenu($("me"), [
    ...(state.user ? [{ label: t("account"), run: () => location.assign(url("/account")) }] : []),
    ...(state.user?.role === "admin" ? [{ label: t("console"), run: () => location.assign(url("/console")) }] : []),
    ...(state.user ? [{ label: t("sign_out"), run: () => signOut().catch(complain) }] : [signIn]),
  ]);
}
