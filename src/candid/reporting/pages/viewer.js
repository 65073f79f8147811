// The enlarged picture, and those beside it in its gallery.
const viewer = (() => {
  const dialog = byId("viewer");
  let beside = [];
  let at = 0;
  // A heat map as wide and high as the picture, however both are scaled.
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
    at = (next + beside.length) % beside.length;
    const picture = beside[at].querySelector("img");
    const heat = beside[at].querySelector("img.heat");
    const caption = beside[at].parentElement.querySelector("figcaption");
    byId("large").src = picture.src;
    byId("large").alt = picture.alt;
    if (byId("heated")) layOver(picture, heat);
    byId("caption").replaceChildren(...caption.cloneNode(true).childNodes);
    byId("place").textContent = beside.length > 1 ? `${at + 1} of ${beside.length}` : "";
  };
  const enlarge = (thumb) => {
    beside = all("button.thumb", thumb.closest(".gallery"));
    for (const id of ["before", "after"]) byId(id).hidden = beside.length < 2;
    show(beside.indexOf(thumb));
    dialog.showModal();
    byId("close").focus();
  };
  for (const thumb of all("button.thumb")) {
    thumb.disabled = false;
    thumb.setAttribute("aria-haspopup", "dialog");
  }
  // On paper there is no scrolling to what is still to be loaded.
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
    if (dialog.open && step && beside.length > 1) show(at + step);
  });
  return { enlarge, isOpen: () => dialog.open };
})();
