package xgboost_test

import (
	"context"
	"fmt"
	"log"

	"tapedeck/ml/xgboost"
)

func Example() {
	// The label is the first feature where the second is above 0, else −1.
	data := xgboost.Data{X: xgboost.Matrix{Rows: 200, Cols: 2}, Names: []string{"size", "switch"}}
	for i := range data.X.Rows {
		size, on := float32(i%10), float32(i%3)-1
		label := float32(-1)
		if on > 0 {
			label = size
		}
		data.X.Values = append(data.X.Values, size, on)
		data.Labels = append(data.Labels, label)
	}
	config := xgboost.DefaultConfig()
	config.Rounds = 50
	model, err := xgboost.Train(context.Background(), config, data)
	if err != nil {
		log.Fatal(err)
	}
	x, err := xgboost.NewMatrix([][]float32{{7, 1}, {7, 0}, {2, 1}})
	if err != nil {
		log.Fatal(err)
	}
	out := make([]float32, x.Rows*model.Outputs())
	if err := model.Predict(x, out); err != nil {
		log.Fatal(err)
	}
	for i, p := range out {
		fmt.Printf("%v → %.1f\n", x.Row(i), p)
	}
	for _, f := range model.Importance() {
		fmt.Printf("%s: %d splits\n", f.Name, f.Splits)
	}
	// Output:
	// [7 1] → 7.0
	// [7 0] → -1.0
	// [2 1] → 2.0
	// switch: 33 splits
	// size: 163 splits
}
