import { html, render } from "../vendor/lit-html.js";

export const name = "Open";

export function open(root) {
  const update = ({ project }) => render(html`<h1>Open</h1><p>${project?.num_photos ?? 0} photos</p>`, root);
  return { update, close() {} };
}
