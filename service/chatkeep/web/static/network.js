// Whether the service can be reached. Who finds that it cannot says so, and waits here for its return.
import { $, delay, t, url } from "./dom.js";

const MAX_PAUSE = 8000;
let returning = null;
let wakeUp = () => {};

function show(lost) {
  const bar = $("network");
  bar.hidden = !lost;
  bar.lastElementChild.textContent = lost ? t("reconnecting") : "";
}

async function isReachable() {
  try {
    const answer = await fetch(url("/healthz"), { cache: "no-store" });
    return answer.ok;
  } catch {
    return false;
  }
}

async function untilReachable() {
  show(true);
  let pause = 500;
  while (!(await isReachable())) {
    await Promise.race([delay(pause), new Promise((resolve) => (wakeUp = resolve))]);
    pause = Math.min(pause * 2, MAX_PAUSE);
  }
  show(false);
  returning = null;
  dispatchEvent(new Event("reconnected"));
}

/** Show that the connection is lost, and return when it is back. */
export function reconnected() {
  returning ??= untilReachable();
  return returning;
}

export const isLost = () => returning !== null;

addEventListener("online", () => wakeUp());
addEventListener("offline", () => reconnected());
