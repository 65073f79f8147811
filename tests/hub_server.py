"""A local server that speaks the hub's protocol, and models like the hub's with random weights.

Inputs, outputs, operator sets, ranks and lengths of embeddings are those of the real exports (but
for ten classes in place of a thousand); between them is as little as takes no time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, DYNAMIC = TensorProto.FLOAT, ("batch_size", "num_channels", "height", "width")


class Hub:
    """What the server has and was asked: files by URL path, and requests in order."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.stated: dict[str, str] = {}  # hashes other than the true ones
        self.address = ""

    def publish(self, model, data: bytes) -> str:
        """Put the file of a `HubModel` up; returns its SHA-256."""
        self.files[f"/{model.repository}/resolve/{model.revision}/{model.file}"] = data
        return hashlib.sha256(data).hexdigest()


@contextmanager
def serve() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            data = hub.files.get(self.path)
            self.send_response(200 if data is not None else 404)
            if data is None:
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
            else:
                sha256 = hub.stated.get(self.path, hashlib.sha256(data).hexdigest())
                self.send_header("X-Repo-Commit", self.path.split("/")[4])
                self.send_header("ETag", f'"{sha256}"')
                self.send_header("X-Linked-Etag", f'"{sha256}"')
                self.send_header("X-Linked-Size", str(len(data)))
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(hub.files.get(self.path, b""))

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        hub.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Draw:
    """A graph under construction, with weights drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, value, name: str) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def drawn(self, *shape: int, name: str) -> str:
        return self.constant(self._random.normal(0, 0.3, shape).astype(np.float32), name)

    def node(self, op: str, *inputs: str, to: str, **attributes) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [to], **attributes))
        return to

    def patches(self, size: int, features: int) -> str:
        """From pixels to tokens ``(n, t, features)``."""
        kernel = self.drawn(features, 3, size, size, name="patch.weight")
        planes = self.node("Conv", "pixel_values", kernel, to="planes", strides=[size, size])
        shape = self.constant(np.array([0, features, -1]), "rows")
        rows = self.node("Reshape", planes, shape, to="flat")
        return self.node("Transpose", rows, to="patches", perm=[0, 2, 1])

    def finish(self, outputs: dict[str, tuple[object, ...]], opset: int) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            [helper.make_tensor_value_info("pixel_values", FLOAT, DYNAMIC)],
            [helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in outputs.items()],
            self.weights,
        )
        imports = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


def draw_dinov2(seed: int = 0) -> bytes:
    draw = _Draw(seed)
    patches = draw.patches(14, 384)
    mean = draw.node("ReduceMean", patches, to="mean", axes=[1], keepdims=1)
    cls = draw.node("Mul", mean, draw.drawn(1, 1, 384, name="cls_token"), to="cls_rows")
    tokens = draw.node("Concat", cls, patches, to="tokens", axis=1)
    centred = draw.node("Sub", tokens, "token_means", to="centred")
    draw.nodes.insert(-1, helper.make_node("ReduceMean", [tokens], ["token_means"], axes=[2]))
    draw.node("Mul", centred, draw.drawn(384, name="layernorm.weight"), to="last_hidden_state")
    shape = ("batch_size", "sequence_length", 384)
    return draw.finish({"last_hidden_state": shape}, opset=14)


def draw_siglip2(seed: int = 0) -> bytes:
    draw = _Draw(seed)
    patches = draw.patches(16, 768)
    draw.node("Neg", patches, to="last_hidden_state")
    axes = draw.constant(np.array([1]), "axes")  # an input from operator set 18 on
    pooled = draw.node("ReduceMax", "last_hidden_state", axes, to="pooled", keepdims=0)
    draw.node("Mul", pooled, draw.drawn(768, name="head.weight"), to="pooler_output")
    shapes = {"last_hidden_state": ("n", "t", 768), "pooler_output": ("n", 768)}
    return draw.finish(shapes, opset=18)


def draw_classifier(features: int, *, opset: int, op: str, seed: int = 0) -> bytes:
    """Like the exports that answer logits; ``op`` is that of the classifier."""
    draw = _Draw(seed)
    kernel = draw.drawn(features, 3, 8, 8, name="stem.weight")
    planes = draw.node("Conv", "pixel_values", kernel, to="planes", strides=[32, 32])
    mean = draw.node("GlobalAveragePool", draw.node("Relu", planes, to="relu"), to="mean")
    rows = draw.node("Flatten", mean, to="/flatten/Flatten_output_0")
    weight, bias = draw.drawn(features, 10, name="c.weight"), draw.drawn(10, name="c.bias")
    if op == "Gemm":
        draw.node("Gemm", rows, weight, bias, to="logits")
    else:
        draw.node("Add", bias, draw.node("MatMul", rows, weight, to="product"), to="logits")
    return draw.finish({"logits": ("batch_size", 10)}, opset=opset)


#: A function that draws each model of the hub, and the tensor that its embedding is.
DRAWN = {
    "dinov2-small": (draw_dinov2, "last_hidden_state"),
    "siglip2-base": (draw_siglip2, "pooler_output"),
    "mobilenetv4-small": (
        lambda seed=0: draw_classifier(1280, opset=14, op="Gemm", seed=seed),
        "/flatten/Flatten_output_0",
    ),
    "convnext-tiny": (
        lambda seed=0: draw_classifier(768, opset=11, op="MatMul", seed=seed),
        "/flatten/Flatten_output_0",
    ),
}
