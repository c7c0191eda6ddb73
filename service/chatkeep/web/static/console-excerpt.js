// A few lines of a long text: its beginning, or what surrounds the first of the words that were looked for.
import { h } from "./dom.js";
import { literal } from "./literal.js";

const LENGTH = 400;
const BEFORE = 60;
// Markdown's signs say nothing where nothing is rendered. They are looked for in the few lines alone.
const SIGNS = [
  [/^ {0,3}(?:\x60{3,}|~{3,}).*$/gm, ""],
  [/^[ |:-]*-{3,}[ |:-]*$/gm, ""],
  [/^ {0,3}(?:#{1,6} +|> ?)/gm, ""],
  [/!?\[([^\]\n]*)\]\([^)\n]*\)/g, "$1"],
  [/(\*\*|__|~~|\x60)(\S(?:.*?\S)?)\1/g, "$2"],
  [/(?<![\w*])\*(\S(?:[^*\n]*[^*\s])?)\*(?![\w*])/g, "$1"],
  [/(?<![\w*])\*{1,2}(?=[^\s*][^*]*$)/, ""], // whose end was cut off
];

const IN_REASONING = "in:reasoning";
const termsOf = (query) => [...query.matchAll(/"([^"]+)"|([^\s"]+)/g)];
const saysWhere = ([, , word]) => word?.normalize("NFKC").toLowerCase() === IN_REASONING;

/** Whether a query looks in what the model thought. */
export const isInReasoning = (query) => termsOf(query).some(saysWhere);

/** What finds the words of a query, "…" as one; null where it has none. */
export function patternOf(query) {
  const words = termsOf(query).filter((found) => !saysWhere(found)).map((found) => found[1] ?? found[2]);
  return words.length ? new RegExp(`(${words.map(literal).join("|")})`, "iu") : null;
}

/** The text's nodes, with what `pattern` finds marked. */
export function excerpt(text, pattern, { markdown = false } = {}) {
  const from = Math.max(0, (pattern ? text.search(pattern) : 0) - BEFORE);
  const cut = text.slice(from, from + LENGTH).replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, ""); // no half characters
  const plain = markdown ? SIGNS.reduce((rest, [sign, instead]) => rest.replace(sign, instead), cut) : cut;
  const shown = (from ? "… " : "") + plain.trim();
  return pattern ? shown.split(pattern).map((part, at) => (at % 2 ? h("mark", { text: part }) : part)) : [shown];
}
