"""The snippet for Android: LiteRT from Kotlin."""

from __future__ import annotations

from candid.exporting.metadata import MANIFEST
from candid.exporting.snippets import Pasted, Snippet


def kotlin_snippet(pasted: Pasted, *, file: str, signature: str) -> Snippet:
    """Write a class for an Android app that labels a bitmap.

    Args:
        pasted: What it is made for.
        file: The model's file, which goes among the app's assets.
        signature: The name of the model's signature.
    """
    fit = pasted.contract.fit
    graphics = ("Bitmap", "Canvas", "Color") if fit == "pad" else ("Bitmap",)
    code = _CLASS
    for name, value in {
        "FILE": file,
        "MANIFEST": MANIFEST,
        "SIGNATURE": signature,
        "GRAPHICS": "\n".join(f"import android.graphics.{name}" for name in graphics),
        "MATHS": "import kotlin.math.roundToInt\n" if fit == "pad" else "",
        "SIZE": str(pasted.contract.size_px),
        "SQUARE": _SQUARES[fit],
        "DECIDE": _decide(pasted),
    }.items():
        code = code.replace(f"«{name}»", value)
    return Snippet("kotlin", "Android (Kotlin)", code)


def _decide(pasted: Pasted) -> str:
    if pasted.rule.costs:
        return _BY_COST
    if pasted.num_classes == 2:
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
        val square = Bitmap.createBitmap(SIZE, SIZE, Bitmap.Config.ARGB_8888)
        val left = ((SIZE - width) / 2).toFloat()
        val top = ((SIZE - height) / 2).toFloat()
        Canvas(square).apply {
            drawColor(Color.WHITE)
            drawBitmap(Bitmap.createScaledBitmap(photo, width, height, true), left, top, null)
        }""",
}

_CLASS = """\
// app/build.gradle.kts: implementation("com.google.ai.edge.litert:litert:1.4.0")
// app/src/main/assets/: «FILE», «MANIFEST»
import android.content.Context
«GRAPHICS»
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
        // Bilinear: halve a photo much larger than SIZE a few times before.
        «SQUARE»
        val colours = IntArray(SIZE * SIZE)
        square.getPixels(colours, 0, SIZE, 0, 0, SIZE, SIZE)
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
