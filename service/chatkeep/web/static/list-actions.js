// What is done to a conversation of the list: pinned, renamed, archived, saved and deleted in place.
import { CONVERSATIONS, api, explain } from "./api.js";
import { t, url } from "./dom.js";
import more from "./list-actions-texts.js";
import { ask, titleOf } from "./list.js";
import { showMenu } from "./menu.js";
import words from "./texts.js";
import { toast } from "./toasts.js";

Object.assign(words, more);

const UNDO_SECONDS = 7;

export class ListActions {
  constructor(list) {
    this.list = list;
    // What waits for an undo must not be forgotten with the page.
    addEventListener("pagehide", () => list.deleting.forEach((finish) => finish({ keepalive: true })));
  }

  menu(button, conversation) {
    const file = (format) => url(`${CONVERSATIONS}/${conversation.id}/export?format=${format}`);
    showMenu(button, [
      { label: t("rename"), run: () => this.rename(conversation) },
      { label: t(conversation.pinned ? "unpin" : "pin"), run: () => this.list.change(conversation, { pinned: !conversation.pinned }) },
      { label: t(conversation.archived ? "unarchive" : "archive"), run: () => this.archive(conversation) },
      { label: t("export_html"), href: file("html") },
      { label: t("export_markdown"), href: file("markdown") },
      { label: t("export_json"), href: file("json") },
      { label: t("export_zip"), href: file("zip") },
      { label: t("delete"), run: () => this.delete(conversation), dangerous: true },
    ]);
  }

  async rename(conversation) {
    const field = { name: "title", label: t("title"), value: conversation.title ?? "", max: 500 };
    const given = await ask(t("rename"), { fields: [field], confirm: t("save") });
    if (given) await this.list.change(conversation, { title: given.title.trim() || null });
  }

  async archive(conversation) {
    const archived = !conversation.archived;
    if (!(await this.list.change(conversation, { archived }))) return;
    const undo = { label: t("undo"), run: () => this.list.change({ ...conversation, archived }, { archived: !archived }) };
    toast(t(archived ? "was_archived" : "was_unarchived"), { action: undo });
  }

  /** Hide a conversation at once, and delete it when it is too late for an undo. */
  delete(conversation) {
    const { id } = conversation;
    const wasCurrent = this.list.current === id;
    let close = () => {};
    const finish = async (options) => {
      if (!this.list.deleting.delete(id)) return;
      this.list.remove(id);
      try {
        await api("DELETE", `${CONVERSATIONS}/${id}`, undefined, options);
      } catch (error) {
        if (error.status === 404) return; // another device was faster
        this.list.put(conversation);
        toast(explain(error), { bad: true });
      }
    };
    const undo = () => {
      this.list.deleting.delete(id);
      const row = this.list.rows.get(id);
      if (row) row.element.hidden = false;
      this.list.showState();
      if (wasCurrent) this.list.on.open(id);
    };
    this.list.deleting.set(id, (options) => {
      finish(options);
      close();
    });
    const row = this.list.rows.get(id);
    this.list.leaveRow(id);
    if (row) row.element.hidden = true;
    this.list.showState();
    if (wasCurrent) this.list.on.open(null);
    const action = { label: t("undo"), run: undo };
    close = toast(t("was_deleted", { title: titleOf(conversation) }), { action, seconds: UNDO_SECONDS, after: finish });
  }
}
