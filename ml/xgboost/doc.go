// Package xgboost predicts with gradient-boosted trees written by the XGBoost
// library and trains such trees itself, in Go alone.
//
// It reads what `save_model` writes (JSON and UBJSON, versions 1 to 3;
// boosters gbtree and dart; numeric and categorical splits) and its margins
// are those of libxgboost bit for bit in float32. Files are not trusted:
// what is cut, contradictory or not understood is refused with a reason,
// never guessed at. Train grows the library's histogram trees, the same for
// the same data, and Model.WriteJSON writes a file that libxgboost loads and
// predicts the same from.
//
// It does not read gblinear models, trees with vector leaves or the old
// binary format, and does not train on categories.
package xgboost
