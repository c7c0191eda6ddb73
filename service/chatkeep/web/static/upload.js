// Sending a file, with its progress; `fetch` tells none.
import { ApiError } from "./api.js";
import { url } from "./dom.js";

/** One file, or a list of them. `progressed` hears how much of it was sent, from 0 to 1. */
export function upload(path, file, progressed, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    for (const each of [file].flat()) body.append("file", each);
    request.open("POST", url(path));
    request.responseType = "json";
    request.upload.onprogress = (event) => progressed(event.loaded / event.total);
    request.onerror = () => reject(new TypeError("the network failed"));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    request.onload = () => {
      if (request.status < 400) resolve(request.response);
      else reject(new ApiError(request.status, request.response ?? {}, Number(request.getResponseHeader("Retry-After"))));
    };
    signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}
