// The chat page: which conversation is shown, and what happens to it.
import { ApiError, CONVERSATIONS, explain, get, once } from "./api.js";
import { Composer } from "./composer.js";
import { $, h, pathOf, state, t, url } from "./dom.js";
import { prepareKeys } from "./keys.js";
import { ConversationList, titleOf } from "./list.js";
import { isLost, reconnected } from "./network.js";
import { openSidebar, prepareSidebar, showUser } from "./sidebar.js";
import { begin } from "./sign-in.js";
import { Thread } from "./thread.js";
import { toast } from "./toasts.js";

const PATH = /^\/c\/([0-9a-f-]{36})$/;
let current = null; // the conversation that is shown
let opening = Promise.resolve(); // what has to be on the page before anything is said
let saying = false;
let fresh = {}; // the settings of a conversation that is still to be begun

const thread = new Thread({
  streaming: (turn) => {
    if (turn) swap($("send"), $("stop"));
    else swap($("stop"), $("send"));
  },
  begun: () => refreshCurrent().catch(() => {}), // its end does it again
  done: () => refreshCurrent().catch(complain),
  failed: complain,
});
const composer = new Composer(say);
const loadAttachments = whenNeeded(() =>
  import("./attachments.js").then(({ Attachments }) => (composer.attachments = new Attachments(() => composer.fit()))),
);
const loadSettings = whenNeeded(() => import("./settings.js").then(({ askSettings }) => askSettings));
const loadActions = whenNeeded(() => import("./actions.js").then(({ TurnActions }) => new TurnActions(thread)));
const list = new ConversationList({
  open: (id) => go(id),
  changed: (changed) => changed.id === current?.id && showConversation(changed),
});
const loadSearch = whenNeeded(() =>
  import("./search.js").then(
    ({ Search }) =>
      new Search({
        found: async (hit) => {
          await go(hit.conversation_id, hit.turn_id);
          return thread.turns.article(hit.turn_id);
        },
        closed: () => list.showArchived(list.archived),
      }),
  ),
);

/** Load a module with the first use of what it does; most visits need few of them. */
function whenNeeded(load) {
  let loading = null;
  return () => (loading ??= load().catch((error) => ((loading = null), Promise.reject(error))));
}

function complain(error) {
  toast(explain(error), { bad: true });
}

/** Show one button in another's place; the keyboard stays there. */
function swap(from, to) {
  const focused = document.activeElement === from;
  to.hidden = false;
  if (focused) to.focus();
  from.hidden = true;
}

function showConversation(conversation) {
  current = conversation;
  const title = conversation ? titleOf(conversation) : t("new_conversation");
  $("title").textContent = title;
  document.title = conversation ? `${title} · Chatkeep` : "Chatkeep";
  $("model").textContent = (conversation ?? fresh).model ?? state.model ?? thread.turns.last?.model ?? t("model");
  $("model").hidden = false;
  $("more").hidden = !conversation;
  $("settings").hidden = false;
}

/** Between two conversations nothing can be done to the one before. */
function showLoading() {
  current = null;
  $("title").textContent = t("loading");
  $("model").hidden = true;
  $("more").hidden = $("settings").hidden = true;
}

/** Show a conversation, null for a new one, with its address in the browser's history. */
function go(id, turnId = null) {
  const path = url(id ? `/c/${id}` : "/") + (turnId ? `#${turnId}` : "");
  if (path !== location.pathname + location.hash) history.pushState(null, "", path);
  return open(id, turnId);
}

async function showHead(id) {
  const conversation = await get(`${CONVERSATIONS}/${id}`);
  if (thread.id !== id) return;
  showConversation(conversation);
  $("empty").hidden = conversation.turn_count > 0;
}

async function showFound(id, turnId) {
  return (await loadActions()).showFound(id, turnId);
}

function showFailure(error, again) {
  showLoading();
  $("title").textContent = "Chatkeep";
  const button = h("button", { type: "button", class: "button", text: t("try_again"), on: { click: again } });
  $("above").replaceChildren(h("p", { class: "none", role: "alert", text: explain(error) }), button);
}

function open(id, turnId) {
  opening = show(id, turnId);
  return opening;
}

async function show(id, turnId) {
  openSidebar(false);
  list.mark(id);
  composer.open(id);
  fresh = {};
  $("empty").hidden = id !== null;
  $("missing").hidden = true;
  $("to-end").hidden = true;
  if (id === null) {
    showConversation(null);
    await thread.open(null);
    composer.field.focus();
    return;
  }
  try {
    const known = list.known(id);
    if (known) showConversation(known);
    else showLoading();
    thread.leave();
    thread.id = id;
    await Promise.all([showHead(id), turnId ? showFound(id, turnId) : thread.open(id)]);
  } catch (error) {
    if (error.name === "AbortError" || thread.id !== id) return;
    thread.leave();
    if (error instanceof ApiError && error.status === 404) {
      thread.id = null;
      showConversation(null);
      $("missing").hidden = false;
    } else showFailure(error, () => open(id, turnId));
  }
}

/** Send a message; a conversation is begun with the first one. */
async function say(text) {
  if (saying || thread.live) return;
  let items = [];
  saying = true;
  $("empty").hidden = true;
  try {
    if (!(await isReady())) return; // it stays where it was written
    if (!current) await beginConversation();
    items = composer.attachments?.items ?? [];
    composer.write("");
    composer.attachments?.clear();
    if (thread.down !== null) await reopen();
    await thread.take(`${CONVERSATIONS}/${current.id}/turns`, items.length ? { content: text, items } : { content: text }, { content: text, items });
  } catch (error) {
    thread.answering.drop();
    $("empty").hidden = thread.turns.last !== null || !$("missing").hidden;
    composer.restore(text, items);
    toast(explain(error), { bad: true, seconds: 12 });
    if (error.code === "turn_in_progress") await reopen().catch(complain);
  } finally {
    saying = false;
  }
}

/** Whether what was written can be said where it was written: in what is shown, or what is about to be. */
async function isReady() {
  const { conversationId } = composer;
  await opening;
  if (!(await thread.changed())) return false;
  if (!current && thread.id) await open(thread.id); // it could not be read before
  return (current || !thread.id) && !thread.live && composer.conversationId === conversationId;
}

/** The message stays in its field until there is a conversation for it. */
async function beginConversation() {
  if (isLost()) await reconnected();
  const conversation = await once("POST", CONVERSATIONS, fresh);
  state.user ??= await get("/api/v1/auth/me");
  showUser();
  history.pushState(null, "", url(`/c/${conversation.id}`));
  thread.id = conversation.id;
  composer.moveTo(conversation.id);
  list.current = conversation.id;
  showConversation(conversation);
}

async function refreshCurrent() {
  const { id } = thread;
  const conversation = await get(`${CONVERSATIONS}/${id}`);
  list.put(conversation);
  if (thread.id === id) showConversation(conversation);
}

/** Read what is shown once more, at its end. */
function reopen() {
  opening = thread.open(current.id);
  return opening;
}

function attach(files) {
  if (files.length) loadAttachments().then((attachments) => attachments.add(files), complain);
}

/** Files come by the button, from the clipboard, or are dropped anywhere on the conversation. */
function prepareAttaching() {
  const chosen = $("files");
  $("attach").addEventListener("click", () => chosen.click());
  chosen.addEventListener("change", () => {
    attach([...chosen.files]);
    chosen.value = "";
  });
  const take = (event, transfer) => {
    if (!transfer.types.includes("Files")) return;
    event.preventDefault(); // the browser would leave the page and show the file
    attach([...transfer.files]); // while it is dragged there are none
  };
  composer.field.addEventListener("paste", (event) => take(event, event.clipboardData));
  for (const name of ["dragover", "drop"]) $("main").addEventListener(name, (event) => take(event, event.dataTransfer));
}

/** Another device may have gone on meanwhile. */
async function lookAgain() {
  if (document.hidden || !current || thread.live) return;
  const conversation = await get(`${CONVERSATIONS}/${current.id}`);
  if (conversation.id !== thread.id || thread.live || conversation.head_turn_id === thread.turns.last?.id) return;
  list.put(conversation);
  showConversation(conversation);
  if (thread.place.pinned) await reopen();
}

async function changeSettings() {
  const changes = await (await loadSettings())(current ?? fresh);
  if (!changes) return;
  if (current) thread.changing = list.change(current, changes);
  else {
    fresh = changes;
    showConversation(null);
  }
}

function followLinks(event) {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const path = pathOf(link.getAttribute("href"));
  const found = PATH.exec(path);
  if (path !== "/" && !found) return;
  event.preventDefault();
  go(found?.[1] ?? null);
}

function openAddress() {
  const id = PATH.exec(pathOf(location.pathname))?.[1] ?? null;
  return open(id, location.hash.slice(1) || null);
}

function start() {
  prepareSidebar();
  showUser();
  document.addEventListener("click", followLinks);
  prepareKeys(complain);
  addEventListener("popstate", openAddress);
  document.addEventListener("visibilitychange", () => lookAgain().catch(complain));
  addEventListener("reconnected", () => lookAgain().catch(complain));
  $("turns").addEventListener("click", (event) => {
    if (event.target.closest("[data-act]")) loadActions().then((actions) => actions.clicked(event), complain);
  });
  $("search").addEventListener("focus", () => loadSearch().then((search) => search.changed(), complain));
  prepareAttaching();
  $("stop").addEventListener("click", () => thread.answering.stop().catch(complain));
  $("to-end").addEventListener("click", () => (thread.down === null ? thread.toEnd() : reopen().catch(complain)));
  for (const id of ["settings", "model"]) $(id).addEventListener("click", () => changeSettings().catch(complain));
  $("more").addEventListener("click", () => list.menu($("more"), current));
  $("me").addEventListener("click", () => import("./my-menu.js").then(({ showMyMenu }) => showMyMenu(complain)).catch(complain));
  list.load();
  openAddress();
}

if (begin()) start();
