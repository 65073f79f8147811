import { html, render } from "../vendor/lit-html.js";

export const name = "Label";

export function open(root) {
  const update = ({ project }) => render(html`<h1>Label</h1><p>${project?.num_photos ?? 0} photos</p>`, root);
  return { update, close() {} };
}
