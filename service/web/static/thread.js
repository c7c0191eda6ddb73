// A conversation's turns: read from its end, more as one scrolls, and never more elements than are near.
import { CONVERSATIONS, api, get, withQuery } from "./api.js";
import { $, announce, h, spinner, t } from "./dom.js";
import { followTurn, takeTurn } from "./events.js";
import { LiveReply } from "./live.js";
import { turnElement } from "./turn.js";

const NEAR = 1500;
const FAR = 3000;
const STRETCH = 30;

export class Thread {
  /** `on.streaming` gets the turn that is being answered, or null; `on.begun` and `on.done` hear of new ones. */
  constructor(on) {
    this.on = on;
    this.scroller = $("scroller");
    this.list = $("turns");
    this.abort = new AbortController();
    this.chunks = [];
    this.pinned = true;
    this.endTop = 0; // where the page was put to last
    this.watch = new IntersectionObserver((seen) => seen.forEach((each) => this.nearOrFar(each)), {
      root: this.scroller,
      rootMargin: `${FAR}px 0px`,
    });
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.keepAtEnd()).observe(this.scroller);
  }

  /** Show a conversation (null: a new one) from its end, or from one of its turns. */
  async open(id, { turnId = null, offset = 80 } = {}) {
    this.leave();
    this.id = id;
    if (id === null) return;
    const { signal } = this.abort;
    $("above").replaceChildren(spinner());
    const stretch = await get(this.address({ start: turnId, limit: 20 }), { signal });
    if (signal.aborted) return;
    const turns = stretch.items.reverse();
    $("above").replaceChildren();
    this.up = stretch.more ? turns[0].parent_id : null;
    this.down = turnId ? turns.at(-1).index + 1 : null;
    this.addChunk(turns, "append");
    if (turnId) await this.loadDown();
    else await this.settle();
    if (turnId) this.showTurn(turnId, offset);
    else this.toEnd();
    await this.loadUp();
  }

  leave() {
    this.abort.abort();
    this.abort = new AbortController();
    this.live?.reply?.end();
    this.live = null;
    this.watch.disconnect();
    this.chunks = [];
    this.up = this.down = null;
    this.loading = {};
    this.list.replaceChildren();
    $("above").replaceChildren();
    $("below").replaceChildren();
    this.pinned = true;
    this.endTop = 0;
    this.on.streaming(null);
  }

  address(values) {
    return withQuery(`/web/conversations/${this.id}/turns`, values);
  }

  get turns() {
    return this.chunks.flatMap((chunk) => chunk.turns);
  }

  get last() {
    return this.chunks.at(-1)?.turns.at(-1) ?? null;
  }

  turn(id) {
    return this.turns.find((turn) => turn.id === id);
  }

  article(id) {
    return this.list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  // Pages.

  addChunk(turns, where) {
    const element = h("div", { class: "chunk" }, ...turns.map(turnElement));
    const chunk = { turns, element, filled: true };
    element.chunk = chunk;
    this.list[where](element);
    if (where === "append") this.chunks.push(chunk);
    else this.chunks.unshift(chunk);
    this.watch.observe(element);
    return chunk;
  }

  async loadUp() {
    await this.load("up", "above", async (signal) => {
      const stretch = await get(this.address({ start: this.up, limit: STRETCH }), { signal });
      if (signal.aborted) return;
      const turns = stretch.items.reverse();
      this.up = stretch.more ? turns[0].parent_id : null;
      $("above").replaceChildren();
      const before = this.list.offsetTop + this.list.offsetHeight;
      this.addChunk(turns, "prepend");
      this.scroller.scrollTop += this.list.offsetTop + this.list.offsetHeight - before;
    });
  }

  async loadDown() {
    await this.load("down", "below", async (signal) => {
      const stretch = await get(this.address({ first: this.down, limit: STRETCH }), { signal });
      if (signal.aborted) return;
      if (stretch.items.length) this.addChunk(stretch.items, "append");
      this.down = stretch.more ? stretch.items.at(-1).index + 1 : null;
      if (this.down === null) await this.settle();
    });
  }

  /** Read on in one direction while its edge is near. */
  async load(direction, edge, step) {
    const { signal } = this.abort;
    const loading = this.loading;
    if (loading[direction]) return;
    loading[direction] = true;
    try {
      while (this[direction] !== null && this.distance(direction) < NEAR && !signal.aborted) {
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

  distance(direction) {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return direction === "up" ? scrollTop : scrollHeight - scrollTop - clientHeight;
  }

  /** Take the elements of what is far away; its place stays as high as it was. */
  nearOrFar({ target, isIntersecting, boundingClientRect }) {
    const { chunk } = target;
    if (isIntersecting === chunk.filled) return;
    if (!isIntersecting) {
      const inUse = target.contains(document.activeElement) || chunk.turns.some((turn) => turn.id === this.live?.turn?.id);
      if (inUse || !target.isConnected || chunk === this.chunks.at(-1)) return;
      target.style.height = `${boundingClientRect.height}px`;
      target.replaceChildren();
    } else {
      const before = target.offsetHeight;
      target.replaceChildren(...chunk.turns.map(turnElement));
      target.style.height = "";
      if (target.offsetTop < this.scroller.scrollTop) this.scroller.scrollTop += target.offsetHeight - before;
    }
    chunk.filled = isIntersecting;
  }

  // Scrolling.

  scrolled() {
    this.pinned = this.down === null && this.distance("down") < 80;
    $("to-end").hidden = this.pinned || this.id === null;
    this.loadUp();
    this.loadDown();
  }

  keepAtEnd() {
    // Who has just scrolled up is not taken back, though the event that tells of it is still to come.
    if (this.scroller.scrollTop < this.endTop - 80 && this.distance("down") > 80) this.pinned = false;
    if (this.pinned) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.endTop = this.scroller.scrollTop;
  }

  toEnd() {
    this.pinned = true;
    this.endTop = 0;
    this.keepAtEnd();
    $("to-end").hidden = true;
  }

  showTurn(id, offset = 80) {
    const article = this.article(id);
    if (!article) return;
    this.pinned = false;
    this.scroller.scrollTop += article.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - offset;
    article.classList.add("found");
    setTimeout(() => article.classList.remove("found"), 2500);
  }

  // What is being answered.

  /** Follow the last turn where it is still being answered: on another device, or before this page was loaded. */
  async settle() {
    const turn = this.last;
    if (turn?.status !== "streaming" || this.live) return;
    this.goLive(turn);
    this.run(followTurn(turn, this.seen(), this.abort.signal));
  }

  /** Ask for a turn; `replaced` is the turn beside which it is put. Throws where it is refused. */
  async take(path, body, { content, replaced = null }) {
    if (replaced) this.cutFrom(replaced.id);
    const number = replaced ? replaced.index : (this.last?.index ?? -1) + 1;
    const pending = { id: "pending", index: number, status: "streaming", prompt: { content }, reply: null, siblings: { count: 1, position: 1 }, conversation_id: this.id };
    this.add(pending);
    this.goLive(pending);
    this.toEnd();
    announce(t("answering"));
    await takeTurn(path, body, this.seen(), this.abort.signal);
  }

  add(turn) {
    const chunk = this.chunks.at(-1);
    if (!chunk || chunk.turns.length >= STRETCH) return void this.addChunk([turn], "append");
    chunk.turns.push(turn);
    chunk.element.append(turnElement(turn));
  }

  cutFrom(id) {
    const at = this.chunks.findIndex((chunk) => chunk.turns.some((turn) => turn.id === id));
    const chunk = this.chunks[at];
    const index = chunk.turns.findIndex((turn) => turn.id === id);
    for (const each of this.chunks.splice(at + 1)) each.element.remove();
    for (const turn of chunk.turns.splice(index)) this.article(turn.id)?.remove();
    this.down = null;
  }

  goLive(turn) {
    const article = this.article(turn.id);
    article.setAttribute("aria-busy", "true");
    const reply = new LiveReply(article.querySelector(".reply"), {
      text: turn.reply?.content ?? "",
      html: turn.reply_html ?? "",
      changed: () => this.keepAtEnd(),
    });
    this.live = { turn, article, reply };
    this.on.streaming(turn);
  }

  seen() {
    const { signal } = this.abort;
    return {
      turn: (turn) => this.known(turn),
      text: (text) => this.live.reply.append(text),
      done: (turn) => this.finish(turn, signal),
    };
  }

  known(turn) {
    const { live } = this;
    if (live.turn.id !== turn.id) this.replace(live.turn.id, turn);
    live.article.dataset.id = turn.id;
    live.turn = turn;
    this.on.streaming(turn);
    this.on.begun();
  }

  replace(id, turn) {
    const chunk = this.chunks.find((each) => each.turns.some((found) => found.id === id));
    if (chunk) chunk.turns[chunk.turns.findIndex((found) => found.id === id)] = turn;
  }

  async finish(turn, signal) {
    this.live.reply.end();
    const whole = await get(`/web/conversations/${turn.conversation_id}/turns/${turn.id}`);
    if (signal.aborted) return;
    this.show(whole);
    this.live = null;
    this.keepAtEnd();
    announce(t(whole.status === "complete" ? "answer_complete" : `turn_${whole.status}`));
    this.on.streaming(null);
    this.on.done(whole);
  }

  /** Put a turn's newer state in its place. */
  show(turn) {
    const article = this.article(turn.id);
    this.replace(turn.id, turn);
    article?.replaceWith(turnElement(turn));
  }

  /** Undo what was begun and refused. */
  drop() {
    this.live?.reply.end();
    const id = this.live?.turn.id;
    this.live = null;
    if (id && this.article(id)) this.cutFrom(id);
    this.on.streaming(null);
  }

  async run(following) {
    try {
      await following;
    } catch (error) {
      this.live?.reply.end();
      this.live = null;
      this.on.streaming(null);
      this.on.failed(error);
    }
  }

  async stop() {
    const turn = this.live?.turn;
    if (!turn || turn.id === "pending") return;
    await api("POST", `${CONVERSATIONS}/${turn.conversation_id}/turns/${turn.id}/stop`);
  }
}
