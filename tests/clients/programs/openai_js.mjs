// An application with the openai package for JavaScript.
import OpenAI from "openai";
import { runParts } from "./parts.mjs";

let client;
const model = "my-model";
const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };

async function responses_part() {
  const first = await client.responses.create({ model, input: "My name is Alice.", instructions: "Be short." });
  const second = await client.responses.create({ model, input: "What is my name?", previous_response_id: first.id });
  const kept = await client.responses.retrieve(second.id);
  return { text: second.output_text, same: kept.output_text === second.output_text };
}

async function stream_part() {
  let id, seen, before = "", after = "";
  for await (const event of await client.responses.create({ model, input: "Count to ten, slowly.", stream: true })) {
    seen = event.sequence_number;
    if (event.type === "response.created") id = event.response.id;
    if (event.type === "response.output_text.delta") {
      before = event.delta;
      break;
    }
  }
  const rest = await client.responses.retrieve(id, { stream: true, starting_after: seen });
  for await (const event of rest) if (event.type === "response.output_text.delta") after += event.delta;
  const whole = await client.responses.retrieve(id);
  return { before, after, whole: whole.output_text };
}

async function helper_part() {
  const stream = client.responses.stream({ model, input: "How is the weather?", tools: [{ type: "function", name: "weather", parameters, strict: true }] });
  const names = new Set();
  for await (const event of stream) names.add(event.type);
  const first = await stream.finalResponse();
  const call = first.output.find((item) => item.type === "function_call");
  const output = { type: "function_call_output", call_id: call.call_id, output: "rain" };
  const second = await client.responses.create({ model, input: [output], previous_response_id: first.id });
  return { events: [...names], arguments: call.arguments, text: second.output_text };
}

async function conversations_part() {
  const conversation = await client.conversations.create({ items: [{ role: "user", content: "I like green tea." }] });
  await client.responses.create({ model, input: "Which teas do I like?", conversation: conversation.id });
  const roles = [];
  for await (const item of client.conversations.items.list(conversation.id, { order: "asc", limit: 1 })) roles.push(item.role);
  await client.conversations.items.delete((await client.conversations.items.list(conversation.id)).data[0].id, { conversation_id: conversation.id });
  return { roles, left: (await client.conversations.items.list(conversation.id)).data.length };
}

async function completions_part() {
  const messages = [{ role: "user", content: "My name is Alice." }];
  const first = await client.chat.completions.create({ model, messages });
  messages.push(first.choices[0].message, { role: "user", content: "What is my name?" });
  const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  return { text, tokens: (await stream.totalUsage()).total_tokens };
}

async function tools_part() {
  const runner = client.chat.completions.runTools({
    model,
    messages: [{ role: "user", content: "How is the weather?" }],
    tools: [{ type: "function", function: { name: "weather", parameters, parse: JSON.parse, function: ({ city }) => `rain in ${city}` } }],
  });
  return await runner.finalContent();
}

async function files_part() {
  const file = await client.files.create({ file: new File(["Sencha"], "tea.txt", { type: "text/plain" }), purpose: "user_data" });
  const content = [{ type: "input_file", file_id: file.id }, { type: "input_image", image_url: PIXEL, detail: "low" }, { type: "input_text", text: "What are these?" }];
  const made = await client.responses.create({ model, input: [{ role: "user", content }] });
  const items = (await client.responses.inputItems.list(made.id)).data[0].content.map((part) => part.type);
  return { text: await (await client.files.content(file.id)).text(), items };
}

async function errors_part() {
  const told = [];
  for (const ask of [
    () => client.responses.retrieve("resp_" + "0".repeat(32)),
    () => client.responses.create({ model, input: "Hi", temperature: 3 }),
    () => client.responses.create({ model: "fault-429", input: "Hi" }),
    () => client.withOptions({ apiKey: "ck_wrong" }).models.list(),
  ]) await ask().catch((error) => told.push([error.constructor.name, error.status, error.code]));
  return told;
}

await runParts(
  { responses_part, stream_part, helper_part, conversations_part, completions_part, tools_part, files_part, errors_part },
  (apiKey) => (client = new OpenAI({ apiKey })),
);
