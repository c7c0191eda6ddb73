// The turns that are on the page: in chunks, of which only those that are near are elements.
import { $, h } from "./dom.js";
import { turnElement } from "./turn.js";

const FAR = 3000;
const MOST = 30; // turns of a chunk

export class Turns {
  /** `isLive` tells whether a turn is being answered. */
  constructor(place, isLive) {
    this.place = place;
    this.isLive = isLive;
    this.list = $("turns");
    this.chunks = [];
    this.watch = new IntersectionObserver((seen) => seen.forEach((each) => this.nearOrFar(each)), {
      root: place.scroller,
      rootMargin: `${FAR}px 0px`,
    });
  }

  clear() {
    this.watch.disconnect();
    this.chunks = [];
    this.list.replaceChildren();
  }

  get last() {
    return this.chunks.at(-1)?.turns.at(-1) ?? null;
  }

  find(id) {
    return this.chunkOf(id)?.turns.find((turn) => turn.id === id);
  }

  chunkOf(id) {
    return this.chunks.find((chunk) => chunk.turns.some((turn) => turn.id === id));
  }

  article(id) {
    return this.list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  append(turns) {
    this.chunks.push(this.chunk(turns, "append"));
  }

  prepend(turns) {
    this.place.keepBelow(this.list, () => this.chunks.unshift(this.chunk(turns, "prepend")));
  }

  chunk(turns, where) {
    const element = h("div", { class: "chunk" }, ...turns.map(turnElement));
    const chunk = { turns, element, filled: true };
    element.chunk = chunk;
    this.list[where](element);
    this.watch.observe(element);
    return chunk;
  }

  add(turn) {
    const chunk = this.chunks.at(-1);
    if (!chunk || chunk.turns.length >= MOST) return this.append([turn]);
    chunk.turns.push(turn);
    chunk.element.append(turnElement(turn));
  }

  /** Take away a turn and all that follow it. */
  cutFrom(id) {
    const chunk = this.chunkOf(id);
    const index = chunk.turns.findIndex((turn) => turn.id === id);
    for (const each of this.chunks.splice(this.chunks.indexOf(chunk) + 1)) each.element.remove();
    for (const turn of chunk.turns.splice(index)) this.article(turn.id)?.remove();
  }

  /** Take away all that follow a turn. */
  cutAfter(id) {
    const all = this.chunks.flatMap((chunk) => chunk.turns);
    const next = all[all.findIndex((turn) => turn.id === id) + 1];
    if (next) this.cutFrom(next.id);
  }

  /** Know a turn's newer state. */
  replace(id, turn) {
    const turns = this.chunkOf(id)?.turns;
    if (turns) turns[turns.findIndex((found) => found.id === id)] = turn;
  }

  /** Put a turn's newer state in its place. */
  show(turn) {
    this.replace(turn.id, turn);
    const article = this.article(turn.id);
    if (!article) return;
    const focused = article.contains(document.activeElement) ? document.activeElement.dataset.act : null;
    const fresh = turnElement(turn);
    // What somebody unfolded stays so.
    const folds = fresh.querySelectorAll("details");
    article.querySelectorAll("details").forEach((each, number) => folds[number] && (folds[number].open = each.open));
    article.replaceWith(fresh);
    if (focused) fresh.querySelector(`[data-act="${focused}"]`)?.focus({ preventScroll: true });
  }

  /** Take the elements of what is far away; its place stays as high as it was. */
  nearOrFar({ target, isIntersecting, boundingClientRect }) {
    const { chunk } = target;
    if (isIntersecting === chunk.filled) return;
    if (!isIntersecting) {
      const inUse = target.contains(document.activeElement) || chunk.turns.some(this.isLive);
      if (inUse || !target.isConnected || chunk === this.chunks.at(-1)) return;
      target.style.height = `${boundingClientRect.height}px`;
      target.replaceChildren();
    } else {
      const fill = () => {
        target.replaceChildren(...chunk.turns.map(turnElement));
        target.style.height = "";
      };
      if (target.offsetTop < this.place.scroller.scrollTop) this.place.keepBelow(target, fill);
      else fill();
    }
    chunk.filled = isIntersecting;
  }
}
