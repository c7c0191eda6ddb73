// What the buttons of a turn do.
import { ApiError, CONVERSATIONS, api, explain, get } from "./api.js";
import { t } from "./dom.js";
import { ask } from "./dialogs.js";
import { editPrompt, keepDraft } from "./edit.js";
import { isFile } from "./items.js";
import { toast } from "./toasts.js";
import { copyFrom } from "./turn.js";
import more from "./actions-texts.js";
import words from "./texts.js";

Object.assign(words, more);

/** The files of a prompt that there are: of an import some may be names alone. */
const filesOf = (turn) => (turn.prompt.items ?? []).filter((item) => isFile(item) && item.file_id);
const addressOf = (turn) => `${CONVERSATIONS}/${turn.conversation_id}/turns/${turn.id}`;

export class TurnActions {
  constructor(thread) {
    this.thread = thread;
  }

  async clicked(event) {
    const button = event.target.closest("[data-act]");
    if (!button || button.getAttribute("aria-disabled")) return;
    const article = button.closest("[data-id]");
    const turn = this.thread.turns.find(article.dataset.id);
    try {
      await this.act(button.dataset.act, turn, button, article, event.isTrusted);
    } catch (error) {
      toast(explain(error), { bad: true });
    }
  }

  /** `isAsked`: somebody pressed the button, and it is not the page that opens a field again. */
  act(name, turn, button, article, isAsked) {
    const changes = { regenerate: 1, continue: 1, edit: 1, previous: 1, next: 1 };
    if (changes[name] && this.thread.live) return isAsked && void toast(t("error_turn_in_progress"));
    switch (name) {
      case "copy-reply":
        return copyFrom(button, turn.reply.content);
      case "copy-prompt":
        return copyFrom(button, turn.prompt.content);
      case "copy-code":
        return copyFrom(button, button.closest(".code").querySelector("pre").textContent);
      case "regenerate":
        return this.beside(turn, `${addressOf(turn)}/regenerate`, {}, turn.prompt.content);
      case "continue":
        return this.goOn(turn);
      case "edit":
        return editPrompt(article, turn, (content) => this.edit(turn, content));
      case "good":
      case "bad":
        return this.rate(turn, name === "good" ? 1 : -1);
      case "previous":
        return this.switchBranch(turn, -1, article);
      case "next":
        return this.switchBranch(turn, 1, article);
    }
  }

  /** Ask with another text. It stays in its field, and in its draft, until it can be asked. */
  edit(turn, content) {
    if (this.thread.live) return void toast(t("error_turn_in_progress"));
    const items = filesOf(turn); // they stay
    const keep = (text) => keepDraft(turn, text);
    return this.beside(turn, `${addressOf(turn)}/edit`, items.length ? { content, items } : { content }, content, keep);
  }

  /** Ask for another turn beside this one; `keep` keeps the text that was written, or null once it is sent. */
  async beside(turn, path, body, content, keep = () => {}) {
    if (!(await this.thread.changed()) || this.thread.live) return; // a second click waited, too
    try {
      keep(null);
      await this.thread.take(path, body, { content, items: filesOf(turn), replaced: turn });
    } catch (error) {
      keep(content);
      await this.thread.open(turn.conversation_id, { turnId: turn.id });
      toast(explain(error), { bad: true });
    }
  }

  /** Have the model go on with a reply that was cut, in a turn below it. */
  async goOn(turn) {
    if (!(await this.thread.changed()) || this.thread.live) return;
    try {
      await this.thread.take(`${addressOf(turn)}/continue`, {}, { content: "", continues: turn });
    } catch (error) {
      await this.thread.open(turn.conversation_id, { turnId: turn.id });
      toast(explain(error), { bad: true });
    }
  }

  async rate(turn, rating) {
    const path = `${addressOf(turn)}/feedback`;
    const takesBack = turn.feedback?.rating === rating;
    const given = takesBack ? await api("DELETE", path) : await api("PUT", path, { rating });
    this.showRated(turn, given?.feedback ?? null);
    if (takesBack) return;
    const comment = async () => {
      const field = { name: "comment", label: t("comment"), rows: 4, max: 10_000 };
      const said = await ask(t("comment_title"), { fields: [field], confirm: t("send") });
      if (!said?.comment.trim()) return;
      try {
        await api("PUT", path, { rating, comment: said.comment });
      } catch (error) {
        toast(explain(error), { bad: true });
      }
    };
    toast(t("thanks"), { action: { label: t("add_comment"), run: comment } });
  }

  showRated(turn, feedback) {
    turn.feedback = feedback;
    const article = this.thread.turns.article(turn.id);
    for (const [name, value] of [["good", 1], ["bad", -1]]) {
      article?.querySelector(`[data-act=${name}]`)?.setAttribute("aria-pressed", String(feedback?.rating === value));
    }
  }

  /** Go to the turn before or after this one among its alternatives, and on to where that branch has come to. */
  async switchBranch(turn, step, article) {
    const { items } = await get(`${addressOf(turn)}/siblings?limit=200`);
    const to = items[items.findIndex((each) => each.id === turn.id) + step];
    if (!to) return;
    const offset = this.thread.place.offsetOf(article);
    await this.show(to, offset);
    this.thread.turns.article(to.id)?.querySelector(`[data-act=${step < 0 ? "previous" : "next"}]`)?.focus();
  }

  /** Show a turn, on whichever branch it is. */
  async show(turn, offset) {
    const leaf = await get(`${addressOf(turn)}/leaf`);
    await api("PATCH", `${CONVERSATIONS}/${turn.conversation_id}`, { head_turn_id: leaf.id });
    await this.thread.open(turn.conversation_id, { turnId: turn.id, offset });
  }

  /** Show a turn that was found: its branch becomes the active one where it is not. */
  async showFound(conversationId, turnId) {
    try {
      const turn = await get(`${CONVERSATIONS}/${conversationId}/turns/${turnId}`);
      const active = await get(`/web/conversations/${conversationId}/turns?first=${turn.index}&limit=1`);
      if (this.thread.id !== conversationId) return; // left meanwhile
      if (active.items[0]?.id === turnId) await this.thread.open(conversationId, { turnId });
      else await this.show(turn);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      await this.thread.open(conversationId);
    }
  }
}
