/** A text as a regular expression finds it. */
export const literal = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
