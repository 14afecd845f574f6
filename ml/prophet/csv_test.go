package prophet

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestReadCSV(t *testing.T) {
	for name, text := range map[string]string{
		"plain":    "ds,y\n2024-01-01,1\n2024-01-02,\n2024-01-03,3.5\n",
		"CR":       "ds,y\r2024-01-01,1\r2024-01-02,NaN\r2024-01-03,3.5\r",
		"CRLF":     "ds,y\r\n2024-01-01,1\r\n2024-01-02,NA\r\n2024-01-03,3.5",
		"quoted":   "\"ds\",\"y\"\n\"2024-01-01\",1\n\"2024-01-02\",null\n\"2024-01-03\",\"3.5\"\n",
		"other":    "\ufeffname, y ,ds\na,1,2024-01-01 00:00:00\nb,nan,2024-01-02T00:00:00Z\nc,3.5,2024/01/03\n",
		"american": "ds,y\n01/01/2024,1\n01/02/2024,\n1/3/2024,3.5\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ReadCSV(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Times) != 3 || s.Times[2] != date("2024-01-03") || s.Values[0] != 1 || !math.IsNaN(s.Values[1]) || s.Values[2] != 3.5 || s.Cap != nil {
				t.Errorf("read %v", s)
			}
		})
	}
	s, err := ReadCSV(strings.NewReader("ds,y,cap,floor\n2024-01-01,1,10,-1\n"))
	if err != nil || s.Cap[0] != 10 || s.Floor[0] != -1 {
		t.Errorf("cap and floor: %v, %v", s, err)
	}
}

func TestReadCSVRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "the file is empty",
		"date,close\n2024-01-01,1\n":          "no column ds",
		"ds,value\n2024-01-01,1\n":            "no column y",
		"ds,y,y\n2024-01-01,1,2\n":            "two columns are named y",
		"ds,y\nyesterday,1\n":                 `line 2: ds is "yesterday"`,
		"ds,y\n2024-01-01,1\n2024-01-32,1\n":  `line 3: ds is "2024-01-32"`,
		"ds,y\n0001-01-01,1\n":                "give a year from 1700",
		"ds,y\n2024-01-01,high\n":             `line 2: y is "high"`,
		"ds,y,cap\n2024-01-01,1,x\n":          `line 2: cap is "x"`,
		"ds,y\n2024-01-01\n":                  "wrong number of fields",
		"ds,y\n\"2024-01-01,1\n2024-01-02,2":  "quote",
		"\x00\x01\x02\x03PK\x03\x04,\xff\n\n": "no column ds",
	} {
		if _, err := ReadCSV(strings.NewReader(text)); !errors.Is(err, ErrSeries) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, not one that says %q", text, err, want)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,1\n"))
	f.Add([]byte("ds,y,cap,floor\r2024-01-01,1,9,0\r2024-01-09,NaN,9,0\r"))
	f.Add([]byte("\"ds\",\"y\"\n\"2024-01-01 10:00\",1e308\n1700-01-01,-1e308\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ReadCSV(bytes.NewReader(data))
		if err != nil {
			return
		}
		c := DefaultConfig()
		c.UncertaintySamples = 10
		m, err := Fit(context.Background(), c, s)
		if err != nil {
			return
		}
		future, err := m.MakeFuture(3, mustFrequency("D"))
		if err != nil {
			return
		}
		_, _ = m.Predict(context.Background(), future)
	})
}

func FuzzLoad(f *testing.F) {
	c := DefaultConfig()
	c.UncertaintySamples = 10
	c.Holidays = []Holiday{{Name: "feast", Date: date("2019-01-05"), UpperWindow: 1}}
	var file bytes.Buffer
	if err := fitted(f, c, wave(30, 1)).Save(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Load(bytes.NewReader(data))
		if err != nil {
			return
		}
		m.config.UncertaintySamples = min(m.config.UncertaintySamples, 100)
		future, err := m.MakeFuture(3, mustFrequency("MS"))
		if err != nil {
			return
		}
		_, _ = m.Predict(context.Background(), future)
	})
}
