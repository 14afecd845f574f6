// Package lstm predicts with the recurrent network LSTM(units) → Dropout →
// Dense(outputs) and trains it, in Go and assembly alone.
//
// It reads the `.keras` files of Keras 3 and safetensors, writes safetensors,
// and answers as Keras does within 1e-5. A window's answer depends on nothing
// but the window and the weights: not on the batch it came in, nor on the
// number of cores. Training is seeded, repeats bit for bit on one kind of
// processor, and goes on from a checkpoint as if it had never stopped. Files are not
// trusted: what is cut, contradictory or of another shape of network is
// refused with a reason.
//
// It does not know stacked, bidirectional or masked layers, other activations
// or half precision; it scales neither inputs nor targets.
package lstm
