// Bringing conversations from elsewhere.
import { ApiError } from "./api.js";
import { $, h, number, t, url } from "./dom.js";
import { onSubmit } from "./forms.js";

/** Send a file, with its progress; `fetch` tells none. */
function upload(path, file, progressed) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("file", file);
    request.open("POST", url(path));
    request.responseType = "json";
    request.upload.onprogress = (event) => progressed(event.loaded / event.total);
    request.onerror = () => reject(new TypeError("the network failed"));
    request.onload = () => {
      if (request.status < 400) resolve(request.response);
      else reject(new ApiError(request.status, request.response ?? {}, Number(request.getResponseHeader("Retry-After"))));
    };
    request.send(body);
  });
}

function showResult({ imported, skipped, failed }) {
  const lines = [h("p", { text: t("import_done", { imported: number(imported), skipped: number(skipped) }) })];
  if (failed.length) {
    const reasons = failed.slice(0, 20).map((each) => h("li", { text: `${each.source_id ?? ""}: ${each.reason}` }));
    lines.push(h("p", { text: t("import_failed", { number: number(failed.length) }) }), h("ul", {}, ...reasons));
  }
  $("import-result").replaceChildren(...lines);
}

export function prepareImport() {
  const form = $("import");
  const progress = $("import-progress");
  onSubmit(form, async (fields) => {
    const [file] = fields.file.files;
    $("import-result").replaceChildren();
    if (!file) return void $("import-result").append(h("p", { text: t("choose_file") }));
    progress.hidden = false;
    progress.value = 0;
    try {
      const result = await upload("/api/v1/import", file, (part) => {
        if (part < 1) progress.value = part;
        else progress.removeAttribute("value"); // sent; the service works on it
      });
      showResult(result);
      form.reset();
    } finally {
      progress.hidden = true;
    }
  });
}
