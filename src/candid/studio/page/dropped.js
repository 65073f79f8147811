// Files and folders that were dropped or chosen, and the classes that folder names stand for.

// → [{ file, path }], where the path has the folders; call it within the event
export async function filesOf(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push({ file: entry, path: entry.name });
    else if (entry) await walk(entry, found);
  }
  return found;
}

export const filesOfInput = (input) => [...input.files].filter((file) => !isHidden(file.webkitRelativePath || file.name)).map((file) => ({ file, path: file.webkitRelativePath || file.name }));

const isHidden = (path) => path.split("/").some((step) => step.startsWith(".")) || /(^|\/)(thumbs\.db|desktop\.ini|__macosx\/.*)$/i.test(path);

async function walk(entry, found) {
  const path = entry.fullPath.replace(/^\//, "");
  if (isHidden(path)) return;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) found.push({ file, path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([]))); // up to 100 at a time
    if (!some.length) return;
    for (const one of some) await walk(one, found);
  }
}

const normal = (name) => name.normalize("NFC").trim().toLowerCase();

// By class: → { loose: [file], folders: [{ name, files, label }] }. `label` is the class that a folder
// belongs to by its name; null if there is none. The folder of a file is the innermost with the name of
// a class, or else the one that it lies in.
export function sortOut(found, classes) {
  const known = new Map([...classes.map((name) => [normal(name), name]), ["unlabelled", ""], ["unlabeled", ""]]);
  const loose = [];
  const folders = new Map();
  for (const { file, path } of found) {
    const steps = path.split("/").slice(0, -1);
    if (!steps.length) {
      loose.push(file);
      continue;
    }
    const name = steps.findLast((step) => known.has(normal(step))) ?? steps.at(-1);
    if (!folders.has(name)) folders.set(name, { name, files: [], label: known.get(normal(name)) ?? null });
    folders.get(name).files.push(file);
  }
  return { loose, folders: [...folders.values()].sort((one, other) => one.name.localeCompare(other.name)) };
}
