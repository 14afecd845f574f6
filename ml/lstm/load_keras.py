#!/usr/bin/env python3
"""Loads a network written by tapedeck (safetensors) into Keras 3.

    python load_keras.py model.safetensors model.keras

writes it as a .keras file; from Python, `load(path)` gives the keras.Model.
Needs keras with any backend, numpy and safetensors.
"""

import sys

import keras
from safetensors import safe_open


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


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    load(sys.argv[1]).save(sys.argv[2])
