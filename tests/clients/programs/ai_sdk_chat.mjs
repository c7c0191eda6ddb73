// A chat by the AI SDK, of the version that AI_SDK names: its own Chat class and DefaultChatTransport.
import { runParts } from "./parts.mjs";

const ai = await import(process.env.AI_SDK);
const { AbstractChat, DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls } = ai;
const api = process.env.OPENAI_BASE_URL.replace(/\/v1$/, "/api/v1/ui/chat");
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } }];
const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
let key, current;

class State {
  status = "ready";
  error = undefined;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => (this.messages = [...this.messages, message]);
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => (this.messages = this.messages.map((each, at) => (at === index ? message : each)));
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor({ id, messages = [], body, ...options } = {}) {
    const headers = { Authorization: `Bearer ${key}` };
    super({ id, state: new State(messages), transport: new DefaultChatTransport({ api, headers, body }), ...options });
    current = this;
  }
}

const texts = (chat) => chat.messages.map((message) => message.parts.filter((part) => part.type === "text").map((part) => part.text).join(""));
const speaks = (chat) => chat.lastMessage?.role === "assistant" && Boolean(chat.lastMessage.parts.at(-1)?.text);
const roles = (chat) => chat.messages.map((message) => message.role).join(" ");
const ask = async (path, options = {}) => fetch(`${api}/${path}`, { headers: { Authorization: `Bearer ${key}` }, ...options });
const until = async (condition) => {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 2000) throw new Error(`waited for ${condition}: ${JSON.stringify(current?.messages)} ${current?.error}`);
    await new Promise((done) => setTimeout(done, 5));
  }
};
const unique = () => Math.random().toString(36).slice(2);

async function send_part() {
  let finish;
  const chat = new Chat({ id: "my first/chat?", onFinish: ({ finishReason, isError }) => (finish = [finishReason, isError]) });
  await chat.sendMessage({ text: "My name is Alice." });
  await chat.sendMessage({ text: "What is my name?" });
  const kept = await (await ask(`${encodeURIComponent(chat.id)}/messages`)).json();
  return {
    status: chat.status, roles: roles(chat), texts: texts(chat), finish,
    metadata: Object.keys(chat.messages[1].metadata), tokens: chat.lastMessage.metadata.usage.output_tokens,
    kept: kept.messages.map((message) => [message.role, message.parts.filter((part) => part.type === "text").map((part) => part.text).join("")]),
    same: kept.messages[3].id === chat.messages[3].id,
    kinds: chat.lastMessage.parts.map((part) => part.type),
  };
}

async function reasoning_part() {
  const chat = new Chat({ id: unique(), body: { model: "fault-reasoning" } });
  await chat.sendMessage({ text: "Think." });
  return chat.lastMessage.parts.map((part) => [part.type, part.text ?? null, part.state ?? null]);
}

async function regenerate_part() {
  const chat = new Chat({ id: unique() });
  await chat.sendMessage({ text: "One" });
  await chat.sendMessage({ text: "Two" });
  const [first, second] = [chat.messages[1].id, chat.messages[3].id];
  await chat.regenerate();
  const again = chat.messages[3].id;
  await chat.regenerate({ messageId: first });
  return { differ: new Set([first, second, again, chat.messages[1].id]).size, roles: roles(chat), first: texts(chat)[1] };
}

async function edit_part() {
  const chat = new Chat({ id: unique() });
  await chat.sendMessage({ text: "One" });
  await chat.sendMessage({ text: "Two" });
  await chat.sendMessage({ text: "Deux", messageId: chat.messages[2].id });
  const second = texts(chat)[3];
  await chat.sendMessage({ text: "Un", messageId: chat.messages[0].id });
  return { second, first: texts(chat) };
}

async function resume_part() {
  const id = unique();
  const chat = new Chat({ id, body: { model: "slow-40" } });
  const sent = chat.sendMessage({ text: "Count to ten, slowly." });
  await until(() => speaks(chat));
  // Another window opens the chat while it is being answered.
  const { messages } = await (await ask(`${id}/messages`)).json();
  const other = new Chat({ id, messages });
  const before = texts(other);
  await other.resumeStream();
  await sent;
  const idle = await ask(`${id}/stream`);
  const unknown = await ask("a chat that nobody has/stream");
  await other.resumeStream();
  return {
    before, roles: roles(other), same: texts(other)[1] === texts(chat)[1] && other.messages[1].id === chat.messages[1].id,
    statuses: [idle.status, unknown.status], status: other.status, count: other.messages.length,
  };
}

async function stop_part() {
  const chat = new Chat({ id: unique(), body: { model: "slow-100" } });
  const sent = chat.sendMessage({ text: "Tell a long story, please." });
  await until(() => speaks(chat));
  await chat.stop();
  await sent;
  const half = texts(chat)[1];
  // It goes on for others to follow, until something else is asked.
  const still = (await ask(`${chat.id}/stream`)).status;
  await chat.sendMessage({ text: "Something else" }, { body: { model: "my-model" } });
  const after = texts(chat)[3];
  // A button that ends it for everybody.
  const third = chat.sendMessage({ text: "Another story, please." });
  await until(() => chat.messages.length === 6 && speaks(chat));
  const stopped = await ask(`${chat.id}/stop`, { method: "POST" });
  await third;
  return { half, still, after, stopped: stopped.status, status: chat.status, idle: (await ask(`${chat.id}/stream`)).status };
}

async function stop_early_part() {
  const id = unique();
  const chat = new Chat({ id, body: { model: "slow-100" } });
  const sent = chat.sendMessage({ text: "Tell a long story, please." });
  await until(async () => (await ask(`${id}/stream`, { method: "HEAD" })).status !== 204 && (await ask(`${id}/messages`).then((answer) => answer.json())).messages.length === 1);
  chat.messages = chat.messages.filter((message) => message.role === "user");
  await chat.stop();
  await sent;
  chat.messages = chat.messages.filter((message) => message.role === "user");
  // Another window knows nothing of it, and does not end it.
  const other = new Chat({ id });
  await other.sendMessage({ text: "From elsewhere" });
  await chat.sendMessage({ text: "Something else" }, { body: { model: "my-model" } });
  return { other: JSON.parse(other.error.message).code, texts: texts(chat) };
}

async function tools_part() {
  const chat = new Chat({
    id: unique(),
    body: { tools },
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
    onToolCall: ({ toolCall }) => {
      chat.addToolOutput({ tool: toolCall.toolName, toolCallId: toolCall.toolCallId, output: `rain in ${toolCall.input.city}` });
    },
  });
  chat.sendMessage({ text: "How is the weather?" });
  await until(() => texts(chat)[1]?.startsWith("The tools said") && chat.status === "ready");
  const parts = chat.messages[1].parts.map((part) => [part.type, part.state ?? null]);
  await chat.sendMessage({ text: "Thanks" });
  const kept = await (await ask(`${chat.id}/messages`)).json();
  return {
    roles: roles(chat), parts, texts: texts(chat),
    kept: kept.messages.map((message) => [message.role, message.parts.map((part) => part.type), message.id]),
    ids: chat.messages.filter((message) => message.role === "assistant").map((message) => message.id),
  };
}

async function files_part() {
  const chat = new Chat({ id: unique() });
  await chat.sendMessage({ text: "What is this?", files: [{ type: "file", mediaType: "image/png", filename: "dot.png", url: PIXEL }] });
  const kept = await (await ask(`${chat.id}/messages`)).json();
  const file = kept.messages[0].parts.find((part) => part.type === "file");
  const bytes = await (await fetch(new URL(file.url, api), { headers: { Authorization: `Bearer ${key}` } })).arrayBuffer();
  const again = new Chat({ id: chat.id, messages: kept.messages });
  await again.sendMessage({ text: "And its colour?" });
  return { same: Buffer.from(bytes).toString("base64") === PIXEL.split(",")[1], text: texts(chat)[1], media: file.mediaType };
}

async function failures_part() {
  const told = [];
  const chat = new Chat({ id: unique(), onError: (error) => told.push(error.message) });
  await chat.sendMessage({ text: "Hi" }, { body: { model: "fault-429" } });
  const status = chat.status;
  await chat.regenerate();
  const after = chat.status;
  await chat.sendMessage({ text: "Half" }, { body: { model: "fault-cut-off" } });
  return { status, after, told, roles: roles(chat) };
}

async function unknown_history_part() {
  const said = (id, role, text) => ({ id, role, parts: [{ type: "text", text }] });
  const chat = new Chat({ id: unique(), messages: [said("a", "user", "Never"), said("b", "assistant", "seen here")] });
  await chat.sendMessage({ text: "Now?" });
  await chat.sendMessage({ text: "And then?" });
  return texts(chat);
}

async function last_message_part() {
  const headers = { Authorization: `Bearer ${key}` };
  const prepareSendMessagesRequest = ({ id, messages, trigger, messageId }) => ({ body: { id, message: messages.at(-1), trigger, messageId } });
  const id = unique();
  const chat = new Chat({ id, transport: new DefaultChatTransport({ api, headers, prepareSendMessagesRequest }) });
  await chat.sendMessage({ text: "My name is Alice." });
  await chat.sendMessage({ text: "What is my name?" });
  await chat.regenerate({ messageId: chat.lastMessage.id });
  return texts(chat);
}

await runParts(
  { send_part, reasoning_part, regenerate_part, edit_part, resume_part, stop_part, stop_early_part, tools_part, files_part, failures_part, unknown_history_part, last_message_part },
  (given) => (key = given),
);
