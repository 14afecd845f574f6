package store

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Chunk is some rows of a result, by column, as they lie in DuckDB's memory: for
// readers of many millions of rows, to whom a value of its own for each field
// costs more than the query. It is valid until the next call of NextChunk and
// no longer than its Rows are open. The columns hold no NULL.
type Chunk struct {
	chunk   mapping.DataChunk
	types   []mapping.Type
	rows    int
	columns []unsafe.Pointer
}

// NextChunk steps to the next rows, some thousands at a time; nil at the end or
// on an error, see Err. It is used instead of Next, of a query with a Limit.
func (r *Rows) NextChunk() *Chunk {
	if r.done || r.err != nil {
		return nil
	}
	if r.chunk == nil {
		if r.spooled || r.rows == nil {
			r.err = errors.New("rows by chunks need a limit")
			return nil
		}
		res, ok := resultOf(r.rows)
		if !ok {
			r.err = errors.New("this version of the database's driver hides its results")
			return nil
		}
		r.chunk = &Chunk{types: make([]mapping.Type, len(r.columns)), columns: make([]unsafe.Pointer, len(r.columns))}
		for i := range r.columns {
			r.chunk.types[i] = mapping.ColumnType(res, mapping.IdxT(i))
		}
	}
	r.chunk.free()
	res, _ := resultOf(r.rows)
	c := r.chunk
	if c.chunk = mapping.FetchChunk(*res); c.chunk.Ptr == nil {
		r.done = true
		return nil
	}
	c.rows = int(mapping.DataChunkGetSize(c.chunk))
	for i := range c.columns {
		vector := mapping.DataChunkGetVector(c.chunk, mapping.IdxT(i))
		if valid := (*uint64)(mapping.VectorGetValidity(vector)); valid != nil && !allSet(unsafe.Slice(valid, (c.rows+63)/64), c.rows) {
			r.err = fmt.Errorf("column %s has NULL, which rows by chunks cannot hold", r.columns[i].Name)
			return nil
		}
		c.columns[i] = mapping.VectorGetData(vector)
	}
	r.given += c.rows
	return c
}

func (c *Chunk) free() {
	if c != nil {
		mapping.DestroyDataChunk(&c.chunk)
	}
}

// allSet says whether the first n bits are set.
func allSet(words []uint64, n int) bool {
	for i, word := range words {
		if rest := n - 64*i; rest < 64 {
			word |= ^uint64(0) << rest
		}
		if word != ^uint64(0) {
			return false
		}
	}
	return true
}

// Len is how many rows the chunk has.
func (c *Chunk) Len() int { return c.rows }

// Int64s are the values of a BIGINT column.
func (c *Chunk) Int64s(column int) []int64 { return chunkColumn[int64](c, column, mapping.TypeBigInt) }

// Int32s are the values of an INTEGER column.
func (c *Chunk) Int32s(column int) []int32 { return chunkColumn[int32](c, column, mapping.TypeInteger) }

// Float64s are the values of a DOUBLE column.
func (c *Chunk) Float64s(column int) []float64 {
	return chunkColumn[float64](c, column, mapping.TypeDouble)
}

// Strings are the values of a VARCHAR column.
func (c *Chunk) Strings(column int) []Text { return chunkColumn[Text](c, column, mapping.TypeVarchar) }

// chunkColumn panics where the column is of another type: the query says which it is.
func chunkColumn[T any](c *Chunk, column int, want mapping.Type) []T {
	if c.types[column] != want {
		panic(fmt.Sprintf("column %d is of type %d, not %d", column, c.types[column], want))
	}
	return unsafe.Slice((*T)(c.columns[column]), c.rows)
}

// Text is a text in a Chunk. Texts of up to 12 bytes are equal where their Texts are.
type Text struct {
	length uint32
	prefix [4]byte
	rest   uint64 // of the bytes, or the address of all
}

// textInline is the longest text that lies in a Text itself.
const textInline = 12

// Short says whether the text lies in the Text itself.
func (t *Text) Short() bool { return t.length <= textInline }

// String is a copy of the text.
func (t *Text) String() string {
	if t.Short() {
		return string(unsafe.Slice(&t.prefix[0], t.length))
	}
	return strings.Clone(unsafe.String(*(**byte)(unsafe.Pointer(&t.rest)), t.length))
}

// resultOf is DuckDB's own result, which the driver keeps to itself; ok is
// false where a newer driver keeps it elsewhere.
func resultOf(rows any) (res *mapping.Result, ok bool) {
	v := reflect.ValueOf(rows)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, false
	}
	field := v.Elem().FieldByName("res")
	if !field.IsValid() || field.Type() != reflect.TypeFor[mapping.Result]() {
		return nil, false
	}
	return (*mapping.Result)(unsafe.Pointer(field.UnsafeAddr())), true
}
