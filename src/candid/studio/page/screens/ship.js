import { html, render } from "../vendor/lit-html.js";

export const name = "Ship";

export function open(root) {
  const update = ({ project }) => render(html`<h1>Ship</h1><p>${project?.num_photos ?? 0} photos</p>`, root);
  return { update, close() {} };
}
