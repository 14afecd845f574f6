#!/usr/bin/env python3
"""Trains tapedeck's network with Keras, here or in a SageMaker training job.

    tapedeck train --export set
    python keras_train.py --data set --out model

The set is what `tapedeck train --model lstm` would fit: the same windows, the
same rows held out. What comes out is a model directory as tapedeck's own: the
pipeline asks it once it lies in models/lstm/VERSION of the data directory, under
the version that its manifest says, and `tapedeck models promote lstm` was called.

In a SageMaker training job with a Keras image, give the set as the channel
`training` and this file as the entry point: SM_CHANNEL_TRAINING and SM_MODEL_DIR
name the folders, and SageMaker makes model.tar.gz of what lies in the latter.
Needs Keras 3 with any backend, numpy and safetensors.
"""

import argparse
import hashlib
import json
import math
import os
import pathlib
import time

import keras
import numpy
from safetensors.numpy import save_file

COVERAGE = 0.8  # of the intervals
MAX_TARGET = 5.0  # answers are cut to it, as tapedeck does


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--data", default=os.environ.get("SM_CHANNEL_TRAINING"), help="directory that tapedeck train --export wrote")
    p.add_argument("--out", default=os.environ.get("SM_MODEL_DIR", "model"), help="model directory to write")
    p.add_argument("--units", type=int, default=128)
    p.add_argument("--dropout", type=float, default=0.3)
    p.add_argument("--epochs", type=int, default=8)
    p.add_argument("--batch-size", type=int, default=256)
    p.add_argument("--learning-rate", type=float, default=3e-4)
    p.add_argument("--patience", type=int, default=2)
    a = p.parse_args()
    if not a.data:
        p.error("--data: give the directory that tapedeck train --export wrote")
    return a


def network(steps, features, outputs, a):
    """LSTM → Dropout → Dense; it begins near "no change", which is hard to beat."""
    model = keras.Sequential([
        keras.Input((steps, features)),
        keras.layers.LSTM(a.units, name="lstm"),
        keras.layers.Dropout(a.dropout, name="dropout"),
        keras.layers.Dense(outputs, name="dense"),
    ])
    kernel, bias = model.get_layer("dense").get_weights()
    model.get_layer("dense").set_weights([0.05 * kernel, bias])
    model.compile(keras.optimizers.Adam(a.learning_rate, clipnorm=1.0), keras.losses.Huber(2.0))
    return model


def calibration(horizon, said, relative, returns):
    """Shrinkage by least squares, half the interval by the conformal quantile."""
    square = float(said @ said)
    shrink = min(max(float(said @ relative) / square, 0.0), 1.0) if square > 0 else 0.0
    residuals = numpy.sort(numpy.abs(returns - shrink * said))
    k = math.ceil((len(residuals) + 1) * COVERAGE) - 1
    width = max(float(residuals[min(k, len(residuals) - 1)]), 1e-6)
    return {"horizon": horizon, "shrink": shrink, "width": width, "heldout": len(residuals)}


def main():
    a = arguments()
    data, out = pathlib.Path(a.data), pathlib.Path(a.out)
    manifest = json.loads((data / "manifest.json").read_text())
    x, y, held_x, held_y, held_returns = (
        numpy.load(data / f"{name}.npy") for name in ("fit_windows", "fit_targets", "held_windows", "held_targets", "held_returns"))
    keras.utils.set_random_seed(manifest["seed"])
    began = time.time()
    model = network(x.shape[1], x.shape[2], y.shape[1], a)
    history = model.fit(x, y, validation_data=(held_x, held_y), epochs=a.epochs, batch_size=a.batch_size, verbose=2,
                        callbacks=[keras.callbacks.EarlyStopping(patience=a.patience, restore_best_weights=True)]).history
    said = numpy.clip(model.predict(held_x, batch_size=1024, verbose=0).astype(numpy.float64), -MAX_TARGET, MAX_TARGET)

    kernel, recurrent, bias = model.get_layer("lstm").get_weights()
    dense, dense_bias = model.get_layer("dense").get_weights()
    out.mkdir(parents=True, exist_ok=True)
    weights = out / "weights.safetensors"
    save_file({"lstm/kernel": kernel, "lstm/recurrent_kernel": recurrent, "lstm/bias": bias,
               "dense/kernel": dense, "dense/bias": dense_bias}, weights,
              metadata={"gate_order": "i,f,c,o", "steps": str(x.shape[1]), "dropout": str(a.dropout)})

    manifest["made"] = int(time.time() * 1_000_000)
    manifest["version"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-keras"
    manifest["training"]["seconds"] = round(time.time() - began, 3)
    manifest["calibration"] = [calibration(h, said[:, k], held_y[:, k].astype(numpy.float64), held_returns[:, k].astype(numpy.float64))
                               for k, h in enumerate(manifest["horizons"])]
    manifest["curves"] = [{"train": history["loss"], "validation": history["val_loss"], "best": int(numpy.argmin(history["val_loss"]))}]
    manifest["files"] = {weights.name: hashlib.sha256(weights.read_bytes()).hexdigest()}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{out}: {manifest['version']}")


if __name__ == "__main__":
    main()
