"""Code that uses an export: a Python script, and a Kotlin class for LiteRT on Android."""

from __future__ import annotations

import textwrap
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
    answer = _ABSTAIN if context.abstains else _ALWAYS_ANSWER
    judge = answer + _BLANK
    body = "pixels = read_photo(file)\n" + run + _decide(context) + judge + _values(context)
    parts = [
        f"# pip install numpy opencv-python-headless pillow {install}\n{_imports(imports)}",
        f"folder = Path({_quote(context.folder.as_posix())})\n"
        f'about = json.loads((folder / "{MANIFEST}").read_text(encoding="utf-8"))\n'
        f'classes = about["classes"]\n{load}',
        _read_photo(context.contract),
        *([_SHARE] if context.abstains else []),
        "def classify(file):\n" + textwrap.indent(body, "    "),
        'if __name__ == "__main__":\n    print(json.dumps(classify("photo.jpg")))\n',
    ]
    return Snippet("python", "Python", "\n\n".join(parts))


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
    square = _SQUARES_IN_PYTHON[contract.fit].replace("SIZE", str(contract.size_px))
    body = _open(contract) + _OVER_WHITE + square
    signature = "def read_photo(file):  # what the model takes: uint8, 0 to 255\n"
    return signature + textwrap.indent(body, "    ")


_OVER_WHITE = """\
photo = photo.convert("RGBA")
white = Image.new("RGB", photo.size, "white")
white.paste(photo, mask=photo)
pixels = np.asarray(white)
height, width = pixels.shape[:2]
"""

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


def _open(contract: PixelContract) -> str:
    """Lines that open the photo, with 8 bits a sample."""
    page = (contract.page or 1) - 1
    from_levels = "photo = Image.fromarray(levels.astype(np.uint8))\n"
    if contract.sample_range is not None:
        from_levels = _BY_RANGE + from_levels
    if contract.bands is not None:
        places = [band - 1 for band in contract.bands]
        return f"""\
import tifffile  # pip install tifffile imagecodecs

levels = tifffile.imread(file, key={page})[..., {places}]  # (h, w, bands)
{from_levels}"""
    twice = 2 * contract.size_px
    seek = f"photo.seek({page})\n" if page else ""
    deep = _DEEP + textwrap.indent(from_levels, "    ")
    return f"""\
photo = Image.open(file)
{seek}\
photo.draft(None, ({twice}, {twice}))  # a large JPEG is scaled while it is decoded
block = min(photo.size) // {twice}
is_plain = photo.mode in ("L", "LA", "RGB", "RGBA", "CMYK") and "transparency" not in photo.info
if block > 1 and is_plain:  # so is any other
    photo = photo.reduce(block)
photo = ImageOps.exif_transpose(photo)
{_UPPER_BITS if contract.sample_range is None else deep}"""


_UPPER_BITS = """\
if photo.mode.startswith("I"):  # grey of 16 bits: the upper 8
    levels = np.asarray(photo)
    is_clear = levels == photo.info.get("transparency", -1)
    photo = Image.fromarray(np.where(is_clear, 255, levels >> 8).astype(np.uint8))
"""
_DEEP = """\
if photo.mode.startswith(("I", "F")):  # more than 8 bits a sample
    levels = np.asarray(photo)
"""
# As candid.data.images.samples.
_BY_RANGE = """\
low, high = about["pixels"]["sample_range"]
wide = levels.astype(np.float64 if levels.dtype.itemsize > 2 else np.float32)
levels = ((wide - low) * (255 / (high - low))).clip(0, 255).round()
"""


def _decide(context: SnippetContext) -> str:
    """Lines that choose the label by the decision rule."""
    label = "label = classes[probabilities.argmax()]\n"
    if context.rule.costs:
        label = _BY_COST
    elif context.num_classes == 2:
        label = 'label = classes[int(float(probabilities[1]) > about["rule"]["threshold"])]\n'
    return 'probabilities = answers["probabilities"][0]\n' + label


_BY_COST = """\
costs = 1 - np.eye(len(classes))  # rows: true class, columns: answered class
for row in about["rule"]["costs"]:
    place = classes.index(row["true"]), classes.index(row["predicted"])
    costs[place] = row["cost"]
label = classes[(probabilities @ costs).argmin()]
"""


def _values(context: SnippetContext) -> str:
    """Lines that return the values of `Prediction.to_json`, but path and reason."""
    positive = "by_class[classes[1]]" if context.num_classes == 2 else "None"
    return f"""\
by_class = {{name: round(float(value), 6) for name, value in zip(classes, probabilities)}}
return {{
    "answer": answer,
    "label": label,
    "probability": by_class[label],
    "positive_probability": {positive},
    "probabilities": by_class,
    "verdict": verdict,
    "possible": possible,
    "familiarity": familiarity,
}}
"""


_BLANK = """\
if (pixels == pixels[0, 0, 0]).all():  # one colour alone: there is nothing to see
    answer = verdict = "unknown"
"""

# A run that can't abstain.
_ALWAYS_ANSWER = "answer, verdict, possible, familiarity = label, None, [], None\n"

# candid.models.conformal for one image.
_SHARE = """\
def share(usual, value):  # of held-out photos that were at least as unusual
    return (sum(other >= value for other in usual) + 1) / (len(usual) + 1)
"""

_ABSTAIN = """\
known = about["abstention"]
unusual = zip(classes, known["nonconformity"], 1 - probabilities)
possible = [name for name, usual, value in unusual if share(usual, value) > 1 - known["coverage"]]
familiarity = float(share(known["novelty"], answers["novelty"][0]))
if familiarity <= known["false_alarms"]:
    answer = verdict = "unknown"
elif possible != [label]:
    answer = "uncertain: " + (" or ".join(possible) or f"perhaps {label}")
    verdict = "uncertain"
elif familiarity <= known["sure_above"]:
    answer, verdict = f"uncertain: perhaps {label}", "uncertain"
else:
    answer, verdict = label, "sure"
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
        "POSITIVE": "row[1]" if context.num_classes == 2 else "null",
    }.items():
        code = code.replace(f"«{name}»", value)
    return Snippet("kotlin", "Android (Kotlin)", code)


def _decide_in_kotlin(context: SnippetContext) -> str:
    if context.rule.costs:
        return _BY_COST_IN_KOTLIN
    if context.num_classes == 2:
        return (
            'val threshold = about.getJSONObject("rule").getDouble("threshold")\n'
            "        val label = classes[if (row[1].toDouble() > threshold) 1 else 0]"
        )
    return "val label = classes[row.indices.maxBy { row[it] }]"


_BY_COST_IN_KOTLIN = """\
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
«MATHS»import org.json.JSONArray
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

private const val SIZE = «SIZE»

/**
 * The answer for a photo.
 *
 * [probability] is that of [label]; [positiveProbability], with two classes, that of the second.
 * [verdict] is sure, uncertain or unknown, such as a blank photo; null if the model can't abstain.
 */
data class Answer(
    val label: String,
    val probability: Float,
    val positiveProbability: Float?,
    val probabilities: Map<String, Float>,
    val verdict: String?,
    val possible: List<String>,
)

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

    /** The answer for an upright photo. Not for the UI thread. */
    fun classify(photo: Bitmap): Answer {
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
        val isBlank = colours.all { it == colours[0] } // there is nothing to see
        val image = ByteBuffer.allocateDirect(SIZE * SIZE * 3)
        for (colour in colours) {
            image.put((colour shr 16).toByte()).put((colour shr 8).toByte()).put(colour.toByte())
        }
        image.rewind()
        val probabilities = Array(1) { FloatArray(classes.size) }
        val novelty = FloatArray(1)
        val known = about.optJSONObject("abstention") // null if the model can't abstain
        val outputs = mutableMapOf<String, Any>("probabilities" to probabilities)
        if (known != null) outputs["novelty"] = novelty
        interpreter.runSignature(mapOf<String, Any>("image" to image), outputs, "«SIGNATURE»")
        val row = probabilities[0]
        «DECIDE»
        // candid.models.conformal for one image
        val possible = if (known == null) emptyList<String>() else classes.filterIndexed { i, _ ->
            val usual = known.getJSONArray("nonconformity").getJSONArray(i)
            share(usual, 1 - row[i]) > 1 - known.getDouble("coverage")
        }
        val familiarity = if (known == null) 1.0 else
            share(known.getJSONArray("novelty"), novelty[0])
        val verdict = when {
            isBlank -> "unknown"
            known == null -> null
            familiarity <= known.getDouble("false_alarms") -> "unknown"
            possible == listOf(label) && familiarity > known.getDouble("sure_above") -> "sure"
            else -> "uncertain"
        }
        val byClass = classes.zip(row.toList()).toMap()
        return Answer(label, byClass.getValue(label), «POSITIVE», byClass, verdict, possible)
    }

    /** The share of held-out photos that were at least as unusual. */
    private fun share(usual: JSONArray, value: Float): Double {
        val above = (0 until usual.length()).count { usual.getDouble(it).toFloat() >= value }
        return (above + 1.0) / (usual.length() + 1)
    }

    private fun read(context: Context, asset: String): ByteArray =
        context.assets.open(asset).use { it.readBytes() }
}
"""
