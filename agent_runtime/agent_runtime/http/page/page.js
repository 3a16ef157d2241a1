// The chat page. It inserts all text as text nodes, so that no message can become markup.

import { element, formatted } from "./markdown.js";

const $ = (id) => document.getElementById(id);
// The keys contain the path because several agents may share an origin.
const storageKey = (name) => `agent${location.pathname}:${name}`;
const load = (name) => sessionStorage.getItem(storageKey(name)) ?? "";
const save = (name, value) => sessionStorage.setItem(storageKey(name), value);

// What to do about an error response. Others have the remedy in their message, or are failures of the agent.
const REMEDIES = {
  400: "Change the message, or start a new chat.",
  403: "Ask the people who run this agent for access.",
  408: "Send the message again.",
  413: "Shorten the message, or start a new chat.",
};
const SEND_AGAIN = "Send the message again. If it fails again, tell the people who run this agent.";

/** An error to show: an error response of the agent, or a failure of the connection. */
class Problem extends Error {
  constructor(detail, status = 0, seconds = 0) {
    super(detail);
    this.status = status;
    this.remedy = seconds ? `Send the message again in ${seconds} s.` : REMEDIES[status] ?? SEND_AGAIN;
  }
}

let activeRequest = null; // AbortController of the request that is in flight

// --- requests ---

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (load("key")) headers.Authorization = `Bearer ${load("key")}`;
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const detail = problem.detail || `The agent answered with the status ${response.status}.`;
  throw new Problem(detail, response.status, Number(response.headers.get("Retry-After")));
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let incomplete = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (incomplete + value).split("\n\n");
    incomplete = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      // The agent sends comments, which have no data, so that proxies keep the connection.
      if (fields.data) yield { kind: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

const CUT = {
  length: "The answer reached the model's limit of tokens.",
  content_filter: "A content filter of the model removed the answer or a part of it.",
};

/** Yields the parts of an answer; returns its finish reason. */
async function* answerParts(message, signal) {
  const session = load("session");
  const response = await request("api/chat", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(session ? { message, session_id: session } : { message }),
    signal,
  });
  for await (const { kind, data } of events(response)) {
    if (kind === "delta") yield data.text;
    if (kind === "error") throw new Problem(data.detail, data.status);
    if (kind === "done") {
      save("session", data.session_id);
      return data.finish_reason;
    }
  }
  throw new Problem("The connection closed before the answer was complete");
}

// --- rendering ---

function show(role, text) {
  $("welcome").hidden = true;
  const speaker = element("span", role === "user" ? "You:" : "Agent:", { className: "unseen" });
  const body = element("div", role === "user" ? element("p", text) : formatted(text));
  const item = element("li", [speaker, body], { className: role });
  $("conversation").append(item);
  return { item, body };
}

function scrollToEnd(force = false) {
  const end = document.documentElement.scrollHeight;
  if (force || end - window.innerHeight - window.scrollY < 160) window.scrollTo(0, end);
}

function setActive(controller) {
  activeRequest = controller;
  $("send").hidden = Boolean(controller);
  $("stop").hidden = !controller;
  $("conversation").setAttribute("aria-busy", String(Boolean(controller)));
}

function resizeField() {
  const field = $("message");
  field.rows = Math.min(10, field.value.split("\n").length);
  $("send").disabled = !field.value.trim();
}

function announce(text) {
  $("announcement").textContent = text;
}

// --- one turn ---

async function ask(message) {
  $("fault").textContent = "";
  const userMessage = show("user", message);
  const { item, body } = show("assistant", "");
  item.classList.add("waiting");
  announce("The agent is answering.");
  scrollToEnd(true);
  const controller = new AbortController();
  setActive(controller);
  let text = "";
  let scheduled = false;
  let pause = 0;
  const draw = () => {
    const start = performance.now();
    scheduled = false;
    body.replaceChildren(...formatted(text));
    scrollToEnd();
    // A long answer must not keep the page busy, so that Stop works.
    pause = 4 * (performance.now() - start);
  };
  const schedule = () => requestAnimationFrame(() => setTimeout(draw, pause));
  try {
    const parts = answerParts(message, controller.signal);
    let next = await parts.next();
    for (; !next.done; next = await parts.next()) {
      item.classList.remove("waiting");
      text += next.value;
      if (!scheduled) scheduled = Boolean(schedule());
    }
    announce(`Agent: ${text}`);
    showCut(item, text, next.value);
  } catch (error) {
    showFailure(error, { message, userMessage, item, text });
  } finally {
    item.classList.remove("waiting");
    draw();
    setActive(null);
    $("message").focus();
  }
}

/** Shows why an answer is not whole. The agent stores only whole answers. */
function showCut(item, text, reason) {
  const whole = text.trim() && (!reason || ["stop", "tool_calls", "function_call"].includes(reason));
  if (whole) return;
  const cause = CUT[reason] ?? "The answer is empty or cut.";
  item.append(element("p", `${cause} The agent does not remember this message.`, { className: "note" }));
  announce(cause);
}

function showFailure(error, { message, userMessage, item, text }) {
  if (error.name === "AbortError") {
    item.append(element("p", "Stopped. The agent does not remember this message.", { className: "note" }));
    announce("Stopped.");
    return;
  }
  if (!text) {
    // There is no answer. Put the message back into the field, so that the user can send it again.
    userMessage.item.remove();
    item.remove();
    if (!$("message").value) $("message").value = message;
    resizeField();
  }
  announce("");
  if (error.status === 401) {
    askForKey();
    return;
  }
  const known = error instanceof Problem;
  $("fault").textContent = known
    ? `${sentence(error.message)} ${error.remedy}`
    : "The agent is unreachable. Check your connection, and send the message again.";
  scrollToEnd(true);
}

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

/** Asks for an API key. If the agent has just refused one, says so. */
function askForKey() {
  const refused = Boolean(load("key"));
  save("key", "");
  $("key-refused").hidden = !refused;
  $("key").setAttribute("aria-invalid", String(refused));
  $("key-dialog").showModal();
}

async function startNewChat() {
  activeRequest?.abort();
  const session = load("session");
  save("session", "");
  $("conversation").replaceChildren();
  $("fault").textContent = "";
  $("welcome").hidden = false;
  announce("New chat.");
  $("message").focus();
  if (session) await request(`api/sessions/${encodeURIComponent(session)}`, { method: "DELETE" }).catch(() => {});
}

// --- start ---

async function showCard() {
  const card = await (await request(".well-known/agent-card.json")).json();
  document.title = $("name").textContent = card.name;
  $("about").textContent = card.description;
  const examples = card.skills.flatMap((skill) => skill.examples ?? []).slice(0, 4);
  for (const example of examples) {
    const button = element("button", example, { type: "button" });
    button.addEventListener("click", () => activeRequest || ask(example));
    $("examples").append(element("li", button));
  }
}

async function showSession() {
  if (!load("session")) return;
  try {
    const { messages } = await (await request(`api/sessions/${encodeURIComponent(load("session"))}`)).json();
    for (const { role, content } of messages) {
      if ((role === "user" || role === "assistant") && typeof content === "string" && content) show(role, content);
    }
    scrollToEnd(true);
  } catch (error) {
    // The session has expired. The next message starts a new one.
    if (error.status === 404) save("session", "");
  }
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const message = $("message").value.trim();
  if (!message || activeRequest) return;
  $("message").value = "";
  resizeField();
  ask(message);
});
$("message").addEventListener("input", resizeField);
$("message").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("stop").addEventListener("click", () => activeRequest?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && !$("key-dialog").open) activeRequest?.abort();
});
$("new").addEventListener("click", startNewChat);
$("key-cancel").addEventListener("click", () => $("key-dialog").close());
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  save("key", $("key").value.trim());
  $("key").value = "";
  $("key-dialog").close();
  $("composer").requestSubmit();
});

resizeField();
showCard().catch(() => {});
showSession();
