// Package sagemaker is both ends of a SageMaker endpoint: a server that speaks
// the container contract and the runtime's path, so that one binary is the
// container in AWS and the endpoint inside the pipeline, and a client that asks
// an endpoint through the AWS SDK and is a Predictor.
//
// The server takes nothing on trust: sizes, shapes, types and numbers are
// checked before a model sees them, and a bad body is an answer of 4xx. The
// client never waits longer than it is told, repeats only what is safe to
// repeat, and stops asking for a while when the endpoint is away.
//
// It knows nothing of topics, screens or the lake.
package sagemaker
