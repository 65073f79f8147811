import { html, render } from "../vendor/lit-html.js";

export const name = "Try";

export function open(root) {
  const update = ({ project }) => render(html`<h1>Try</h1><p>${project?.num_photos ?? 0} photos</p>`, root);
  return { update, close() {} };
}
