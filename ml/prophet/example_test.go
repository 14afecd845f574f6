package prophet_test

import (
	"context"
	"fmt"
	"math"
	"time"

	"tapedeck/ml/prophet"
	"tapedeck/pipeline/market"
)

// A year of a series that grows by 1 a day and swings by 10 over the week.
func Example() {
	var s prophet.Series
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 365 {
		s.Times = append(s.Times, market.At(start.AddDate(0, 0, i)))
		s.Values = append(s.Values, 100+float64(i)+10*math.Sin(2*math.Pi*float64(i)/7)+math.Cos(float64(i*i)))
	}
	model, err := prophet.Fit(context.Background(), prophet.DefaultConfig(), s)
	if err != nil {
		fmt.Println(err)
		return
	}
	days, err := prophet.ParseFrequency("D")
	if err != nil {
		fmt.Println(err)
		return
	}
	future, err := model.MakeFuture(3, days)
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := model.Predict(context.Background(), future)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, t := range f.Times {
		fmt.Printf("%s trend %.0f, %.0f\n", t.Std().Format("Mon 2006-01-02"), f.Trend[i], f.Yhat[i])
	}
	// Output:
	// Tue 2024-12-31 trend 465, 473
	// Wed 2025-01-01 trend 466, 476
	// Thu 2025-01-02 trend 467, 471
}
