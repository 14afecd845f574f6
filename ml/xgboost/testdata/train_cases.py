"""Writes train_cases.json.gz: what the real library trains on small data.

Run with xgboost 3.2.0: python train_cases.py
"""
import gzip
import json

import numpy as np
import xgboost as xgb

random = np.random.default_rng(7)
cases = []


def case(name, rows, features, missing=0.0, weighted=False, binary=False, mixed=False, rounds=10, **params):
    x = np.round(random.normal(size=(rows, features)), 3).astype(np.float32)
    if mixed:  # few values, one value, sorted, none, wide
        x[:, 0] = np.round(x[:, 0])
        x[:, 1] = 1
        x[:, 2] = np.sort(x[:, 2])
        x[:, 3] = np.nan
        x[:, 4] = np.exp(5 * x[:, 4])
    s = np.nan_to_num(x)
    y = np.round(2 * s[:, 0] + 3 * np.sin(3 * s[:, 1 % features]) + s[:, 2 % features] * s[:, -1] + random.normal(size=rows), 3)
    x[random.random(x.shape) < missing] = np.nan
    if binary:
        y = (y > 0).astype(np.float32)
    w = np.round(random.random(rows) * 2, 2).astype(np.float32) if weighted else None
    data = xgb.DMatrix(x, label=y.astype(np.float32), weight=w)
    booster = xgb.train(dict(params, tree_method="hist", nthread=1), data, rounds)
    text = lambda a: None if a is None else ["%.9g" % v for v in np.asarray(a, np.float32).ravel()]
    cases.append(dict(name=name, rows=rows, features=features, rounds=rounds, params=params,
                      x=text(x), y=text(y), w=text(w), margin=text(booster.predict(data, output_margin=True))))


case("plain", 600, 6)
case("missing", 600, 6, missing=0.2)
case("binary", 600, 5, missing=0.1, binary=True, objective="binary:logistic", eta=0.1)
case("mixed", 500, 8, mixed=True)
case("wide", 1500, 3, max_bin=600, max_depth=8, missing=0.05)
case("weights", 800, 4, weighted=True, missing=0.1)
case("penalties", 600, 5, missing=0.1, alpha=2.0, gamma=1.5, min_child_weight=6.0, **{"lambda": 3.0})
case("free", 200, 4, min_child_weight=0.0, **{"lambda": 0.0})
case("few bins", 400, 5, max_bin=4)
case("sketched", 3000, 1, max_bin=16, rounds=5)
case("quantile", 400, 4, objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9])
case("base", 200, 3, base_score=2.5)
case("one row", 1, 3)
with gzip.GzipFile("train_cases.json.gz", "wb", mtime=0) as f:
    f.write(json.dumps(dict(xgboost=xgb.__version__, cases=cases)).encode())
