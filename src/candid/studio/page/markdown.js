// Markdown as Candid writes it, in model cards and READMEs, as a template: headings, paragraphs,
// lists, tables, fenced code; within a line code, bold, italics and escapes. Metadata is left out.

import { html } from "./vendor/lit-html.js";

const FENCE = /^(`{3,})(.*)$/;
const INLINE = /\\([!-/:-@[-`{-~])|(`+)(.+?)\2(?!`)|\*\*(.+?)\*\*|\*(?! )(.+?)\*|&#(\d+);/g;

// `below`: the level of the heading that the text stands under.
export function markdown(text, below = 2) {
  const lines = text.replace(/^---\n[^]*?\n---\n/, "").split("\n");
  const parts = [];
  while (lines.length) {
    const fence = FENCE.exec(lines[0]);
    if (!lines[0].trim()) lines.shift();
    else if (fence) parts.push(code(lines, fence[1]));
    else if (/^#+ /.test(lines[0])) parts.push(heading(lines.shift(), below));
    else if (lines[0].startsWith("|")) parts.push(table(take(lines, (line) => line.startsWith("|"))));
    else if (/^- /.test(lines[0])) parts.push(list(take(lines, (line) => /^(- |  )/.test(line) || !line.trim())));
    else parts.push(html`<p>${inline(take(lines, (line) => line.trim() && !/^(#+ |\||- |```)/.test(line)).join(" "))}</p>`);
  }
  return html`<div class="markdown">${parts}</div>`;
}

function take(lines, fits) {
  const taken = [lines.shift()];
  while (lines.length && fits(lines[0])) taken.push(lines.shift());
  return taken;
}

function code(lines, marks) {
  lines.shift();
  const end = lines.indexOf(marks);
  const body = lines.splice(0, end < 0 ? lines.length : end).join("\n");
  lines.shift();
  return html`<pre tabindex="0" role="group" aria-label="Code"><code>${body}</code></pre>`;
}

function heading(line, below) {
  const [, marks, text] = /^(#+) (.*)$/.exec(line);
  const level = Math.min(6, below + marks.length);
  if (level === 3) return html`<h3>${inline(text)}</h3>`;
  if (level === 4) return html`<h4>${inline(text)}</h4>`;
  if (level === 5) return html`<h5>${inline(text)}</h5>`;
  return html`<h6>${inline(text)}</h6>`;
}

function list(lines) {
  const items = [];
  for (const line of lines) {
    if (line.startsWith("- ")) items.push(line.slice(2));
    else if (line.trim()) items.push(`${items.pop()} ${line.trim()}`);
  }
  return html`<ul>${items.map((item) => html`<li>${inline(item)}</li>`)}</ul>`;
}

function table(lines) {
  const [head, rules, ...rows] = lines.map((line) => line.replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim()));
  const side = (i) => (rules[i]?.endsWith(":") ? "number" : "");
  return html`<div class="wide" tabindex="0" role="group" aria-label="Table: ${head[0]}"><table>
    <thead><tr>${head.map((cell, i) => html`<th scope="col" class=${side(i)}>${inline(cell)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => (i ? html`<td class=${side(i)}>${inline(cell)}</td>` : html`<th scope="row" class=${side(i)}>${inline(cell)}</th>`))}</tr>`)}</tbody></table></div>`;
}

function inline(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    parts.push(text.slice(end, found.index));
    end = found.index + found[0].length;
    const [, escaped, , coded, bold, italic, number] = found;
    if (escaped) parts.push(escaped);
    else if (coded) parts.push(html`<code>${coded}</code>`);
    else if (bold) parts.push(html`<b>${inline(bold)}</b>`);
    else if (italic) parts.push(html`<i>${inline(italic)}</i>`);
    else parts.push(String.fromCodePoint(Number(number)));
  }
  return [...parts, text.slice(end)];
}
