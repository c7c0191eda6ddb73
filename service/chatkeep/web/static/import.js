// Bringing conversations from elsewhere.
import { $, h, number, t } from "./dom.js";
import { onSubmit } from "./forms.js";
import { upload } from "./upload.js";

function showResult({ imported, continued, turns_added: turns, skipped, failed, files_added: files, left_out: leftOut = [] }) {
  const lines = [h("p", { text: t("import_done", { imported: number(imported), skipped: number(skipped) }) })];
  if (continued) {
    lines.push(h("p", { text: t("import_continued", { number: number(continued), turns: number(turns) }) }));
  }
  if (files) lines.push(h("p", { text: t("import_files_added", { number: number(files) }) }));
  if (failed.length) {
    const reasons = failed.slice(0, 20).map((each) => h("li", { text: `${each.source_id ?? ""}: ${each.reason}` }));
    lines.push(h("p", { text: t("import_failed", { number: number(failed.length) }) }), h("ul", {}, ...reasons));
  }
  if (leftOut.length) {
    const reasons = leftOut.slice(0, 20).map(({ name, reason }) => h("li", { dir: "auto", text: `${name}: ${reason}` }));
    lines.push(h("p", { text: t("import_left_out", { number: number(leftOut.length) }) }), h("ul", {}, ...reasons));
  }
  $("import-result").replaceChildren(...lines);
}

export function prepareImport() {
  const form = $("import");
  const progress = $("import-progress");
  onSubmit(form, async (fields) => {
    const files = [...fields.file.files];
    $("import-result").replaceChildren();
    if (!files.length) return void $("import-result").append(h("p", { text: t("choose_file") }));
    progress.hidden = false;
    progress.value = 0;
    try {
      const send = (severalOwners) =>
        upload(`/api/v1/import?several_owners=${severalOwners}`, files, (part) => {
          if (part < 1) progress.value = part;
          else progress.removeAttribute("value"); // sent; the service works on it
        });
      const result = await send("refuse").catch((error) => {
        // Says which program's it is, which no translation can.
        if (error.code === "unknown_import_format") {
          $("import-result").append(h("p", { lang: "en", text: error.message }));
        }
        if (error.code !== "several_owners") throw error;
        return confirm(`${error.message}\n\n${t("import_everybodys")}`) ? send("import") : null;
      });
      if (!result) return;
      showResult(result);
      form.reset();
    } finally {
      progress.hidden = true;
    }
  });
}
