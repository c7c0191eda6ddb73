// What all pages of the console need: their words, lists page by page, and the reason that goes on record.
import { explain, send } from "./api.js";
import { $, announce, h, number, spinner, t } from "./dom.js";
import { reconnected } from "./network.js";
import { toast } from "./toasts.js";
import more from "./console-texts.js";
import words from "./texts.js";

Object.assign(words, more);

/** Where a tab keeps the filters of its last reading, to lead back to them. */
export const BACK = "chatkeep-history";

/** The header that says why: what was written for this act, and for no other. Headers hold bytes: a character each of the text in UTF-8. */
export function because(reason) {
  const bytes = new TextEncoder().encode(reason.trim());
  return bytes.length ? { headers: { "X-Audit-Reason": String.fromCharCode(...bytes) } } : {};
}

/** What `act` fails with is told; returns whether it succeeded. */
export async function tried(act) {
  try {
    await act();
    return true;
  } catch (error) {
    toast(explain(error), { bad: true });
    return false;
  }
}

/** Say that something was read on a standby, and how far behind that may be. */
export const showLag = (seconds) => ($("lag").textContent = seconds == null ? "" : t("read_on_standby", { seconds }));

/** Ask until the network lets it through, and say how old the answer may be. */
export async function read(path, options) {
  for (;;) {
    try {
      const answer = await send("GET", path, undefined, options);
      showLag(answer.headers.get("X-Standby-Lag-Seconds"));
      return await answer.json();
    } catch (error) {
      if (!(error instanceof TypeError) || options?.signal?.aborted) throw error;
      await reconnected();
    }
  }
}

const button = (label, run) => h("button", { type: "button", class: "quiet", text: label, on: { click: run } });

function whenNear(more) {
  const watching = new IntersectionObserver(
    ([seen]) => {
      if (!seen.isIntersecting) return;
      watching.disconnect();
      more.click();
    },
    { rootMargin: "600px" },
  );
  watching.observe(more);
}

/** A list that is read page by page. A newer reading takes the place of one that is under way. */
export class Pages {
  /** `read(cursor, signal)` returns a page, `row(item)` an element. With `newestFirst` older items go on top;
   * with `endless` a page is read when one comes near its place. */
  constructor({ list, state, row, empty, newestFirst = false, endless = false }) {
    Object.assign(this, { list, state, row, empty, newestFirst, endless });
  }

  async load(read) {
    this.abort?.abort();
    this.abort = new AbortController();
    this.focused ||= this.list.contains(document.activeElement);
    this.list.replaceChildren();
    this.list.hidden = true;
    announce("");
    await this.more(read, null, this.abort.signal);
  }

  /** Read a page. The keyboard stays in the list where it was in it, or on the button that asked for more. */
  async more(read, cursor, signal) {
    this.focused ||= this.state.contains(document.activeElement);
    this.state.replaceChildren(spinner());
    try {
      const page = await read(cursor, signal);
      if (signal.aborted) return;
      const rows = page.items.map(this.row);
      if (this.newestFirst) this.list.prepend(...rows.reverse());
      else this.list.append(...rows);
      this.list.hidden = !this.list.childElementCount;
      announce(this.list.hidden ? "" : t("listed", { number: number(this.list.childElementCount) }));
      const next = page.next_cursor ? [button(t("more"), () => this.more(read, page.next_cursor, signal))] : [];
      const none = this.list.hidden ? [h("p", { class: "none", text: this.empty })] : [];
      this.state.replaceChildren(...next, ...none);
      if (this.endless) next.forEach(whenNear);
      const nowhere = document.activeElement === document.body; // or somebody went on to another place
      if (this.focused && nowhere) rows[0]?.querySelector("a, button")?.focus();
      this.focused = false;
    } catch (error) {
      if (signal.aborted) return;
      const mistaken = error.status === 422; // which the same question would be again
      const again = mistaken ? [] : [button(t("try_again"), () => this.more(read, cursor, signal))];
      this.state.replaceChildren(h("p", { class: "problem", text: explain(error) }), ...again);
    }
  }
}

export const pagesIn = (row, empty, options) => new Pages({ list: $("list"), state: $("state"), row, empty, ...options });

/** Bring what a form found into sight where it is below the screen, as on a phone. */
export function showFound(form) {
  const found = $("list").hidden ? $("state") : $("list");
  if (found.getBoundingClientRect().top > innerHeight - 100) form.lastElementChild.scrollIntoView();
}

/** The values of a form's fields by name; a day of the reader's begins and ends where they are. */
export function valuesOf(form) {
  const values = {};
  for (const each of form.elements) {
    if (!each.name || each.name === "reason" || !each.value.trim()) continue;
    values[each.name] = each.type === "date" ? startOfDay(each.value, each.name === "to") : each.value.trim();
  }
  return values;
}

function startOfDay(day, after) {
  const date = new Date(`${day}T00:00`);
  if (after) date.setDate(date.getDate() + 1);
  return date.toISOString();
}

/** Fill a form from the page's address. */
export function fillFrom(form, search) {
  for (const [name, value] of new URLSearchParams(search)) if (form.elements[name]) form.elements[name].value = value;
}
