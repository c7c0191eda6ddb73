// One person: what there is of them, where to read it, and what can be done to the account.
import { explain, get, withQuery } from "./api.js";
import { $, h, moment, spinner, t, url } from "./dom.js";
import { USERS, about, actsOn, badges, during } from "./console-acts.js";
import { listed } from "./forms.js";
import { begin } from "./sign-in.js";
import "./console.js";

const way = (name, path, query) => h("a", { class: "button", href: withQuery(url(path), query), text: t(name) });
const act = ({ name, run, dangerous }) => h("button", { type: "button", class: dangerous ? "quiet dangerous" : "quiet", text: t(name), on: { click: run } });

const sessionRow = (session) =>
  h("li", {}, h("div", {}, h("strong", { text: session.user_agent ?? "–", dir: "auto" }), h("p", {}, `${session.ip ?? ""} · ${t("last_seen")} `, moment(session.last_seen_at))));

function tokenRow(token) {
  const used = token.last_used_at ? [`${t("last_seen")} `, moment(token.last_used_at)] : [t("never_seen")];
  return h("li", {}, h("div", {}, h("strong", { text: token.name, dir: "auto" }), h("p", {}, ...used)));
}

function facts(user) {
  const also = [user.display_name, user.email].filter(Boolean).join(" · ");
  const link = user.password_link;
  return [
    also ? h("p", { text: also, dir: "auto" }) : null,
    about(user),
    h("p", {}, `${t("id_of_user")} `, h("code", { text: user.id })),
    link ? h("p", {}, `${t(`link_${link.kind}`)} `, moment(link.expires_at)) : null,
  ].filter(Boolean);
}

async function show(id) {
  const user = await get(`${USERS}/${id}`);
  $("name").replaceChildren(h("span", { text: user.username }), ...badges(user).flatMap((each) => [" ", each]));
  $("about").replaceChildren(...facts(user));
  $("ways").replaceChildren(
    way("read_history", "/console/history", { user_id: id }),
    way("export_of_user", "/console/history", { user_id: id }),
    way("trail_about", "/console/audit", { subject: id }),
    way("trail_by", "/console/audit", { actor: id }),
  );
  const on = {
    during: (run) => during($("acts").lastElementChild, run),
    changed: () => show(id),
    gone: (receipt) => {
      $("person").hidden = true;
      const proof = h("a", { href: withQuery(url("/console/audit"), { subject: receipt }), text: receipt });
      $("state").replaceChildren(h("p", { class: "none" }, t("person_gone"), " ", proof));
    },
  };
  $("acts").replaceChildren(...actsOn(user, on).map(act));
  listed($("sessions"), user.sessions.map(sessionRow), t("none"));
  listed($("tokens"), user.tokens.map(tokenRow), t("none"));
  $("state").replaceChildren();
  $("person").hidden = false;
  document.title = `${user.username} · Chatkeep`;
}

async function start() {
  const { user } = $("person").dataset;
  $("state").replaceChildren(spinner());
  try {
    await show(user);
  } catch (error) {
    const trail = h("a", { href: withQuery(url("/console/audit"), { subject: user }), text: t("trail_about") });
    $("state").replaceChildren(h("p", { class: "problem", text: explain(error) }), trail);
  }
}

if (begin()) start();
