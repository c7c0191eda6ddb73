// Elements made without HTML: text stays text, whatever is in it.
import words from "./texts.js";

export const $ = (id) => document.getElementById(id);
export const state = JSON.parse(document.documentElement.dataset.state);

/** The address of a path of the service, which may be under a prefix: every link and every request is made with it. */
export const url = (path) => state.root + path;

/** A path of the service from an address of this host, or null where it is none. */
export function pathOf(address) {
  if (address === state.root) return "/";
  return address.startsWith(`${state.root}/`) ? address.slice(state.root.length) : null;
}

/** Return the text called `name`, with {parts} filled in. */
export function t(name, values = {}) {
  return words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

export const hasText = (name) => Object.hasOwn(words, name);

/** Make an element. `on` holds listeners, `text` its text; false and null leave an attribute out. */
export function h(tag, { on = {}, text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  for (const [name, listener] of Object.entries(on)) made.addEventListener(name, listener);
  if (text != null) made.textContent = text;
  made.append(...children.filter((child) => child != null));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button that is an icon; `label` is its name and its tooltip. */
export function tool(name, label, attributes = {}) {
  return h("button", { type: "button", class: "tool", "aria-label": label, title: label, ...attributes }, icon(name));
}

export const spinner = () => h("span", { class: "spinner", role: "img", "aria-label": t("loading") });

// Numbers and times as in the reader's own country, where they speak the page's language.
const { lang } = document.documentElement;
export const language = navigator.languages.find((each) => each.startsWith(lang)) ?? lang;
const moments = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const days = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
export const moment = (text) => h("time", { datetime: text, text: moments.format(new Date(text)) });
export const day = (text) => h("time", { datetime: text, title: moments.format(new Date(text)), text: days.format(new Date(text)) });
export const number = (value) => new Intl.NumberFormat(language).format(value);

/** Say something to screen readers. */
export function announce(text) {
  $("live").textContent = text;
}

export const delay = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
