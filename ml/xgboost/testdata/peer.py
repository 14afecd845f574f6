"""Times the real library on what bench_test.go times: python peer.py (from
this folder, with the package xgboost)."""
import csv
import gzip
import time

import numpy as np
import xgboost as xgb

rows = list(csv.DictReader(gzip.open("train_ref.csv.gz", "rt")))
rows = [r for r in rows if r["split"] == "train"]
x = np.array([[float(r["f%d" % i] or "nan") for i in range(20)] for r in rows], np.float32)
y = np.array([float(r["y"]) for r in rows], np.float32)
random = np.random.default_rng(1)
large = random.normal(size=(100_000, 24)).astype(np.float32)
label = large[:, 0] / 10 + large[:, 1] * large[:, 2]


def best(what, times, task):
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        task()
        took.append(time.perf_counter() - begin)
    print("%-40s best %.2f ms, median %.2f ms" % (what, min(took) * 1e3, sorted(took)[times // 2] * 1e3))


for threads in 2, 1:
    params = dict(max_depth=6, eta=0.1, tree_method="hist", nthread=threads)
    best("train 4,000 x 20, %d threads" % threads, 5, lambda: xgb.train(params, xgb.DMatrix(x, label=y), 100))
    deep = dict(params, max_depth=4, eta=0.05, min_child_weight=100)
    best("train 100,000 x 24, %d threads" % threads, 3, lambda: xgb.train(deep, xgb.DMatrix(large, label=label), 30))
    model = xgb.train(params, xgb.DMatrix(x, label=y), 300)
    best("predict 1,000 x 20, 300 trees, %d threads" % threads, 50, lambda: model.inplace_predict(x[:1000]))
