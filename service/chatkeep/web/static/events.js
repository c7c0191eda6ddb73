// A turn as a stream of events, from its beginning or from any position on, however often the network is lost.
import { ApiError, CONVERSATIONS, send } from "./api.js";
import { delay } from "./dom.js";
import { lengthOf } from "./items.js";
import { reconnected } from "./network.js";

// The service sends something every 15 seconds.
const MAX_SILENCE_CHARACTERS = 40_000;

async function* linesOf(body, abort) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const watch = setTimeout(() => abort.abort(), MAX_SILENCE_CHARACTERS);
    const { done, value } = await reader.read().finally(() => clearTimeout(watch));
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield* lines;
  }
}

async function* eventsOf(body, abort) {
  let event = {};
  for await (const line of linesOf(body, abort)) {
    if (line === "") {
      if (event.data) yield { name: event.event, id: Number(event.id), data: JSON.parse(event.data) };
      event = {};
    } else {
      const [, name, value] = /^(\w*): ?(.*)$/.exec(line) ?? [];
      if (name) event[name] = value;
      else yield { name: "comment", data: value };
    }
  }
}

/** Return once the tab is shown, or the stream is left. */
function shown(signal) {
  if (!document.hidden || signal.aborted) return;
  return new Promise((resolve) => {
    const look = () => !document.hidden && done();
    const done = () => {
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Call `seen.turn`, `seen.text`, `seen.thought`, `seen.item` and `seen.done` as the events come.
 *
 * `seen.silence` hears that nothing came for a while, and whether that is since others come first.
 * `ask` sends the first request; once the turn is known, the stream is asked for from after what was received.
 * Leaving (`signal`) ends it silently: the reply goes on without us. A hidden tab gives its stream back, as browsers hold
 * six connections to a host for all tabs together; it goes on from where it was once it is shown.
 */
async function read(ask, known, seen, signal) {
  let { turn, received } = known;
  for (;;) {
    if (turn) await shown(signal);
    if (signal.aborted) return;
    const abort = new AbortController();
    const leave = () => abort.abort();
    let isGivenBack = false;
    const hide = () => {
      if (turn && document.hidden) leave((isGivenBack = true));
    };
    signal.addEventListener("abort", leave);
    document.addEventListener("visibilitychange", hide);
    try {
      const headers = { Accept: "text/event-stream", ...(turn ? { "Last-Event-ID": String(received) } : {}) };
      const answer = await (turn ? send("GET", `${addressOf(turn)}/events`, undefined, { headers, signal: abort.signal }) : ask(headers, abort.signal));
      for await (const event of eventsOf(answer.body, abort)) {
        if (signal.aborted) return;
        if (event.name === "turn" && !turn) seen.turn((turn = event.data));
        hide();
        if (event.name === "comment") seen.silence(event.data === "queued");
        if (event.name === "delta") seen.text(event.data.text);
        if (event.name === "reasoning") seen.thought(event.data.text);
        if (event.name === "item") seen.item(event.data);
        if (event.id) received = event.id;
        if (event.name === "done") return void seen.done(event.data);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError) {
        if (!turn || error.status !== 503) throw error;
        await delay(1000 * (error.retryAfter || 2));
        continue;
      }
      if (!(error instanceof TypeError) && error.name !== "AbortError") throw error;
    } finally {
      signal.removeEventListener("abort", leave);
      document.removeEventListener("visibilitychange", hide);
      abort.abort();
    }
    if (signal.aborted) return;
    if (!isGivenBack) await reconnected();
  }
}

const addressOf = (turn) => `${CONVERSATIONS}/${turn.conversation_id}/turns/${turn.id}`;

/** Ask for a new turn. A retry after a lost connection joins it, by its idempotency key. */
export function takeTurn(path, body, seen, signal) {
  const key = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
  const ask = (headers, abort) =>
    send("POST", path, body, { headers: { ...headers, "Idempotency-Key": key }, signal: abort });
  return read(ask, { turn: null, received: 0 }, seen, signal);
}

/** Follow a turn that is being answered, from after what there is of it. */
export function followTurn(turn, seen, signal) {
  return read(null, { turn, received: lengthOf(turn.reply) }, seen, signal);
}
