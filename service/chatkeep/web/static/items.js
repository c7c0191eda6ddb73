// What a prompt or a reply is made of beside its text: reasoning, tool calls and their results, a refusal.
import { h, spinner, t, url } from "./dom.js";

/** How long the model thought, in words. */
export function thoughtFor(seconds) {
  if (seconds == null) return t("thought");
  return t("thought_for", { seconds: Math.max(1, Math.round(seconds)) });
}

/** Reasoning, folded. `label` is what stands on the fold. */
export function thought(text, label) {
  const words = h("div", { class: "words", dir: "auto", tabindex: "0", text });
  return h("details", { class: "aside thought" }, h("summary", {}, ...[label].flat()), words);
}

export const thinking = () => [spinner(), t("thinking")];

function folded(label, text) {
  return h("details", { class: "aside" }, h("summary", { text: label }), h("pre", { tabindex: "0", dir: "auto", text }));
}

/** JSON in lines, or the text itself where it is none. */
function inLines(text) {
  if (typeof text !== "string") return JSON.stringify(text, null, 2) ?? "";
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A file by its reference: a picture shown, anything else to be saved. One that is not there, or not ours, is its name. */
export function fileElement(item) {
  const name = item.name || t("file");
  if (typeof item.file_id !== "string") return missingFile(name);
  const path = `/api/v1/files/${encodeURIComponent(item.file_id)}/content`;
  const address = url(path);
  if (item.type !== "image") return h("a", { class: "file", href: address, download: name, dir: "auto", text: name });
  const picture = h("img", { src: address, alt: name, loading: "lazy" });
  const link = h("a", { class: "picture", href: address, target: "_blank", rel: "noopener" }, picture);
  const look = async () => (await import("./pictures.js")).look(picture, name, path);
  for (const each of ["load", "error"]) picture.addEventListener(each, look, { once: true });
  return link;
}

export const missingFile = (name) => h("span", { class: "file missing", dir: "auto", text: t("file_missing", { name }) });

export const isFile = (item) => item.type === "image" || item.type === "file";

// By the calls' ids, as they were shown: a result names only its call, which may be of the turn before.
const toolNames = new Map();

/** Make the element of an item that is no text of the reply; `file` makes those of files. */
export function itemElement(item, file = fileElement) {
  switch (item.type) {
    case "reasoning":
      return thought(item.text, thoughtFor(item.seconds));
    case "refusal":
      return h("p", { class: "refusal" }, h("strong", { text: t("refused") }), " ", h("span", { dir: "auto", text: item.refusal }));
    case "pictures_left_out":
    case "files_left_out":
      return h("p", { class: "ending", dir: "auto", text: t(item.type, { names: [item.names].flat().join(", ") }) });
    case "function_call":
      toolNames.set(item.call_id, item.name);
      return folded(t("tool_call", { name: item.name }), inLines(item.arguments));
    case "function_call_output": {
      const name = toolNames.get(item.call_id);
      return folded(name ? t("tool_result_of", { name }) : t("tool_result"), inLines(item.output));
    }
    case "image":
    case "file":
      return file(item);
    default:
      return folded(t("other_item", { type: item.type }), inLines(item));
  }
}

/** Whether an item is some of the reply's own text. */
export const isText = (item) => item.type === "message" && Number.isInteger(item.start) && Number.isInteger(item.end);

/** Some code points of a text: positions count those, and JavaScript counts otherwise. */
export const stretch = (text, start, end) => [...text].slice(start, end).join("");

/** How much of a reply there is: the position at which its stream goes on. */
export function lengthOf(reply) {
  if (!reply) return 0;
  if (!reply.items) return [...reply.content].length;
  return reply.items.reduce((sum, item) => sum + lengthOfItem(item), 0);
}

function lengthOfItem(item) {
  if (isText(item)) return item.end - item.start;
  return item.type === "reasoning" && typeof item.text === "string" ? [...item.text].length : 1;
}
