// A conversation as it is shown: read from its end, or around one of its turns, and more as one scrolls.
import { get, withQuery } from "./api.js";
import { Answering } from "./answering.js";
import { $, spinner } from "./dom.js";
import { Place } from "./place.js";
import { Turns } from "./turns.js";

const NEAR = 1500;
const FIRST = 10; // fills a screen; what is above comes next
const STRETCH = 30;

export class Thread {
  /** `on` hears what is being answered (see Answering), and `on.failed` of what could not be read. */
  constructor(on) {
    this.on = on;
    this.abort = new AbortController();
    this.changing = true; // settings that are on their way
    this.place = new Place($("scroller"));
    this.turns = new Turns(this.place, (turn) => this.answering.isLive(turn));
    this.answering = new Answering(this.turns, this.place, on);
    this.place.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
  }

  get live() {
    return this.answering.live;
  }

  /** Show a conversation (null: a new one) from its end, or from one of its turns. */
  async open(id, { turnId = null, offset = 80 } = {}) {
    this.leave();
    this.id = id;
    if (id === null) return;
    const { signal } = this.abort;
    $("above").replaceChildren(spinner());
    const stretch = await this.read({ start: turnId, limit: FIRST }, signal);
    if (!stretch) return;
    const turns = stretch.items.reverse();
    $("above").replaceChildren();
    this.up = stretch.more ? turns[0].parent_id : null;
    this.down = turnId ? turns.at(-1).index + 1 : null;
    this.turns.append(turns);
    if (turnId) await this.loadDown();
    else this.settle();
    if (turnId) this.showTurn(turnId, offset);
    else this.toEnd();
    await this.loadUp();
  }

  leave() {
    this.abort.abort();
    this.abort = new AbortController();
    this.turns.clear();
    this.up = this.down = null;
    this.loading = {};
    $("above").replaceChildren();
    $("below").replaceChildren();
    this.place.reset();
    this.answering.leave();
  }

  // Pages.

  /** Return some turns, or null where the conversation was left meanwhile. */
  async read(values, signal) {
    try {
      const stretch = await get(withQuery(`/web/conversations/${this.id}/turns`, values), { signal });
      return signal.aborted ? null : stretch;
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  async loadUp() {
    await this.load("up", "above", async (signal) => {
      const stretch = await this.read({ start: this.up, limit: STRETCH }, signal);
      if (!stretch) return;
      const turns = stretch.items.reverse();
      this.up = stretch.more ? turns[0].parent_id : null;
      $("above").replaceChildren();
      this.turns.prepend(turns);
    });
  }

  async loadDown() {
    await this.load("down", "below", async (signal) => {
      const stretch = await this.read({ first: this.down, limit: STRETCH }, signal);
      if (!stretch) return;
      if (stretch.items.length) this.turns.append(stretch.items);
      this.down = stretch.more ? stretch.items.at(-1).index + 1 : null;
      if (this.down === null) this.settle();
    });
  }

  /** Read on in one direction while its edge is near. */
  async load(direction, edge, step) {
    const { signal } = this.abort;
    const loading = this.loading;
    if (loading[direction]) return;
    loading[direction] = true;
    try {
      while (this[direction] !== null && this.place.distance(direction) < NEAR && !signal.aborted) {
        $(edge).replaceChildren(spinner());
        await step(signal);
        if (!signal.aborted) $(edge).replaceChildren();
      }
    } catch (error) {
      if (!signal.aborted) this.on.failed(error);
    } finally {
      loading[direction] = false;
    }
  }

  // Scrolling.

  scrolled() {
    this.place.scrolled(this.down === null);
    $("to-end").hidden = this.place.pinned || this.id === null;
    this.loadUp();
    this.loadDown();
  }

  toEnd() {
    this.place.toEnd();
    $("to-end").hidden = true;
  }

  showTurn(id, offset) {
    const article = this.turns.article(id);
    if (!article) return;
    this.place.show(article, offset);
    article.classList.add("found");
    setTimeout(() => article.classList.remove("found"), 2500);
  }

  // What is being answered.

  /** Follow the last turn where it is still being answered. */
  settle() {
    const turn = this.turns.last;
    if (turn?.status === "streaming" && !this.live) this.answering.follow(turn, this.abort.signal);
  }

  /** Wait for settings on their way, which are to answer what is asked for next; false: they were not kept, and that was told. */
  async changed() {
    const { changing } = this;
    const changed = await changing;
    if (this.changing === changing) this.changing = true;
    return Boolean(changed);
  }

  /** Ask for a turn; `replaced` is the turn beside which it is put, `continues` the one below. Throws where it is refused. */
  async take(path, body, { content, items = [], replaced = null, continues = null }) {
    const at = replaced ?? continues;
    const focused = at && this.turns.article(at.id)?.contains(document.activeElement);
    if (replaced) this.turns.cutFrom(replaced.id);
    if (continues) this.turns.cutAfter(continues.id);
    this.down = null;
    const number = replaced ? replaced.index : (this.turns.last?.index ?? -1) + 1;
    const pending = { id: "pending", index: number, status: "streaming", prompt: { content, items }, continues: continues?.id ?? replaced?.continues ?? null, reply: null, siblings: { count: 1, position: 1 }, conversation_id: this.id };
    this.turns.add(pending);
    $("to-end").hidden = true;
    const taken = this.answering.take(path, body, pending, this.abort.signal);
    if (focused) $("stop").focus(); // the button that asked for it is gone
    await taken;
  }
}
