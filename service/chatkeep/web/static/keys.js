// Keys that do something outside of fields.
export function prepareKeys(failed) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.ctrlKey || event.target.closest("input, textarea, select")) return;
    import("./shortcuts.js").then(({ showShortcuts }) => showShortcuts(), failed);
  });
}
