package store_test

import (
	"bytes"
	"testing"

	"tapedeck/store"
)

func TestWriters(t *testing.T) {
	l := openLake(t, t.TempDir())
	db := openDB(t, store.Config{Lake: l})
	const sql = `SELECT 1 AS a, 'x,"y"' AS b, NULL AS c, '' AS d, TIMESTAMP '2026-11-20 14:30:00' AS t, [1, 2] AS l,
 {'k': 'v', 'a': 1} AS s, MAP {'m': 2} AS m, 1.5::DOUBLE AS f, 12345678.0::DOUBLE AS g, DATE '2026-01-02' AS dt, 1.20::DECIMAL(5,2) AS dec, '\xAB\x01'::BLOB AS bl, true AS bo, [NULL, 3] AS n`
	run := func(limit int) *store.Rows {
		rows, err := db.Query(t.Context(), sql, store.Options{Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { rows.Close() })
		return rows
	}
	var b bytes.Buffer
	if err := store.WriteCSV(t.Context(), run(0), &b); err != nil {
		t.Fatal(err)
	}
	const csv = "a,b,c,d,t,l,s,m,f,g,dt,dec,bl,bo,n\n" +
		`1,"x,""y""",,"",2026-11-20 14:30:00.000,"[1, 2]","{k=v, a=1}",{m=2},1.5,1.2345678E7,2026-01-02,1.20,ab 01,true,"[null, 3]"` + "\n"
	if b.String() != csv {
		t.Errorf("CSV\n%s\nwant\n%s", b.String(), csv)
	}
	b.Reset()
	if err := store.WriteJSON(t.Context(), run(5), &b); err != nil {
		t.Fatal(err)
	}
	const js = `{"a":1,"b":"x,\"y\"","c":null,"d":"","t":"2026-11-20T14:30:00Z","l":[1,2],"s":{"a":1,"k":"v"},"m":{"m":2},"f":1.5,"g":12345678,"dt":"2026-01-02","dec":1.20,"bl":"qwE=","bo":true,"n":[null,3]}` + "\n"
	if b.String() != js {
		t.Errorf("JSON\n%s\nwant\n%s", b.String(), js)
	}
	b.Reset()
	if err := store.WriteTable(t.Context(), run(0), &b); err != nil || !bytes.Contains(b.Bytes(), []byte("(1 row)")) {
		t.Errorf("table: %v\n%s", err, b.String())
	}
	b.Reset()
	if err := store.WriteParquet(t.Context(), run(0), &b); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b.Bytes(), []byte("PAR1")) {
		t.Error("no Parquet file")
	}
}

func TestLimitAndTotal(t *testing.T) {
	l := openLake(t, t.TempDir())
	db := openDB(t, store.Config{Lake: l})
	for limit, want := range map[int]int{0: 200_000, 10: 10} {
		rows, err := db.Query(t.Context(), "SELECT range AS n FROM range(200000) ORDER BY n DESC", store.Options{Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			if got := rows.Values()[0].(int64); got != int64(199_999-n) {
				t.Fatalf("row %d is %d", n, got)
			}
			n++
		}
		total, err := rows.Total(t.Context())
		if n != want || total != 200_000 || rows.More() != (limit > 0) || err != nil || rows.Err() != nil {
			t.Errorf("limit %d: %d rows of %d, more %v, %v", limit, n, total, rows.More(), err)
		}
		rows.Close()
	}
}
