// The chat page. All text reaches the page as text nodes: nothing that the agent says can become markup.

const $ = (id) => document.getElementById(id);
// Agents may share an origin under different paths.
const kept = (name) => `agent${location.pathname}:${name}`;
const recall = (name) => sessionStorage.getItem(kept(name)) ?? "";
const remember = (name, value) => sessionStorage.setItem(kept(name), value);

/** A problem to show: what the agent said about it, or what happened on the way. */
class Problem extends Error {
  constructor(detail, status = 0) {
    super(detail);
    this.status = status;
  }
}

let underWay = null; // AbortController of the answer that is coming in

// --- talking to the agent ---

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (recall("key")) headers.Authorization = `Bearer ${recall("key")}`;
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Problem(problem.detail || `The agent answered with ${response.status}.`, response.status);
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      yield { kind: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

async function* answers(message, signal) {
  const session = recall("session");
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
      remember("session", data.session_id);
      return;
    }
  }
  throw new Problem("The connection broke before the answer was complete.");
}

// --- showing ---

function element(name, content, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...[content].flat());
  return made;
}

/** `code` and **bold**; everything else as it is. */
function inline(text) {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part, n) => {
    if (n % 2 === 0) return part;
    return part[0] === "`" ? element("code", part.slice(1, -1)) : element("strong", part.slice(2, -2));
  });
}

function formatted(text) {
  return text.split(/^```[^\n]*\n?/m).flatMap((part, n) => {
    if (n % 2) return [element("pre", element("code", part.replace(/\n$/, "")), { tabIndex: 0 })];
    return part.split(/\n{2,}/).map((one) => one.replace(/^\n+|\s+$/g, "")).filter(Boolean).map((one) => element("p", inline(one)));
  });
}

function show(role, text) {
  $("welcome").hidden = true;
  const speaker = element("span", role === "user" ? "You said:" : "The agent said:", { className: "unseen" });
  const body = element("div", role === "user" ? element("p", text) : formatted(text));
  const item = element("li", [speaker, body], { className: role });
  $("conversation").append(item);
  return { item, body };
}

function toEnd(force = false) {
  const end = document.documentElement.scrollHeight;
  if (force || end - window.innerHeight - window.scrollY < 160) window.scrollTo(0, end);
}

function busy(controller) {
  underWay = controller;
  $("send").hidden = Boolean(controller);
  $("stop").hidden = !controller;
  $("conversation").setAttribute("aria-busy", String(Boolean(controller)));
}

function fit() {
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
  const own = show("user", message);
  const { item, body } = show("assistant", "");
  item.classList.add("waiting");
  announce("The agent is answering.");
  toEnd(true);
  const controller = new AbortController();
  busy(controller);
  let text = "";
  let drawn = false;
  const draw = () => {
    drawn = false;
    body.replaceChildren(...formatted(text));
    toEnd();
  };
  try {
    for await (const piece of answers(message, controller.signal)) {
      item.classList.remove("waiting");
      text += piece;
      if (!drawn) drawn = Boolean(requestAnimationFrame(draw));
    }
    announce(`The agent said: ${text}`);
  } catch (error) {
    failed(error, { message, own, item, text });
  } finally {
    item.classList.remove("waiting");
    draw();
    busy(null);
    $("message").focus();
  }
}

function failed(error, { message, own, item, text }) {
  if (error.name === "AbortError") {
    item.append(element("p", "Stopped. The agent will not remember this turn.", { className: "note" }));
    announce("Stopped.");
    return;
  }
  if (!text) {
    // Nothing was answered: the message goes back to where it can be sent again.
    own.item.remove();
    item.remove();
    if (!$("message").value) $("message").value = message;
    fit();
  }
  announce("");
  if (error.status === 401) {
    $("door").showModal();
    return;
  }
  $("fault").textContent = error instanceof Problem ? error.message : "The agent cannot be reached.";
  toEnd(true);
}

async function begin() {
  underWay?.abort();
  const session = recall("session");
  remember("session", "");
  $("conversation").replaceChildren();
  $("fault").textContent = "";
  $("welcome").hidden = false;
  announce("A new chat.");
  $("message").focus();
  if (session) await request(`api/sessions/${session}`, { method: "DELETE" }).catch(() => {});
}

// --- at the beginning ---

async function introduce() {
  const card = await (await request(".well-known/agent-card.json")).json();
  document.title = $("name").textContent = card.name;
  $("about").textContent = card.description;
  const examples = card.skills.flatMap((skill) => skill.examples ?? []).slice(0, 4);
  for (const example of examples) {
    const button = element("button", example, { type: "button" });
    button.addEventListener("click", () => underWay || ask(example));
    $("examples").append(element("li", button));
  }
}

async function restore() {
  if (!recall("session")) return;
  try {
    const { messages } = await (await request(`api/sessions/${recall("session")}`)).json();
    for (const { role, content } of messages) {
      if ((role === "user" || role === "assistant") && typeof content === "string" && content) show(role, content);
    }
    toEnd(true);
  } catch (error) {
    // Forgotten by the agent: the next message begins anew.
    if (error.status === 404) remember("session", "");
  }
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const message = $("message").value.trim();
  if (!message || underWay) return;
  $("message").value = "";
  fit();
  ask(message);
});
$("message").addEventListener("input", fit);
$("message").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("stop").addEventListener("click", () => underWay?.abort());
$("new").addEventListener("click", begin);
$("door-cancel").addEventListener("click", () => $("door").close());
$("door-form").addEventListener("submit", (event) => {
  event.preventDefault();
  remember("key", $("key").value.trim());
  $("key").value = "";
  $("door").close();
  $("composer").requestSubmit();
});

fit();
introduce().catch(() => {});
restore();
