// Search through everything that was said; matches are marked.
import { CONVERSATIONS, explain, get, withQuery } from "./api.js";
import { $, h, moment, spinner, state, t, url } from "./dom.js";
import { showTitle, titleOf } from "./list.js";
import { literal } from "./literal.js";
import more from "./search-texts.js";
import words from "./texts.js";

Object.assign(words, more);

const PAUSE = 250;
const MOST_CHARACTERS = 10000;
const MOST_IN_TITLES = 500;
// What proxies take for an address; the rest of a pasted text would hardly tell turns apart.
const MOST_IN_ADDRESS = 6000;
const HELP = [
  ['"…"', "help_phrase"],
  ["…*", "help_beginning"],
  ["-…", "help_without"],
  ["from:me from:model", "help_from"],
  ["in:title in:reasoning", "help_in"],
  ["model:…", "help_model"],
  ["after:… before:…", "help_after"],
  ["has:file", "help_file"],
];
const SIGNS = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&#x27;": "'", "&#34;": '"', "&amp;": "&" };
const plain = (text) => text.replace(/&(?:lt|gt|quot|amp|#39|#x27|#34);/g, (sign) => SIGNS[sign]);

/** The parts of a snippet as elements: only its marks are more than text. */
export function snippetNodes(snippet) {
  return snippet.split(/(<mark>.*?<\/mark>)/s).map((part) => {
    const marked = /^<mark>(.*)<\/mark>$/s.exec(part);
    return marked ? h("mark", { text: plain(marked[1]) }) : plain(part);
  });
}

/** The query of what is typed: a short last word may be the beginning of one; a very long text is cut. */
export function queryOf(typed) {
  const text = /(^|\s)[\p{L}\p{N}]{2,4}$/u.test(typed) && typed.split('"').length % 2 ? `${typed}*` : typed;
  const fits = (end) => new URLSearchParams({ q: text.slice(0, end) }).toString().length <= MOST_IN_ADDRESS;
  let end = text.length;
  while (!fits(end)) end = Math.floor(end * 0.95);
  return end === text.length ? text : text.slice(0, text.lastIndexOf(" ", end) > 0 ? text.lastIndexOf(" ", end) : end);
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
    this.list = h("ul", { "aria-labelledby": "list-title" });
    this.box = $("listed");
    this.field.maxLength = MOST_CHARACTERS;
    this.sort = "date";
    this.field.addEventListener("input", () => this.changed());
    this.field.addEventListener("paste", (event) => this.paste(event));
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.field.value) return;
      event.preventDefault(); // the list stays open for it
      this.field.value = "";
      this.changed();
    });
    this.box.addEventListener("scroll", () => this.more(), { passive: true });
  }

  /** Put a text of several lines into the field with spaces between them: the browser would join the lines' words. */
  paste(event) {
    const text = event.clipboardData.getData("text");
    if (!/[\r\n]/.test(text)) return;
    event.preventDefault();
    const { selectionStart, selectionEnd, value } = this.field;
    const room = MOST_CHARACTERS - value.length + selectionEnd - selectionStart;
    const line = text.replace(/[\r\n]+/g, " ").slice(0, room);
    this.field.setRangeText(line, selectionStart, selectionEnd, "end");
    this.changed();
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
    showTitle("results");
    $("list-state").replaceChildren(spinner());
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.text = queryOf(text);
    try {
      const titles =
        text.length > MOST_IN_TITLES ? { items: [] } : await get(withQuery(CONVERSATIONS, { q: text, limit: 5 }), { signal });
      const page = await this.page(null, signal);
      if (signal.aborted) return;
      $("list").replaceChildren(this.list);
      this.list.replaceChildren(...titles.items.map((each) => this.titleRow(each)));
      this.show(page);
      await this.more();
    } catch (error) {
      if (!signal.aborted) $("list-state").replaceChildren(h("p", { class: "none", text: explain(error) }));
    }
  }

  page(cursor, signal) {
    return get(withQuery("/api/v1/search", { q: this.text, sort: this.sort, limit: 20, cursor }), { signal });
  }

  show(page) {
    this.list.append(...page.items.map((each) => this.hitRow(each)));
    this.cursor = page.next_cursor;
    const none = this.list.childElementCount === 0;
    $("list-state").replaceChildren(...(none ? [h("p", { class: "none", text: t("nothing_found") })] : [this.order()]), this.help());
  }

  order() {
    const options = Object.entries({ date: "sort_date", relevance: "sort_relevance" }).map(([value, name]) =>
      h("option", { value, text: t(name), selected: value === this.sort }),
    );
    const select = h("select", { on: { change: () => this.sortBy(select.value) } }, ...options);
    return h("label", { class: "none" }, `${t("sort")} `, select);
  }

  sortBy(sort) {
    this.sort = sort;
    this.begin(this.field.value.trim());
  }

  help() {
    const rows = HELP.flatMap(([written, name]) => [h("dt", {}, h("code", { text: written })), h("dd", { text: t(name) })]);
    return h("details", { class: "none" }, h("summary", { text: t("search_help") }), h("dl", {}, ...rows));
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
