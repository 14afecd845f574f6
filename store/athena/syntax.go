package athena

// The syntax tree of a statement. Every node knows the byte of the statement
// where it begins, for errors.

type node int

func (n node) at() int { return int(n) }

type expression interface{ at() int }

type ident struct {
	text   string // as written, without quotes
	quoted bool
}

type (
	reference struct { // a, t.a, r.f
		node
		parts []ident
	}
	literal struct { // kind is number, text, binaryText, or word for TRUE, FALSE, NULL
		node
		kind tokenKind
		text string
	}
	typedLiteral struct { // DATE '…', TIMESTAMP '…', DECIMAL '…'
		node
		typ  *dataType
		text string
	}
	intervalLiteral struct {
		node
		negative bool
		text     string
		from, to string
	}
	unary struct { // + - NOT
		node
		op string
		x  expression
	}
	operation struct { // AND OR + - * / % || = <> < <= > >=
		node
		op   string
		l, r expression
	}
	between struct {
		node
		x, low, high expression
		not          bool
	}
	inList struct {
		node
		x    expression
		list []expression
		sub  *query
		not  bool
	}
	like struct {
		node
		x, pattern, escape expression
		not                bool
	}
	isNull struct {
		node
		x   expression
		not bool
	}
	isDistinct struct {
		node
		l, r expression
		not  bool
	}
	quantified struct { // x = ANY (…)
		node
		op  string
		all bool
		x   expression
		sub *query
	}
	exists struct {
		node
		sub *query
	}
	subquery struct {
		node
		q *query
	}
	when      struct{ condition, result expression }
	searching struct { // CASE
		node
		operand   expression
		whens     []when
		otherwise expression
	}
	conversion struct { // CAST, TRY_CAST
		node
		x   expression
		typ *dataType
		try bool
	}
	call struct {
		node
		name     string // lower case
		star     bool
		distinct bool
		args     []expression
		order    []sortItem // inside of the parentheses, or WITHIN GROUP
		filter   expression
		nulls    string // IGNORE or RESPECT
		over     *window
		overName string
		options  map[string]string // of JSON functions, LISTAGG, TRIM
	}
	lambda struct {
		node
		params []string
		body   expression
	}
	arrayOf struct {
		node
		items []expression
	}
	rowOf struct {
		node
		items []expression
	}
	subscript struct {
		node
		x, index expression
	}
	field struct {
		node
		x    expression
		name ident
	}
	atZone struct {
		node
		x, zone expression
	}
)

type sortItem struct {
	x          expression
	descending bool
	nullsFirst bool
}

type window struct {
	node
	base      string // a named window that it extends
	partition []expression
	order     []sortItem
	frame     *frame
}

type frame struct {
	unit     string // ROWS, RANGE, GROUPS
	from, to bound
}

type bound struct {
	kind string // UNBOUNDED PRECEDING, PRECEDING, CURRENT ROW, FOLLOWING, UNBOUNDED FOLLOWING
	x    expression
}

type query struct {
	node
	recursive bool
	with      []commonTable
	body      queryBody
	order     []sortItem
	offset    expression
	limit     expression
}

type commonTable struct {
	node
	name    string
	columns []ident
	q       *query
}

type queryBody interface{ at() int }

type (
	selectBody struct {
		node
		distinct bool
		items    []selectItem
		from     relation // nil without FROM
		where    expression
		groupBy  []grouping
		grouped  bool // GROUP BY is there
		having   expression
		windows  []namedWindow
	}
	setBody struct {
		node
		op   string // UNION, INTERSECT, EXCEPT
		all  bool
		l, r queryBody
	}
	valuesBody struct {
		node
		rows []expression
	}
	tableBody struct {
		node
		name []ident
	}
	nestedBody struct {
		node
		q *query
	}
)

type selectItem struct {
	node
	star    bool
	of      expression // t.* or r.*
	aliases []ident    // of r.*
	x       expression
	alias   *ident
}

type grouping struct {
	node
	kind string // "" a plain expression, SETS, CUBE, ROLLUP
	sets [][]expression
}

type namedWindow struct {
	name string
	w    *window
}

type relation interface{ at() int }

type (
	tableRelation struct {
		node
		name []ident
	}
	queryRelation struct {
		node
		q       *query
		lateral bool
	}
	unnestRelation struct {
		node
		items      []expression
		ordinality bool
	}
	aliased struct {
		node
		x       relation
		name    ident
		columns []ident
	}
	sampled struct {
		node
		x       relation
		method  string
		percent expression
	}
	join struct {
		node
		kind  string // CROSS, INNER, LEFT, RIGHT, FULL
		l, r  relation
		on    expression
		using []ident
	}
)

type statement interface{ at() int }

type (
	queryStatement   struct{ *query }
	explainStatement struct {
		node
		analyze bool
		q       *query
	}
	showStatement struct {
		node
		what string // TABLES, COLUMNS, PARTITIONS, CREATE TABLE, SCHEMAS, CATALOGS, FUNCTIONS
		name []ident
		like string
	}
)
