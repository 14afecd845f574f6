#!/usr/bin/env python3
"""Takes networks from tapedeck's safetensors to Keras 3 and back.

    python load_keras.py model.safetensors model.keras
    python load_keras.py model.keras model.safetensors

From Python, `load(path)` gives the keras.Model and `save(model, path)` writes
one that was trained in Keras. Needs keras with any backend, numpy and
safetensors.
"""

import sys

import keras
import numpy
from safetensors import safe_open
from safetensors.numpy import save_file


def load(path, steps=None):
    """The network as a keras.Sequential, not compiled.

    steps is needed only for files that do not say how many rows a window has;
    without either, the model takes windows of any length.
    """
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if metadata.get("gate_order", "i,f,c,o") != "i,f,c,o":
        raise ValueError(f"{path}: gates are in the order {metadata['gate_order']}, want i,f,c,o")
    kernel, dense = tensors["lstm/kernel"], tensors["dense/kernel"]
    model = keras.Sequential([
        keras.Input((steps or int(metadata.get("steps", 0)) or None, kernel.shape[0])),
        keras.layers.LSTM(dense.shape[0], name="lstm"),
        keras.layers.Dropout(float(metadata.get("dropout", 0)), name="dropout"),
        keras.layers.Dense(dense.shape[1], name="dense"),
    ])
    model.get_layer("lstm").set_weights(
        [kernel, tensors["lstm/recurrent_kernel"], tensors["lstm/bias"]])
    model.get_layer("dense").set_weights([dense, tensors["dense/bias"]])
    return model


def save(model, path):
    """Writes LSTM -> Dropout -> Dense, where Dropout may be missing."""
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    classes = [type(layer).__name__ for layer in layers]
    if classes not in (["LSTM", "Dropout", "Dense"], ["LSTM", "Dense"]):
        raise ValueError(f"the layers are {classes}, want LSTM, Dropout and Dense")
    lstm, dense = layers[0], layers[-1]
    names = ("lstm/kernel", "lstm/recurrent_kernel", "lstm/bias", "dense/kernel", "dense/bias")
    tensors = {
        name: numpy.ascontiguousarray(weights, dtype="float32")
        for name, weights in zip(names, lstm.get_weights() + dense.get_weights(), strict=True)
    }
    save_file(tensors, path, metadata={
        "format": "keras",
        "gate_order": "i,f,c,o",
        "steps": str(model.input_shape[1] or 0),
        "dropout": str(layers[1].rate if len(layers) == 3 else 0),
    })


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if sys.argv[1].endswith(".keras"):
        save(keras.models.load_model(sys.argv[1], compile=False), sys.argv[2])
    else:
        load(sys.argv[1]).save(sys.argv[2])
