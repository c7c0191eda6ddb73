// The list of conversations: pinned ones, then newest first, more as one scrolls.
import { CONVERSATIONS, api, explain, get, withQuery } from "./api.js";
import { $, h, spinner, state, t, tool, url } from "./dom.js";
import { Groups } from "./groups.js";
import { toast } from "./toasts.js";

// Loaded when it is first needed.
export const ask = async (...question) => (await import("./dialogs.js")).ask(...question);

export const titleOf = (conversation) => conversation.title || t("untitled");

/** The list's heading, which is seen where it says more than those of the groups below it. */
export function showTitle(name) {
  $("list-title").textContent = t(name);
  $("list-title").classList.toggle("hidden", name === "conversations");
}

export class ConversationList {
  /** `on.open` shows a conversation (null: a new one), `on.changed` hears of one that was changed. */
  constructor(on) {
    this.on = on;
    this.groups = new Groups($("list"));
    this.rows = new Map();
    this.deleting = new Map();
    this.archived = false;
    this.current = null;
    $("listed").addEventListener("scroll", () => this.more(), { passive: true });
    $("archived").addEventListener("click", () => this.showArchived(!this.archived));
    this.setOwn(Boolean(localStorage.own));
    $("own").addEventListener("click", () => {
      this.setOwn(!this.own);
      this.load();
    });
  }

  async load() {
    this.rows.clear();
    this.groups.clear();
    this.cursor = undefined;
    this.reading = null;
    await this.more();
  }

  async showArchived(archived) {
    this.archived = archived;
    $("archived").setAttribute("aria-pressed", String(archived));
    showTitle(archived ? "archived" : "conversations");
    await this.load();
  }

  /** Leave out what programs began. */
  setOwn(own) {
    this.own = own;
    if (own) localStorage.own = 1;
    else delete localStorage.own;
    $("own").setAttribute("aria-pressed", String(own));
  }

  /** Read pages while the end of the list is near. */
  async more() {
    const box = $("listed");
    if (this.reading || box.classList.contains("searching")) return;
    if (!state.user) return this.showState(); // a guest is made by what they say first
    const reading = (this.reading = {});
    try {
      while (this.cursor !== null && box.scrollHeight - box.scrollTop - box.clientHeight < 400) {
        $("list-state").replaceChildren(spinner());
        const { archived, cursor } = this;
        const read = (query) => get(withQuery(CONVERSATIONS, { archived, origin: this.own ? "page" : undefined, ...query }));
        const pinned = cursor ? null : read({ pinned: true, limit: 200 }); // all, however old they are
        const [page, first] = await Promise.all([read({ pinned: false, limit: 40, cursor }), pinned]);
        if (this.reading !== reading) return;
        for (const conversation of [...(first?.items ?? []), ...page.items]) if (!this.rows.has(conversation.id)) this.put(conversation);
        this.cursor = page.next_cursor;
      }
      this.showState();
    } catch (error) {
      const again = h("button", { type: "button", class: "link", text: t("try_again"), on: { click: () => this.more() } });
      $("list-state").replaceChildren(h("p", { class: "none", text: explain(error) }), again);
    } finally {
      if (this.reading === reading) this.reading = null;
    }
  }

  known(id) {
    return this.rows.get(id)?.conversation;
  }

  showState() {
    if ($("listed").classList.contains("searching")) return;
    const empty = [...this.rows.values()].every((row) => row.element.hidden);
    const text = t(this.archived ? "none_archived" : "no_conversations");
    $("list-state").replaceChildren(...(empty ? [h("p", { class: "none", text })] : []));
  }

  /** Put a conversation in its row, and the row in its place. */
  put(conversation) {
    const known = this.rows.get(conversation.id);
    if (!known && conversation.archived !== this.archived) return;
    if (!known && this.own && ["api", "ui"].includes(conversation.metadata?.origin)) return;
    const element = known?.element ?? this.row(conversation.id);
    this.rows.set(conversation.id, { conversation, element });
    element.hidden = this.deleting.has(conversation.id);
    const [link, more] = element.children;
    link.textContent = titleOf(conversation);
    more.title = t("menu_of", { title: titleOf(conversation) });
    more.setAttribute("aria-label", more.title);
    const searching = $("listed").classList.contains("searching"); // its end reads the list again
    if (!searching) this.groups.put(element, conversation);
    this.showState();
  }

  /** A row stays one element for as long as it is listed: its menu may be open, and the keyboard in it. */
  row(id) {
    const link = h("a", { href: url(`/c/${id}`), "aria-current": id === this.current ? "page" : null, dir: "auto" });
    const more = tool("more", "", { "aria-haspopup": "menu", "aria-expanded": "false" });
    more.addEventListener("click", () => this.menu(more, this.known(id)));
    return h("li", {}, link, more);
  }

  mark(id) {
    this.current = id;
    for (const [each, { element }] of this.rows) {
      const link = element.firstElementChild;
      if (each === id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  /** What can be done to a conversation is loaded with its first menu. */
  async menu(button, conversation) {
    try {
      this.actions ??= new (await import("./list-actions.js")).ListActions(this);
      this.actions.menu(button, conversation);
    } catch (error) {
      toast(explain(error), { bad: true });
    }
  }

  async change(conversation, changes) {
    try {
      const changed = await api("PATCH", `${CONVERSATIONS}/${conversation.id}`, changes);
      if (changed.archived !== this.archived) this.remove(changed.id);
      else this.put(changed);
      this.on.changed(changed);
      return changed;
    } catch (error) {
      toast(explain(error), { bad: true });
      return null;
    }
  }

  remove(id) {
    this.leaveRow(id);
    const row = this.rows.get(id);
    if (row) this.groups.remove(row.element);
    this.rows.delete(id);
    this.showState();
  }

  /** Take the keyboard from a row that goes to the one after it, or before it, or to a new conversation. */
  leaveRow(id) {
    const row = this.rows.get(id)?.element;
    if (!row?.contains(document.activeElement)) return;
    const rows = [...$("list").querySelectorAll("li")].filter((each) => !each.hidden);
    const at = rows.indexOf(row);
    ((rows[at + 1] ?? rows[at - 1])?.firstElementChild ?? $("new")).focus();
  }
}
