// The turn that is being answered: asked for or followed, shown as it comes, and put in its place when it is whole.
import { CONVERSATIONS, api, get } from "./api.js";
import { announce, t } from "./dom.js";
import { followTurn, takeTurn } from "./events.js";
import { LiveReply } from "./live-reply.js";
import { endingText } from "./turn.js";

export class Answering {
  /** `on.streaming` gets the turn that is being answered, or null; `on.begun` and `on.done` hear of new ones. */
  constructor(turns, place, on) {
    this.turns = turns;
    this.place = place;
    this.on = on;
    this.live = null;
  }

  isLive(turn) {
    return this.live?.turn.id === turn.id;
  }

  /** Follow a turn that is being answered: on another device, or since before this page was loaded. */
  async follow(turn, signal) {
    this.goLive(turn);
    try {
      await followTurn(turn, this.seen(signal), signal);
    } catch (error) {
      this.leave();
      this.on.failed(error);
    }
  }

  /** Ask for the turn that stands on the page as `pending`. Throws where it is refused. */
  async take(path, body, pending, signal) {
    this.goLive(pending);
    this.place.toEnd();
    announce(t("answering"));
    await takeTurn(path, body, this.seen(signal), signal);
  }

  goLive(turn) {
    const article = this.turns.article(turn.id);
    article.setAttribute("aria-busy", "true");
    const reply = new LiveReply(article.querySelector(".reply"), turn, () => this.place.keepAtEnd());
    this.live = { turn, article, reply };
    this.on.streaming(turn);
  }

  seen(signal) {
    return {
      turn: (turn) => this.known(turn),
      silence: (isQueued) => this.live.reply.wait(isQueued),
      text: (text) => this.live.reply.say(text),
      thought: (text) => this.live.reply.think(text),
      item: (item) => this.live.reply.add(item),
      done: (turn) => this.finish(turn, signal),
    };
  }

  known(turn) {
    const { live } = this;
    if (live.turn.id !== turn.id) this.turns.replace(live.turn.id, turn);
    live.article.dataset.id = turn.id;
    live.turn = turn;
    this.on.streaming(turn);
    this.on.begun();
  }

  async finish(turn, signal) {
    this.live.reply.end();
    const whole = await get(`/web/conversations/${turn.conversation_id}/turns/${turn.id}`);
    if (signal.aborted) return;
    this.turns.show(whole);
    this.live = null;
    this.place.keepAtEnd();
    announce(whole.status === "complete" ? t("answer_complete") : endingText(whole));
    this.on.streaming(null);
    this.on.done(whole);
  }

  /** Undo what was begun and refused. */
  drop() {
    const id = this.live?.turn.id;
    if (id && this.turns.article(id)) this.turns.cutFrom(id);
    this.leave();
  }

  /** Show no more of it; it goes on without us. */
  leave() {
    this.live?.reply.end();
    this.live = null;
    this.on.streaming(null);
  }

  async stop() {
    const turn = this.live?.turn;
    if (!turn || turn.id === "pending") return;
    await api("POST", `${CONVERSATIONS}/${turn.conversation_id}/turns/${turn.id}/stop`);
  }
}
