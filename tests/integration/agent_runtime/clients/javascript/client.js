// Uses OpenAI's JavaScript client with an agent: `node client.js BASE_URL CASE` prints the result as JSON.
import OpenAI from "openai";

const [baseURL, name] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "anything", maxRetries: 0 });
const messages = [{ role: "user", content: "one two" }];
const now = { type: "function", function: { name: "now", parameters: { type: "object", properties: {} } } };

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

async function failure(promise) {
  try {
    return { unexpected: await promise };
  } catch (error) {
    const { status, code, param, type, requestID } = error;
    return { kind: error.constructor.name, status, code, param, type, requestID };
  }
}

const cases = {
  complete: () => client.chat.completions.create({ model: "gpt", messages }),
  models: async () => (await collect(await client.models.list())).map((model) => model.id),
  stream: async () =>
    collect(
      await client.chat.completions.create({
        model: "gpt",
        messages,
        stream: true,
        stream_options: { include_usage: true },
      }),
    ),
  // The helper that assembles the deltas, which most programs use.
  assembled: () => client.chat.completions.stream({ model: "gpt", messages, tools: [now] }).finalChatCompletion(),
  // The helper that runs tool calls until the model answers.
  tools: async () => {
    const called = [];
    const tool = {
      type: "function",
      function: {
        name: "now",
        parameters: { type: "object", properties: {} },
        parse: JSON.parse,
        function: (argument) => {
          called.push(argument);
          return "noon";
        },
      },
    };
    const runner = client.chat.completions.runTools({ model: "gpt", messages, tools: [tool] });
    return { content: await runner.finalContent(), called };
  },
  fault: () => failure(client.chat.completions.create({ model: "gpt", messages })),
  unknown: () => failure(client.chat.completions.create({ model: "none", messages })),
  broken: async () => {
    const stream = await client.chat.completions.create({ model: "gpt", messages, stream: true });
    return failure(collect(stream));
  },
  aborted: async () => {
    const stream = await client.chat.completions.create({ model: "gpt", messages, stream: true });
    for await (const chunk of stream) {
      stream.controller.abort();
      return chunk.choices[0].delta;
    }
  },
};

console.log(JSON.stringify(await cases[name]()));
