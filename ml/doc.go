// Package ml forecasts the returns of the next minutes with an 80 % interval:
// the forms in which a model is asked, kept in a directory, trained, scored
// against forecasts that know nothing, and watched while it is in use.
//
// Training and live use share the features (ml/features) and no score here
// looks ahead: models are judged only on what came after they were made. It
// promises no skill: prices are close to a random walk, and the scores say
// with an interval whether a model was better than "no change".
//
// It knows nothing of HTTP or endpoints (ml/sagemaker), topics or lakes.
package ml
