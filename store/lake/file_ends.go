package lake

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// EndsKey is the key, in the metadata of a merged file of ticks, of the offsets
// below which all its rows lie. A reader whose manifest is not older than
// that need not look at the place of every row. Files of versions that did not
// write it yet lack it.
const EndsKey = "tapedeck_ends"

// FormatEnds writes a file's ends as they stand under EndsKey: a JSON list of
// topic, partition and offset.
func FormatEnds(ends []Position) string {
	list := make([][3]int64, len(ends))
	for i, e := range ends {
		list[i] = [3]int64{int64(e.Topic), int64(e.Partition), e.Offset}
	}
	text, _ := json.Marshal(list) // of numbers, which cannot fail
	return string(text)
}

// ParseEnds reads what FormatEnds wrote.
func ParseEnds(text string) ([]Position, error) {
	var list [][3]int64
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read the ends of a merged file: %w", err)
	}
	ends := make([]Position, len(list))
	for i, e := range list {
		ends[i] = Position{int(e[0]), int32(e[1]), e[2]}
	}
	return ends, nil
}

// Covers says that all rows of a file with these ends lie below Merged, and so
// count without a look at their places.
func (s *Snapshot) Covers(ends []Position) bool {
	type chain struct {
		topic     int
		partition int32
	}
	merged := make(map[chain]int64, len(s.Merged))
	for _, m := range s.Merged {
		merged[chain{m.Topic, m.Partition}] = m.Offset
	}
	for _, e := range ends {
		if e.Offset > merged[chain{e.Topic, e.Partition}] {
			return false
		}
	}
	return true
}

// ends asks which ends the rows of some queries have.
func (w *merger) ends(ctx context.Context, queries ...string) ([]Position, error) {
	rows, err := w.db.QueryContext(ctx, fmt.Sprintf(`SELECT %[1]s, "partition", max("offset") + 1 FROM (%[2]s) GROUP BY 1, 2 ORDER BY 1, 2`,
		Place, strings.Join(queries, " UNION ALL ")))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ends []Position
	for rows.Next() {
		var e Position
		if err := rows.Scan(&e.Topic, &e.Partition, &e.Offset); err != nil {
			return nil, err
		}
		ends = append(ends, e)
	}
	return ends, rows.Err()
}
