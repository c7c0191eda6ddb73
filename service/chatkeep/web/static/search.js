// Search through everything that was said; matches are marked.
import { CONVERSATIONS, explain, get, withQuery } from "./api.js";
import { $, h, moment, spinner, state, t, url } from "./dom.js";
import { titleOf } from "./list.js";
import { literal } from "./literal.js";

const PAUSE = 250;
const SIGNS = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&#x27;": "'", "&#34;": '"', "&amp;": "&" };
const plain = (text) => text.replace(/&(?:lt|gt|quot|amp|#39|#x27|#34);/g, (sign) => SIGNS[sign]);

/** The parts of a snippet as elements: only its marks are more than text. */
export function snippetNodes(snippet) {
  return snippet.split(/(<mark>.*?<\/mark>)/s).map((part) => {
    const marked = /^<mark>(.*)<\/mark>$/s.exec(part);
    return marked ? h("mark", { text: plain(marked[1]) }) : plain(part);
  });
}

/** Unfold the thoughts of a turn in which a hit is, and mark its words there. */
function unfold(article, { snippet }) {
  const words = [...snippet.matchAll(/<mark>(.*?)<\/mark>/gs)].map((marked) => literal(plain(marked[1])));
  if (!words.length) return;
  const pattern = new RegExp(`(${words.join("|")})`, "u");
  for (const fold of article.querySelectorAll("details.thought")) {
    const said = fold.querySelector(".words");
    const parts = said.textContent.split(pattern);
    if (parts.length === 1) continue;
    fold.open = true;
    said.replaceChildren(...parts.map((part, at) => (at % 2 ? h("mark", { text: part }) : part)));
  }
  article.querySelector("details.thought mark")?.scrollIntoView({ block: "center" });
}

export class Search {
  /** `found` opens a result, and returns its turn on the page; `closed` is called when the field is emptied. */
  constructor({ found, closed }) {
    this.found = found;
    this.closed = closed;
    this.field = $("search");
    this.list = $("list");
    this.box = $("listed");
    this.field.addEventListener("input", () => this.changed());
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.field.value) return;
      event.preventDefault(); // the list stays open for it
      this.field.value = "";
      this.changed();
    });
    this.box.addEventListener("scroll", () => this.more(), { passive: true });
  }

  changed() {
    clearTimeout(this.timer);
    this.abort?.abort();
    const text = this.field.value.trim();
    if (text && state.user) this.timer = setTimeout(() => this.begin(text), PAUSE);
    else if (this.box.classList.contains("searching")) this.end();
  }

  end() {
    this.box.classList.remove("searching");
    this.closed();
  }

  async begin(text) {
    this.box.classList.add("searching");
    $("list-title").textContent = t("results");
    $("list-state").replaceChildren(spinner());
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.text = text;
    try {
      const titles = await get(withQuery(CONVERSATIONS, { q: text, limit: 5 }), { signal });
      const page = await this.page(null, signal);
      if (signal.aborted) return;
      this.list.replaceChildren(...titles.items.map((each) => this.titleRow(each)));
      this.show(page);
      await this.more();
    } catch (error) {
      if (!signal.aborted) $("list-state").replaceChildren(h("p", { class: "none", text: explain(error) }));
    }
  }

  page(cursor, signal) {
    return get(withQuery("/api/v1/search", { q: this.text, limit: 20, cursor }), { signal });
  }

  show(page) {
    this.list.append(...page.items.map((each) => this.hitRow(each)));
    this.cursor = page.next_cursor;
    const none = this.list.childElementCount === 0;
    $("list-state").replaceChildren(...(none ? [h("p", { class: "none", text: t("nothing_found") })] : []));
  }

  async more() {
    const { signal } = this.abort ?? {};
    if (!this.box.classList.contains("searching") || this.reading || !signal) return;
    this.reading = true;
    try {
      while (this.cursor && !signal.aborted && this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 400) {
        const page = await this.page(this.cursor, signal);
        if (!signal.aborted) this.show(page);
      }
    } catch (error) {
      if (!signal.aborted) $("list-state").replaceChildren(h("p", { class: "none", text: explain(error) }));
    } finally {
      this.reading = false;
    }
  }

  async open(hit) {
    const article = await this.found(hit);
    if (article && hit.found_in === "reasoning") unfold(article, hit);
  }

  titleRow(conversation) {
    return h("li", {}, h("a", { href: url(`/c/${conversation.id}`), text: titleOf(conversation), dir: "auto" }));
  }

  hitRow(hit) {
    const link = h(
      "a",
      { href: url(`/c/${hit.conversation_id}#${hit.turn_id}`), class: "hit", dir: "auto" },
      h("strong", { text: hit.conversation_title || t("untitled") }),
      h("span", { class: "snippet" }, ...snippetNodes(hit.snippet)),
      h("span", { class: "when" }, moment(hit.created_at)),
    );
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.open(hit);
    });
    return h("li", {}, link);
  }
}
