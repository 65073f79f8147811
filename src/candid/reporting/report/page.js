// Opens the photos of a cell of the confusion matrix; arrow keys move between cells.
(() => {
  const buttons = all("[aria-controls^='cell-']");
  const panels = all(".panel");
  const open = (id) => {
    for (const panel of panels) panel.classList.toggle("closed", panel.id !== id);
    for (const button of buttons) {
      button.setAttribute("aria-expanded", button.getAttribute("aria-controls") === id);
    }
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const id = button.getAttribute("aria-controls");
      open(id);
      const panel = byId(id);
      const { top, bottom } = panel.getBoundingClientRect();
      // Scroll only if the panel is out of sight.
      if (top > innerHeight - 120 || bottom < 120) panel.scrollIntoView({ block: "start" });
    });
  }
  // The most frequent mistake is first, and open at the start.
  if (panels.length) open(panels[0].id);

  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const matrix = document.querySelector(".matrix tbody");
  matrix?.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const cell = event.target.closest("td");
    let row = cell.parentElement.rowIndex - matrix.rows[0].rowIndex;
    let column = cell.cellIndex;
    // Skip cells without photos.
    do {
      row += step[0];
      column += step[1];
    } while (matrix.rows[row]?.cells[column] && !matrix.rows[row].cells[column].querySelector("button"));
    const next = matrix.rows[row]?.cells[column]?.querySelector("button");
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
})();
