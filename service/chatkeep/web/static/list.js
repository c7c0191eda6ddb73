// The list of conversations: newest first, more as one scrolls; renamed, archived and deleted in place.
import { CONVERSATIONS, api, explain, get, withQuery } from "./api.js";
import { $, h, moveFirst, spinner, state, t, tool, url } from "./dom.js";
import { toast } from "./toasts.js";

// Loaded when it is first needed.
export const showMenu = async (...menu) => (await import("./menu.js")).showMenu(...menu);
export const ask = async (...question) => (await import("./dialogs.js")).ask(...question);

const UNDO_SECONDS = 7;
export const titleOf = (conversation) => conversation.title || t("untitled");

export class ConversationList {
  /** `on.open` shows a conversation (null: a new one), `on.changed` hears of one that was changed. */
  constructor(on) {
    this.on = on;
    this.list = $("list");
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
    // What waits for an undo must not be forgotten with the page.
    addEventListener("pagehide", () => this.deleting.forEach((finish) => finish({ keepalive: true })));
  }

  async load() {
    this.rows.clear();
    this.list.replaceChildren();
    this.cursor = undefined;
    this.reading = null;
    await this.more();
  }

  async showArchived(archived) {
    this.archived = archived;
    $("archived").setAttribute("aria-pressed", String(archived));
    $("list-title").textContent = t(archived ? "archived" : "conversations");
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
        const origin = this.own ? "page" : undefined;
        const page = await get(withQuery(CONVERSATIONS, { archived, origin, limit: 40, cursor }));
        if (this.reading !== reading) return;
        for (const conversation of page.items) if (!this.rows.has(conversation.id)) this.put(conversation, "append");
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

  /** Put a conversation in its row, which goes to the top with `prepend`. */
  put(conversation, where = null) {
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
    if (!searching && where === "append") this.list.append(element);
    else if (!searching && (where === "prepend" || !known)) moveFirst(this.list, element);
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

  menu(button, conversation) {
    const file = (format) => url(`${CONVERSATIONS}/${conversation.id}/export?format=${format}`);
    showMenu(button, [
      { label: t("rename"), run: () => this.rename(conversation) },
      { label: t(conversation.archived ? "unarchive" : "archive"), run: () => this.archive(conversation) },
      { label: t("export_html"), href: file("html") },
      { label: t("export_markdown"), href: file("markdown") },
      { label: t("export_json"), href: file("json") },
      { label: t("export_zip"), href: file("zip") },
      { label: t("delete"), run: () => this.delete(conversation), dangerous: true },
    ]);
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

  async rename(conversation) {
    const field = { name: "title", label: t("title"), value: conversation.title ?? "", max: 500 };
    const given = await ask(t("rename"), { fields: [field], confirm: t("save") });
    if (given) await this.change(conversation, { title: given.title.trim() || null });
  }

  async archive(conversation) {
    const archived = !conversation.archived;
    if (!(await this.change(conversation, { archived }))) return;
    const undo = { label: t("undo"), run: () => this.change({ ...conversation, archived }, { archived: !archived }) };
    toast(t(archived ? "was_archived" : "was_unarchived"), { action: undo });
  }

  remove(id) {
    this.leaveRow(id);
    this.rows.get(id)?.element.remove();
    this.rows.delete(id);
    this.showState();
  }

  /** Take the keyboard from a row that goes to the one after it, or before it, or to a new conversation. */
  leaveRow(id) {
    const row = this.rows.get(id)?.element;
    if (!row?.contains(document.activeElement)) return;
    const rows = [...this.list.children].filter((each) => !each.hidden);
    const at = rows.indexOf(row);
    ((rows[at + 1] ?? rows[at - 1])?.firstElementChild ?? $("new")).focus();
  }

  /** Hide a conversation at once, and delete it when it is too late for an undo. */
  delete(conversation) {
    const { id } = conversation;
    const wasCurrent = this.current === id;
    let close = () => {};
    const finish = async (options) => {
      if (!this.deleting.delete(id)) return;
      this.remove(id);
      try {
        await api("DELETE", `${CONVERSATIONS}/${id}`, undefined, options);
      } catch (error) {
        if (error.status === 404) return; // another device was faster
        this.put(conversation, "prepend");
        toast(explain(error), { bad: true });
      }
    };
    const undo = () => {
      this.deleting.delete(id);
      const row = this.rows.get(id);
      if (row) row.element.hidden = false;
      this.showState();
      if (wasCurrent) this.on.open(id);
    };
    this.deleting.set(id, (options) => {
      finish(options);
      close();
    });
    const row = this.rows.get(id);
    this.leaveRow(id);
    if (row) row.element.hidden = true;
    this.showState();
    if (wasCurrent) this.on.open(null);
    const action = { label: t("undo"), run: undo };
    close = toast(t("was_deleted", { title: titleOf(conversation) }), { action, seconds: UNDO_SECONDS, after: finish });
  }
}
