"""The page of a run: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template

from candid.evaluation import Evaluation

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #8886; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
li { overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>$name: $answer</h1>
<p>$explanation</p>
<div class="scroll"><table><caption>Figures, with 95 % intervals</caption>
<tr><th scope="col">What</th><th scope="col">Value</th><th scope="col">Interval</th>
<th scope="col">Images</th></tr>
$figures
</table></div>
<div class="scroll"><table><caption>Test part: true class, then predicted</caption>
$confusion
</table></div>
$notes
</body>
</html>
""")


def write_page(name: str, evaluation: Evaluation, notes: Sequence[str]) -> str:
    """Write the page.

    Args:
        name: The run's name.
        evaluation: Its figures.
        notes: What a person should know of the data.

    Returns:
        HTML. Names and notes are escaped: they come from file names.
    """
    best = evaluation.kfold_accuracy or evaluation.accuracy
    answer = "nothing to measure" if best is None else f"{best.value:.0%} right"
    explanation = (
        "There was no image to test on."
        if best is None
        else f"Between {best.low:.0%} and {best.high:.0%} with 95 % confidence, on {best.n} images "
        "that were predicted by a model which saw neither them nor a copy of them."
    )
    return _PAGE.substitute(
        name=escape(name),
        answer=escape(answer),
        explanation=escape(explanation),
        figures="\n".join(_figure_rows(evaluation)),
        confusion="\n".join(_confusion_rows(evaluation)),
        notes=_list(notes),
    )


def _figure_rows(evaluation: Evaluation) -> list[str]:
    return [
        f'<tr><th scope="row">{escape(title)}</th><td class="number">{figure.value:.3f}</td>'
        f'<td class="number">{figure.low:.3f} to {figure.high:.3f}</td>'
        f'<td class="number">{figure.n}</td></tr>'
        for title, figure in evaluation.titled()
        if figure is not None
    ]


def _confusion_rows(evaluation: Evaluation) -> list[str]:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in evaluation.classes)
    rows = [f"<tr><td></td>{head}</tr>"]
    for name, row in zip(evaluation.classes, evaluation.confusion, strict=True):
        cells = "".join(f'<td class="number">{count}</td>' for count in row)
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return rows


def _list(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>About the photos</h2><ul>{items}</ul>"
