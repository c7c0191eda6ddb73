// The HTTP API, as its contract has it.
import { hasText, t, url } from "./dom.js";
import { reconnected } from "./network.js";

export class ApiError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? "");
    this.status = status;
    this.code = problem.code ?? "";
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** What happened and what to do, in the reader's language where there are words for it. */
export function explain(error) {
  if (error instanceof ApiError) {
    const wait = error.retryAfter ? t("wait", { seconds: error.retryAfter }) : "";
    const said = hasText(`error_${error.code}`) ? t(`error_${error.code}`) : error.message || t("error_other");
    return [said, wait].filter(Boolean).join(" ");
  }
  if (error instanceof TypeError) return t("error_network");
  throw error;
}

async function problemOf(answer) {
  const isProblem = answer.headers.get("Content-Type")?.includes("json");
  const problem = isProblem ? await answer.json() : {};
  if (answer.status === 401 && problem.code === "not_authenticated") dispatchEvent(new Event("signed-out"));
  return new ApiError(answer.status, problem, Number(answer.headers.get("Retry-After")));
}

/** Send a request; a fault of the network is a TypeError, every answer that is an error an ApiError. */
export async function send(method, path, body, { headers = {}, ...options } = {}) {
  const given = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(url(path), { method, headers: { ...type, ...headers }, ...given, ...options });
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

async function parsed(answer) {
  return answer.status === 204 ? null : answer.json();
}

/** Ask once. For what must not happen twice. */
export async function once(method, path, body) {
  return parsed(await send(method, path, body));
}

/** Ask until the network lets it through. For what may happen twice. */
export async function api(method, path, body, options) {
  for (;;) {
    try {
      return await parsed(await send(method, path, body, options));
    } catch (error) {
      if (!(error instanceof TypeError) || options?.signal?.aborted) throw error;
      await reconnected();
    }
  }
}

export const get = (path, options) => api("GET", path, undefined, options);

export function withQuery(path, values) {
  const given = Object.entries(values).filter(([, value]) => value != null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export const CONVERSATIONS = "/api/v1/conversations";
