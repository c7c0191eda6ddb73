// The list's groups: what is pinned, today, yesterday, and so on by the reader's own calendar. Each has a heading.
import { h, hasText, language, t } from "./dom.js";

const months = new Intl.DateTimeFormat(language, { month: "long", year: "numeric" });
const DAYS = [["today", 0], ["yesterday", 1], ["last_7_days", 7], ["last_30_days", 30]];
const midnight = (days) => new Date(new Date().setHours(0, 0, 0, 0)).setDate(new Date().getDate() + days);

function nameOf({ pinned, at }) {
  if (pinned) return "pinned";
  const [name] = DAYS.find(([, days]) => at >= midnight(-days)) ?? [];
  return name ?? `${new Date(at).getFullYear()}-${new Date(at).getMonth()}`;
}

/** Whether `a` stands above `b`. */
const isAbove = (a, b) => (a.pinned - b.pinned || a.at - b.at || (a.id > b.id ? 1 : -1)) > 0;
const lastRow = (group) => group?.lastElementChild.lastElementChild;
const rowBefore = (row) => row.previousElementSibling ?? lastRow(row.closest(".group").previousElementSibling);

export class Groups {
  constructor(box) {
    this.box = box;
    this.clear();
    const look = () => midnight(0) !== this.today && this.again();
    document.addEventListener("visibilitychange", look); // a machine that slept was late
    const wait = () => setTimeout(() => (look(), wait()), midnight(1) - Date.now() + 1);
    wait();
  }

  clear() {
    this.box.replaceChildren();
    this.rows = new Map(); // by element, what its place depends on
    this.today = midnight(0);
  }

  /** Put a row in its place: the newest of a group are first. One that is there already is not touched. */
  put(element, { id, pinned, last_turn_at }) {
    const place = { id, pinned, at: Date.parse(last_turn_at) };
    this.rows.set(element, place);
    let next = null;
    let before = lastRow(this.box.lastElementChild);
    for (; before && (before === element || isAbove(place, this.rows.get(before))); before = rowBefore(before)) {
      if (before !== element) next = before;
    }
    const old = element.closest(".group");
    const name = nameOf(place);
    const near = [next?.closest(".group"), before?.closest(".group"), old];
    const group = near.find((each) => each?.dataset.name === name) ?? this.begin(name, place, next?.closest(".group"));
    const list = group.lastElementChild;
    if (next?.parentElement !== list) next = null;
    if (element.parentElement === list && element.nextElementSibling === next) return;
    const focused = element.contains(document.activeElement) && document.activeElement;
    list.insertBefore(element, next);
    if (focused) focused.focus({ preventScroll: true });
    if (old && !lastRow(old)) old.remove();
  }

  begin(name, { at }, next) {
    const id = `group-${name}`;
    const text = hasText(name) ? t(name) : months.format(at);
    const group = h("div", { class: "group", "data-name": name }, h("h3", { id, text }), h("ul", { "aria-labelledby": id }));
    this.box.insertBefore(group, next ?? null);
    return group;
  }

  remove(element) {
    const group = element.closest(".group");
    this.rows.delete(element);
    element.remove();
    if (group && !lastRow(group)) group.remove();
  }

  /** A new day: the rows stay where they are, under other headings. */
  again() {
    this.today = midnight(0);
    const groups = [...this.box.querySelectorAll(".group")];
    const rows = groups.flatMap((each) => [...each.lastElementChild.children]);
    const { activeElement } = document;
    for (const each of [...rows, ...groups]) each.remove();
    for (const row of rows) {
      const { at, ...place } = this.rows.get(row);
      this.put(row, { ...place, last_turn_at: new Date(at).toISOString() });
    }
    if (rows.some((row) => row.contains(activeElement))) activeElement.focus({ preventScroll: true });
  }
}
