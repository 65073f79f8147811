// Dialog with the enlarged picture; previous and next go through its gallery.
const viewer = (() => {
  const dialog = byId("viewer");
  let gallery = [];
  let at = 0;
  // Keep the heat map aligned with the picture at any scale.
  const layOver = (picture, heat) => {
    const image = byId("heated").querySelector("image");
    const [width, height] = ["width", "height"].map((side) => picture.getAttribute(side));
    byId("heated").setAttribute("viewBox", `0 0 ${width} ${height}`);
    image.setAttribute("href", heat ? heat.src : "");
    image.setAttribute("width", width);
    image.setAttribute("height", height);
    byId("heated").classList.toggle("none", !heat);
  };
  const show = (next) => {
    at = (next + gallery.length) % gallery.length;
    const picture = gallery[at].querySelector("img");
    const heat = gallery[at].querySelector("img.heat");
    const caption = gallery[at].parentElement.querySelector("figcaption");
    byId("large").src = picture.src;
    byId("large").alt = picture.alt;
    if (byId("heated")) layOver(picture, heat);
    byId("caption").replaceChildren(...caption.cloneNode(true).childNodes);
    byId("place").textContent = gallery.length > 1 ? `${at + 1} of ${gallery.length}` : "";
    dialog.dispatchEvent(new Event("show"));
  };
  const enlarge = (thumb) => {
    const within = thumb.closest(".gallery");
    const isShown = (other) => other.closest(".gallery") === within && other.checkVisibility();
    gallery = all("button.thumb", within).filter((other) => other === thumb || isShown(other));
    for (const id of ["before", "after"]) byId(id).hidden = gallery.length < 2;
    show(gallery.indexOf(thumb));
    if (dialog.open) return;
    dialog.showModal();
    byId("close").focus();
  };
  for (const thumb of all("button.thumb")) {
    thumb.disabled = false;
    thumb.setAttribute("aria-haspopup", "dialog");
  }
  // Load lazy images before printing.
  addEventListener("beforeprint", () => {
    for (const image of all("img[loading]")) image.loading = "eager";
  });
  document.addEventListener("click", (event) => {
    const thumb = event.target.closest("button.thumb");
    if (thumb) enlarge(thumb);
    if (event.target === dialog) dialog.close();
  });
  byId("before").addEventListener("click", () => show(at - 1));
  byId("after").addEventListener("click", () => show(at + 1));
  byId("close").addEventListener("click", () => dialog.close());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.target.matches("select")) return;
    if (dialog.open && step && gallery.length > 1) show(at + step);
  });
  return { dialog, enlarge, isOpen: () => dialog.open, shown: () => gallery[at] };
})();
