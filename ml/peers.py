"""Times the real libraries on the work of this folder's benchmarks: make bench-peers.

Each is optional: pip install xgboost prophet torch onnxruntime onnx keras tensorflow-cpu
"""

import csv
import gzip
import importlib
import logging
import os
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")
logging.disable(logging.ERROR)
HERE = os.path.dirname(os.path.abspath(__file__))
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
BATCH, STEPS, FEATURES, UNITS = 1000, 60, 8, 128


def best(what, times, task, per=None):
    """Prints the best and the median of some runs; per is how many samples one is."""
    task()
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        task()
        took.append(time.perf_counter() - begin)
    least, median = min(took), sorted(took)[times // 2]
    rate = "" if per is None else ", %.0f samples/s at best" % (per / least)
    print("%-58s best %8.2f ms, median %8.2f ms%s" % (what, least * 1e3, median * 1e3, rate), flush=True)


def rows(*path):
    with gzip.open(os.path.join(HERE, *path), "rt") as f:
        return list(csv.DictReader(f))


def xgboost(np, xgb):
    list = [r for r in rows("xgboost", "testdata", "train_ref.csv.gz") if r["split"] == "train"]
    x = np.array([[float(r["f%d" % i] or "nan") for i in range(20)] for r in list], np.float32)
    y = np.array([float(r["y"]) for r in list], np.float32)
    random = np.random.default_rng(1)
    large = random.normal(size=(100_000, 24)).astype(np.float32)
    label = large[:, 0] / 10 + large[:, 1] * large[:, 2]
    params = dict(max_depth=6, eta=0.1, tree_method="hist", nthread=THREADS)
    deep = dict(params, max_depth=4, eta=0.05, min_child_weight=100)
    model = xgb.train(params, xgb.DMatrix(x, label=y), 300)
    best("BenchmarkPredict: 1,000 x 20, 300 trees", 50, lambda: model.inplace_predict(x[:1000]))
    best("BenchmarkTrain: 4,000 x 20, 100 rounds", 5, lambda: xgb.train(params, xgb.DMatrix(x, label=y), 100))
    best("BenchmarkTrainLarge: 100,000 x 24, 30 rounds", 3, lambda: xgb.train(deep, xgb.DMatrix(large, label=label), 30))


def prophet(np, library):
    import pandas as pd

    # what was forecast beyond the history has no y
    list = [r for r in rows("prophet", "testdata", "peyton_default.csv.gz") if r["y"]]
    history = pd.DataFrame({"ds": pd.to_datetime([r["ds"] for r in list]), "y": [float(r["y"]) for r in list]})
    best("BenchmarkFitPeyton", 5, lambda: library.Prophet().fit(history))


def torch(np, library):
    library.set_num_threads(THREADS)

    class Network(library.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = library.nn.LSTM(FEATURES, UNITS, batch_first=True)
            self.dropout, self.dense = library.nn.Dropout(0.3), library.nn.Linear(UNITS, 1)

        def forward(self, x):
            return self.dense(self.dropout(self.lstm(x)[0][:, -1]))

    network = Network()
    x = library.randn(BATCH, STEPS, FEATURES)
    with library.inference_mode():
        network.eval()
        best("BenchmarkPredict: LSTM(128), 1,000 x 60 x 8", 20, lambda: network(x))
    network.train()
    optimiser = library.optim.Adam(network.parameters())
    part, target = library.randn(256, STEPS, FEATURES), library.randn(256, 1)

    def step():
        optimiser.zero_grad()
        library.nn.functional.mse_loss(network(part), target).backward()
        optimiser.step()

    best("BenchmarkTrain: a step on 256 windows", 20, step, 256)


def keras(np, library):
    network = library.Sequential([library.Input((STEPS, FEATURES)), library.layers.LSTM(UNITS),
                                  library.layers.Dropout(0.3), library.layers.Dense(1)])
    network.compile("adam", "mse")
    x = np.random.default_rng(1).normal(size=(BATCH, STEPS, FEATURES)).astype(np.float32)
    best("BenchmarkPredict: LSTM(128), 1,000 x 60 x 8", 10, lambda: network.predict(x, batch_size=BATCH, verbose=0))
    part, target = x[:256], np.zeros((256, 1), np.float32)
    best("BenchmarkTrain: a step on 256 windows", 10, lambda: network.train_on_batch(part, target), 256)


def onnxruntime(np, library):
    onnx = importlib.import_module("onnx")
    random = np.random.default_rng(1)

    def weights(name, *shape):
        return onnx.numpy_helper.from_array((random.normal(size=shape) / 10).astype(np.float32), name)

    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], hidden_size=UNITS),
         onnx.helper.make_node("Squeeze", ["h", "axes"], ["last"]),
         onnx.helper.make_node("MatMul", ["last", "dense"], ["y"])],
        "lstm", [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [STEPS, BATCH, FEATURES])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [BATCH, 1])],
        [weights("w", 1, 4 * UNITS, FEATURES), weights("r", 1, 4 * UNITS, UNITS), weights("dense", UNITS, 1),
         onnx.numpy_helper.from_array(np.array([0], np.int64), "axes")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    options = library.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = library.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = random.normal(size=(STEPS, BATCH, FEATURES)).astype(np.float32)
    best("BenchmarkPredict: LSTM(128), 1,000 x 60 x 8", 20, lambda: session.run(None, {"x": x}))


def main():
    print("the real libraries, %d threads" % THREADS)
    missing = []
    for peer in xgboost, prophet, torch, onnxruntime, keras:
        name = peer.__name__
        try:
            library = importlib.import_module(name)
            print("\n%s %s" % (name, library.__version__))
            peer(importlib.import_module("numpy"), library)
        except Exception as e:  # whatever a library of another release says
            missing.append(name)
            print("\n%s is not measured: %s" % (name, e))
    if missing:
        print("\nfor what is missing: python3 -m venv V && V/bin/pip install xgboost prophet torch onnxruntime onnx keras tensorflow-cpu")
        print("and then make bench-peers PYTHON=V/bin/python")


main()
