"""What a person can paste to use an export, in the languages that its format is used from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from candid.decision_rule import DecisionRule
from candid.exporting.metadata import MANIFEST
from candid.images import PixelContract


@dataclass(frozen=True)
class Snippet:
    """A piece of code.

    Attributes:
        language: As it is called after the fence of a Markdown block: ``python``.
        title: What it is, for a heading: ``Python``.
        code: Whole lines, the last one ended.
    """

    language: str
    title: str
    code: str


@dataclass(frozen=True)
class Pasted:
    """What a snippet is made for.

    Attributes:
        folder: The export's, as a person would type it; in files that travel with it, its name.
        contract: How a photo becomes pixels.
        rule: How a class is chosen.
        num_classes: How many classes there are.
        abstains: Whether it knows when to say nothing.
    """

    folder: Path
    contract: PixelContract
    rule: DecisionRule
    num_classes: int
    abstains: bool


def python_snippet(pasted: Pasted, *, run: str, imports: str, install: str) -> Snippet:
    """Write a Python snippet: a photo's answer, in as few lines as it takes.

    Args:
        pasted: What it is made for.
        run: Lines that make ``answers``, output by name, of ``pixels``.
        imports: The line that imports the runtime.
        install: The distributions to install besides NumPy and Pillow.
    """
    parts = [
        f"# pip install numpy pillow {install}\n{_imports(imports)}",
        f"folder = Path({_quote(pasted.folder.as_posix())})\n"
        f'about = json.loads((folder / "{MANIFEST}").read_text(encoding="utf-8"))\n'
        'classes = about["classes"]\n',
        _read_photo(pasted.contract),
        run,
        _decide(pasted),
    ]
    if pasted.abstains:
        parts.append(_ABSTAIN)
    parts.append("print(answer, dict(zip(classes, probabilities.round(3).tolist())))\n")
    return Snippet("python", "Python", "\n".join(parts))


def _quote(text: str) -> str:
    """A string of Python; what of it is no UTF-8 is escaped."""
    quoted = repr(text)
    return quoted if '"' in quoted else f'"{quoted[1:-1]}"'


def _imports(runtime: str) -> str:
    third = ["import numpy as np", "from PIL import Image, ImageOps", runtime]
    ordered = sorted(third, key=lambda line: (line.startswith("from"), line.split()[1].lower()))
    return "\n".join(["import json", "from pathlib import Path", "", *ordered, ""])


def _read_photo(contract: PixelContract) -> str:
    size = f"({contract.size_px}, {contract.size_px})"
    fitted = {
        "squash": f"photo.resize({size}, method)",
        "crop": f"ImageOps.fit(photo, {size}, method)",
        "pad": f'ImageOps.pad(photo, {size}, method, color="white")',
    }[contract.fit]
    return f"""\
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
smaller = min(photo.size) >= {contract.size_px}
method = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
pixels = np.asarray({fitted})[None]  # uint8, 0 to 255
"""


def _decide(pasted: Pasted) -> str:
    lines = ['probabilities = answers["probabilities"][0]']
    if pasted.rule.costs:
        lines += [
            "costs = 1 - np.eye(len(classes))  # a row a true class, a column an answered one",
            'for row in about["rule"]["costs"]:',
            '    place = classes.index(row["true"]), classes.index(row["predicted"])',
            '    costs[place] = row["cost"]',
            "label = classes[(probabilities @ costs).argmin()]",
        ]
    elif pasted.num_classes == 2:
        lines.append('label = classes[int(float(probabilities[1]) > about["rule"]["threshold"])]')
    else:
        lines.append("label = classes[probabilities.argmax()]")
    lines.append("" if pasted.abstains else "answer = label")
    return "\n".join(lines).rstrip("\n") + "\n"


# As candid.abstention says it, for one image.
_ABSTAIN = """\
known = about["abstention"]


def share(usual, value):  # of held-out photos, those that were at least as unusual
    return (sum(other >= value for other in usual) + 1) / (len(usual) + 1)


unusual = zip(classes, known["nonconformity"], 1 - probabilities)
possible = [name for name, usual, value in unusual if share(usual, value) > 1 - known["coverage"]]
if share(known["novelty"], answers["novelty"][0]) <= known["false_alarms"]:
    answer = "unknown"
elif possible == [label]:
    answer = label
else:
    answer = "uncertain: " + (" or ".join(possible) or f"perhaps {label}")
"""
