package xgboost

import (
	"errors"
	"fmt"
)

// link is how margins become predictions.
type link uint8

const (
	identity    link = iota
	logistic         // 1/(1+exp(−x))
	exponential      // exp(x)
	hinge            // 1 where x > 0, else 0
	softprob         // probabilities of the classes
	softmax          // number of the likeliest class
)

// objective is what of a model's objective matters for prediction.
type objective struct {
	link link
	base base
}

// base is how the stored base_score becomes the margin that a row starts at.
type base uint8

const (
	baseRaw   base = iota // as stored
	baseLogit             // −log(1/b − 1)
	baseLog               // log(b)
)

// objectives are those whose predictions are known to equal the library's.
var objectives = map[string]objective{
	"reg:squarederror":     {identity, baseRaw},
	"reg:linear":           {identity, baseRaw}, // the old name of squarederror
	"reg:squaredlogerror":  {identity, baseRaw},
	"reg:pseudohubererror": {identity, baseRaw},
	"reg:absoluteerror":    {identity, baseRaw},
	"reg:quantileerror":    {identity, baseRaw},
	"reg:logistic":         {logistic, baseLogit},
	"binary:logistic":      {logistic, baseLogit},
	"binary:logitraw":      {identity, baseRaw},
	"binary:hinge":         {hinge, baseRaw},
	"count:poisson":        {exponential, baseLog},
	"reg:gamma":            {exponential, baseLog},
	"reg:tweedie":          {exponential, baseLog},
	"survival:cox":         {exponential, baseLog},
	"survival:aft":         {exponential, baseLog},
	"rank:pairwise":        {identity, baseRaw},
	"rank:ndcg":            {identity, baseRaw},
	"rank:map":             {identity, baseRaw},
	"multi:softprob":       {softprob, baseRaw},
	"multi:softmax":        {softmax, baseRaw},
}

// margin is where a row's sum starts for a stored base_score.
func (b base) margin(score float32) (float32, error) {
	switch b {
	case baseLogit:
		if !(score > 0 && score < 1) {
			return 0, fmt.Errorf("base_score %v is not a probability between 0 and 1", score)
		}
		return -logf(1/score - 1), nil
	case baseLog:
		if !(score > 0) {
			return 0, fmt.Errorf("base_score %v is not above 0", score)
		}
		return logf(score), nil
	}
	return score, nil
}

// sigmoid is libxgboost's, float32 with the argument of exp bounded.
func sigmoid(x float32) float32 {
	x = -x
	if x > 88.7 {
		x = 88.7
	}
	return 1 / (expf(x) + 1 + 1e-16)
}

// apply turns one row of margins into predictions, in place; softmax leaves
// the class in row[0].
func (l link) apply(row []float32) {
	switch l {
	case logistic:
		for i, x := range row {
			row[i] = sigmoid(x)
		}
	case exponential:
		for i, x := range row {
			row[i] = expf(x)
		}
	case hinge:
		for i, x := range row {
			row[i] = 0
			if x > 0 {
				row[i] = 1
			}
		}
	case softprob:
		most := row[0]
		for _, x := range row[1:] {
			most = max(most, x)
		}
		var sum float64
		for i, x := range row {
			row[i] = expf(x - most)
			sum += float64(row[i])
		}
		for i := range row {
			row[i] /= float32(sum)
		}
	case softmax:
		best := 0
		for i, x := range row {
			if x > row[best] {
				best = i
			}
		}
		row[0] = float32(best)
	}
}

func readObjective(learner object) (string, objective, error) {
	o, err := learner.object("objective")
	if err != nil {
		return "", objective{}, err
	}
	name, err := o.text("name")
	if err != nil {
		return "", objective{}, fmt.Errorf("objective: %w", err)
	}
	known, ok := objectives[name]
	if !ok {
		return "", objective{}, fmt.Errorf("the objective %q is %w", clip(name), errors.ErrUnsupported)
	}
	return name, known, nil
}
