// Other people's files. Each goes on record when it is read, with the reason: a header, which no address can carry.
import { send } from "./api.js";
import { h, spinner, t } from "./dom.js";
import { because, tried } from "./console.js";
import { missingFile } from "./items.js";
import { damagedFile } from "./pictures.js";

const RASTER = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const MAX_SIDE = 1600;

async function bytesOf(userId, fileId, reason) {
  const path = `/api/v1/admin/users/${userId}/files/${encodeURIComponent(fileId)}/content`;
  return (await send("GET", path, undefined, because(reason))).blob();
}

/** Draw a picture: the page may load none from an address of its own making. */
async function drawn(name, bytes) {
  if (!RASTER.includes(bytes.type)) throw new TypeError("no picture");
  const bitmap = await createImageBitmap(bytes);
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = h("canvas", { role: "img", "aria-label": name });
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

function save(name, bytes) {
  const address = URL.createObjectURL(bytes);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

const saver = (name, run) => h("button", { type: "button", class: "file", dir: "auto", text: name, on: { click: () => tried(run) } });

/** Load a picture once somebody comes near it: what nobody looks at is not on record as read. */
function pictureElement(name, read) {
  const place = h("figure", { class: "picture" }, spinner());
  const near = new IntersectionObserver(
    async ([seen]) => {
      if (!seen.isIntersecting) return;
      near.disconnect();
      let bytes;
      try {
        bytes = await read();
        const picture = await drawn(name, bytes);
        place.replaceChildren(picture, h("figcaption", {}, saver(name, async () => save(name, bytes))));
      } catch {
        place.replaceWith(bytes ? damagedFile(saver(name, async () => save(name, bytes))) : missingFile(name));
      }
    },
    { rootMargin: "200px" },
  );
  near.observe(place);
  return place;
}

/** Return what makes the element of a user's file: a picture shown, anything else to be saved. */
export function filesOf(userId, reason) {
  return (item) => {
    const name = item.name || t("file");
    if (typeof item.file_id !== "string") return missingFile(name);
    const read = () => bytesOf(userId, item.file_id, reason);
    return item.type === "image" ? pictureElement(name, read) : saver(name, async () => save(name, await read()));
  };
}
