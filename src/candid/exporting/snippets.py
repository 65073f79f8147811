"""Code that uses an export: a Python script, and a Kotlin class for LiteRT on Android."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from candid.data.images import PixelContract
from candid.exporting.source import MANIFEST
from candid.models.decision_rule import DecisionRule


@dataclass(frozen=True)
class Snippet:
    """A piece of code."""

    language: str  # for the fence of a Markdown block, such as ``python``
    title: str  # for a heading, such as ``Python``
    code: str  # whole lines, each ended


@dataclass(frozen=True)
class SnippetContext:
    """The export that a snippet is for."""

    folder: Path  # path of the export as a user would type it; in the export's own files, its name
    contract: PixelContract  # how a photo becomes pixels
    rule: DecisionRule  # how a class is chosen
    num_classes: int  # number of classes
    abstains: bool  # whether the run can answer ``unknown`` or ``uncertain``


def python_snippet(
    context: SnippetContext, *, load: str, run: str, imports: str, install: str
) -> Snippet:
    """Make a Python script that prints the answer for a photo.

    Args:
        context: The export.
        load: Lines that load the model from ``folder``.
        run: Lines that compute ``answers``, outputs by name, from ``pixels``.
        imports: The line that imports the runtime.
        install: The distributions to install besides NumPy, OpenCV and Pillow.
    """
    body = ["pixels = read_photo(file)", *run.splitlines(), *_decide(context)]
    body += _ABSTAIN.splitlines() if context.abstains else ["answer = label"]
    body += [
        "named = dict(zip(classes, probabilities.round(4).tolist()))",
        'return {"label": label, "answer": answer, "probabilities": named}',
    ]
    parts = [
        f"# pip install numpy opencv-python-headless pillow {install}\n{_imports(imports)}",
        f"folder = Path({_quote(context.folder.as_posix())})\n"
        f'about = json.loads((folder / "{MANIFEST}").read_text(encoding="utf-8"))\n'
        f'classes = about["classes"]\n{load}',
        _read_photo(context.contract),
        *([_SHARE] if context.abstains else []),
        _function("classify(file)", body),
        'if __name__ == "__main__":\n    print(classify("photo.jpg"))\n',
    ]
    return Snippet("python", "Python", "\n\n".join(parts))


def _function(signature: str, body: list[str]) -> str:
    return f"def {signature}:\n" + "".join(f"    {line}".rstrip() + "\n" for line in body)


def _quote(text: str) -> str:
    """A Python string literal; parts that are not UTF-8 are escaped."""
    quoted = repr(text)
    return quoted if '"' in quoted else f'"{quoted[1:-1]}"'


def _imports(runtime: str) -> str:
    imports = ["import cv2", "import numpy as np", "from PIL import Image, ImageOps", runtime]
    ordered = sorted(imports, key=lambda line: (line.startswith("from"), line.split()[1].lower()))
    return "\n".join(["import json", "from pathlib import Path", "", *ordered, ""])


def _read_photo(contract: PixelContract) -> str:
    """The pixel contract, for what Pillow reads as it is meant."""
    size, twice = contract.size_px, 2 * contract.size_px
    return f"""\
def read_photo(file):  # what the model takes: uint8, 0 to 255
    photo = Image.open(file)
    photo.draft(None, ({twice}, {twice}))  # a large JPEG is scaled while it is decoded
    photo = ImageOps.exif_transpose(photo)
    if photo.mode.startswith("I;16"):  # grey of 16 bits: the upper 8
        photo = Image.fromarray((np.asarray(photo) >> 8).astype(np.uint8))
    photo = photo.convert("RGBA")
    white = Image.new("RGBA", photo.size, "white")
    pixels = np.asarray(Image.alpha_composite(white, photo).convert("RGB"))
    height, width = pixels.shape[:2]
{_SQUARES_IN_PYTHON[contract.fit].replace("SIZE", str(size))}"""


_RESIZE = """\
    pixels = cv2.resize(pixels, (min(width, SIZE), min(height, SIZE)), interpolation=cv2.INTER_AREA)
    return cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)[None]
"""

_SQUARES_IN_PYTHON = {
    "squash": _RESIZE,
    "crop": f"""\
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    height = width = side
{_RESIZE}""",
    "pad": """\
    scale = SIZE / max(height, width)
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.full((1, SIZE, SIZE, 3), 255, np.uint8)
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    inner = cv2.resize(pixels, (width, height), interpolation=method)
    square[0, top : top + height, left : left + width] = inner
    return square
""",
}


def _decide(context: SnippetContext) -> list[str]:
    lines = ['probabilities = answers["probabilities"][0]']
    if context.rule.costs:
        return [
            *lines,
            "costs = 1 - np.eye(len(classes))  # rows: true class, columns: answered class",
            'for row in about["rule"]["costs"]:',
            '    place = classes.index(row["true"]), classes.index(row["predicted"])',
            '    costs[place] = row["cost"]',
            "label = classes[(probabilities @ costs).argmin()]",
        ]
    if context.num_classes == 2:
        return [
            *lines,
            'label = classes[int(float(probabilities[1]) > about["rule"]["threshold"])]',
        ]
    return [*lines, "label = classes[probabilities.argmax()]"]


# candid.models.conformal for one image.
_SHARE = """\
def share(usual, value):  # of held-out photos that were at least as unusual
    return (sum(other >= value for other in usual) + 1) / (len(usual) + 1)
"""

_ABSTAIN = """\
known = about["abstention"]
unusual = zip(classes, known["nonconformity"], 1 - probabilities)
possible = [name for name, usual, value in unusual if share(usual, value) > 1 - known["coverage"]]
if share(known["novelty"], answers["novelty"][0]) <= known["false_alarms"]:
    answer = "unknown"
elif possible == [label]:
    answer = label
else:
    answer = "uncertain: " + (" or ".join(possible) or f"perhaps {label}")
"""


def kotlin_snippet(context: SnippetContext, *, file: str, signature: str) -> Snippet:
    """Make a Kotlin class for an Android app that labels a bitmap, with the model as an asset."""
    fit = context.contract.fit
    code = _CLASS
    for name, value in {
        "FILE": file,
        "MANIFEST": MANIFEST,
        "SIGNATURE": signature,
        "MATHS": "import kotlin.math.roundToInt\n" if fit == "pad" else "",
        "SIZE": str(context.contract.size_px),
        "SQUARE": _SQUARES[fit],
        "DECIDE": _decide_in_kotlin(context),
    }.items():
        code = code.replace(f"«{name}»", value)
    return Snippet("kotlin", "Android (Kotlin)", code)


def _decide_in_kotlin(context: SnippetContext) -> str:
    if context.rule.costs:
        return _BY_COST
    if context.num_classes == 2:
        return (
            'val threshold = about.getJSONObject("rule").getDouble("threshold")\n'
            "        val label = classes[if (row[1].toDouble() > threshold) 1 else 0]"
        )
    return "val label = classes[row.indices.maxBy { row[it] }]"


_BY_COST = """\
val costs = Array(row.size) { t -> DoubleArray(row.size) { if (it == t) 0.0 else 1.0 } }
        val named = about.getJSONObject("rule").getJSONArray("costs")
        for (i in 0 until named.length()) {
            val cost = named.getJSONObject(i)
            val true_ = classes.indexOf(cost.getString("true"))
            costs[true_][classes.indexOf(cost.getString("predicted"))] = cost.getDouble("cost")
        }
        val expected = row.indices.map { p -> row.indices.sumOf { row[it] * costs[it][p] } }
        val label = classes[expected.indices.minBy { expected[it] }]"""

_SQUARES = {
    "squash": "val square = Bitmap.createScaledBitmap(photo, SIZE, SIZE, true)",
    "crop": """\
val side = minOf(photo.width, photo.height)
        val cut = Bitmap.createBitmap(
            photo, (photo.width - side) / 2, (photo.height - side) / 2, side, side
        )
        val square = Bitmap.createScaledBitmap(cut, SIZE, SIZE, true)""",
    "pad": """\
val scale = SIZE.toFloat() / maxOf(photo.width, photo.height)
        val width = (photo.width * scale).roundToInt().coerceAtLeast(1)
        val height = (photo.height * scale).roundToInt().coerceAtLeast(1)
        val square = Bitmap.createScaledBitmap(photo, width, height, true)""",
}

_CLASS = """\
// app/build.gradle.kts: implementation("com.google.ai.edge.litert:litert:1.4.0")
// app/src/main/assets/: «FILE», «MANIFEST»
import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import java.nio.ByteBuffer
import java.nio.ByteOrder
«MATHS»import org.json.JSONObject
import org.tensorflow.lite.Interpreter

private const val SIZE = «SIZE»

class CandidClassifier(context: Context) {
    private val about = JSONObject(String(read(context, "«MANIFEST»")))
    private val classes = about.getJSONArray("classes").let { names ->
        List(names.length()) { names.getString(it) }
    }
    private val interpreter = Interpreter(
        read(context, "«FILE»").let { bytes ->
            ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder()).put(bytes)
        }
    )

    /** The label of an upright photo, and the probability of each class. Not for the UI thread. */
    fun classify(photo: Bitmap): Pair<String, Map<String, Float>> {
        // Bilinear: halve a photo much larger than SIZE a few times first.
        «SQUARE»
        val opaque = Bitmap.createBitmap(SIZE, SIZE, Bitmap.Config.ARGB_8888)
        Canvas(opaque).apply {
            drawColor(Color.WHITE) // behind transparent pixels, and beside a narrow photo
            val left = (SIZE - square.width) / 2
            drawBitmap(square, left.toFloat(), ((SIZE - square.height) / 2).toFloat(), null)
        }
        val colours = IntArray(SIZE * SIZE)
        opaque.getPixels(colours, 0, SIZE, 0, 0, SIZE, SIZE)
        val image = ByteBuffer.allocateDirect(SIZE * SIZE * 3)
        for (colour in colours) {
            image.put((colour shr 16).toByte()).put((colour shr 8).toByte()).put(colour.toByte())
        }
        image.rewind()
        val probabilities = Array(1) { FloatArray(classes.size) }
        interpreter.runSignature(
            mapOf<String, Any>("image" to image),
            mapOf<String, Any>("probabilities" to probabilities),
            "«SIGNATURE»",
        )
        val row = probabilities[0]
        «DECIDE»
        return label to classes.zip(row.toList()).toMap()
    }

    private fun read(context: Context, asset: String): ByteArray =
        context.assets.open(asset).use { it.readBytes() }
}
"""
