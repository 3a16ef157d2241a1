// Renders Markdown. `marked` parses the text, and this module builds the elements itself. So a text can only become the
// elements that are created here: HTML in a text is shown as text, and nothing is loaded from another server.

import { lexer } from "./marked.js";

// The parser takes quadratic time or worse for some texts, and recursion for nested ones. A text beyond a limit is shown as
// it is. The limits keep the parser below 0.2 s and leave room for long code, which this module finds itself.
const MAX_TEXT = 50_000;
const MAX_PROSE = 20_000; // Characters outside of code.
const MAX_PARAGRAPH = 8_000; // Characters between two blank lines.
const MAX_MARKS = 1_500; // Characters outside of code that may start or end an element.
const MAX_CELLS = 3_000; // Rows of all tables, each as wide as the widest row of its table.
const MAX_PARTS = 200;
const MAX_DEPTH = 40;
const SAFE_PROTOCOLS = new Set(["http:", "https:", "mailto:"]);
const TOP_HEADING = 2; // The page has one h1 and uses h2.

export function element(name, content, properties = {}) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...[content].flat(Infinity));
  return created;
}

/** Returns the elements of a Markdown text. */
export function formatted(text) {
  if (text.length > MAX_TEXT) return plain(text);
  const parts = split(text);
  if (isExpensive(parts)) return plain(text);
  try {
    return parts.flatMap((part) => (part.isCode ? code(part) : children(lexer(part.text), 0)));
  } catch {
    return plain(text);
  }
}

/** Splits a text into prose and fenced code. A fence at the start of a line ends every list, quotation and table. */
function split(text) {
  const parts = [];
  let [lines, fence] = [[], ""];
  const finish = () => {
    if (fence || lines.length) parts.push({ text: lines.join("\n"), isCode: Boolean(fence) });
    lines = [];
  };
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const next = fence ? "" : (/^(`{3,})[^`]*$|^(~{3,})/.exec(line)?.slice(1).find(Boolean) ?? "");
    if (next || (fence && closes(line, fence))) {
      finish();
      fence = next;
    } else lines.push(line);
  }
  finish();
  return parts;
}

function closes(line, fence) {
  const found = line.trim();
  return found.length >= fence.length && found === fence[0].repeat(found.length);
}

/** Returns whether the parser could block the page. */
function isExpensive(parts) {
  const prose = parts.filter((part) => !part.isCode).map((part) => part.text);
  const paragraphs = prose.flatMap((one) => one.split(/\n[ \t]*\n/));
  const sum = (numbers) => numbers.reduce((total, one) => total + one, 0);
  return (
    parts.length > MAX_PARTS ||
    sum(prose.map((one) => one.length)) > MAX_PROSE ||
    sum(prose.map((one) => count(one, /[*_~`[<>&@]/g))) > MAX_MARKS ||
    sum(paragraphs.map(cells)) > MAX_CELLS ||
    paragraphs.some((one) => one.length > MAX_PARAGRAPH)
  );
}

const count = (text, pattern) => text.match(pattern)?.length ?? 0;

function cells(paragraph) {
  const rows = paragraph.split("\n");
  return rows.length * rows.reduce((most, row) => Math.max(most, count(row, /\|/g)), 0);
}

const plain = (text) => (text.trim() ? [element("p", text)] : []);

function children(tokens, depth) {
  if (depth > MAX_DEPTH) return tokens.map((token) => token.raw);
  return tokens.flatMap((token) => (RENDERERS[token.type] ?? unknown)(token, depth + 1));
}

const code = (token) => element("pre", element("code", token.text), { tabIndex: 0 });
const unknown = (token) => [token.raw ?? ""];
const wrapped = (name) => (token, depth) => element(name, children(token.tokens, depth));

function heading(token, depth) {
  return element(`h${Math.min(6, token.depth + TOP_HEADING)}`, children(token.tokens, depth));
}

function list(token, depth) {
  const created = element(token.ordered ? "ol" : "ul", token.items.map((item) => element("li", children(item.tokens, depth))));
  if (token.ordered && Number.isSafeInteger(token.start)) created.start = token.start;
  return created;
}

function table(token, depth) {
  const cell = (name) => (one) => element(name, children(one.tokens, depth), { className: one.align ?? "" });
  const head = element("thead", element("tr", token.header.map(cell("th"))));
  const body = element("tbody", token.rows.map((row) => element("tr", row.map(cell("td")))));
  const scrolling = element("div", element("table", [head, body]), { className: "table", tabIndex: 0, role: "region" });
  scrolling.setAttribute("aria-label", "Table");
  return scrolling;
}

/** A link to another page. An image becomes one, too: loading it would tell its server who reads the answer. */
function link(token, depth) {
  const content = token.type === "image" ? [token.text || "image"] : children(token.tokens, depth);
  const url = URL.canParse(token.href) ? new URL(token.href) : null;
  if (!url || !SAFE_PROTOCOLS.has(url.protocol)) return [token.raw];
  return element("a", content, { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer nofollow" });
}

/** HTML is shown as text, except for a line break, which models use in tables. */
function html(token) {
  if (/^<br\s*\/?>$/i.test(token.raw)) return element("br", []);
  return token.block ? plain(token.raw) : [token.raw];
}

const RENDERERS = {
  blockquote: wrapped("blockquote"),
  br: () => element("br", []),
  checkbox: (token) => [token.checked ? "☑ " : "☐ "],
  code,
  codespan: (token) => element("code", token.text),
  def: () => [],
  del: wrapped("del"),
  em: wrapped("em"),
  escape: (token) => [token.text],
  heading,
  hr: () => element("hr", []),
  html,
  image: link,
  link,
  list,
  paragraph: wrapped("p"),
  space: () => [],
  strong: wrapped("strong"),
  table,
  text: (token, depth) => (token.tokens ? children(token.tokens, depth) : [token.raw]),
};
