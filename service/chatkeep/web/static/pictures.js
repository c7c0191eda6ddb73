// Pictures whose data is cut off: browsers draw what there is of them, and say nothing.
import { ApiError, send } from "./api.js";
import { h, t } from "./dom.js";
import { missingFile } from "./items.js";

/** Whether nothing is drawn in the last line: it is transparent, or never came. */
function endsEmpty(picture) {
  const canvas = h("canvas", { width: 32, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, picture.naturalHeight - 1, picture.naturalWidth, 1, 0, 0, 32, 1);
  return context.getImageData(0, 0, 32, 1).data.every((value) => value === 0);
}

/** A picture that cannot be shown: `saver` is its name, and saves it. */
export function damagedFile(saver) {
  saver.className = "link";
  return h("span", { class: "file missing", dir: "auto" }, saver, " ", t("file_damaged"));
}

/** Look at a picture that was drawn, or that was not: its name takes the place of one that is not whole. */
export async function look(picture, name, path) {
  if (picture.naturalWidth && !endsEmpty(picture)) return;
  const link = picture.parentElement;
  try {
    const bytes = await (await send("GET", path)).blob();
    try {
      (await createImageBitmap(bytes)).close();
    } catch {
      link.replaceWith(damagedFile(h("a", { href: picture.src, download: name, text: name })));
    }
  } catch (error) {
    if (error instanceof ApiError || !picture.naturalWidth) link.replaceWith(missingFile(name));
  }
}
