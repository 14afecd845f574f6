package athena

// scalarSignatures are the functions that a line of DuckDB's SQL gives, with
// the macros of setup.go and the functions of register.go.
const scalarSignatures = `
	length(varchar) bigint = length($1)
	length(varbinary) bigint = octet_length($1)
	upper(varchar) varchar = upper($1)
	lower(varchar) varchar = lower($1)
	ltrim(varchar) varchar = ltrim($1, trino_spaces())
	ltrim(varchar, varchar) varchar = ltrim($1, $2)
	rtrim(varchar) varchar = rtrim($1, trino_spaces())
	rtrim(varchar, varchar) varchar = rtrim($1, $2)
	reverse(varchar) varchar = trino_reverse($1)
	reverse(varbinary) varbinary = trino_reverse_binary($1)
	reverse(array(T)) array(T) = list_reverse($1)
	replace(varchar, varchar) varchar = trino_replace($1, $2, '')
	replace(varchar, varchar, varchar) varchar = trino_replace($1, $2, $3)
	substr|substring(varchar, bigint) varchar = trino_substr($1, $2)
	substr|substring(varchar, bigint, bigint) varchar = trino_substr3($1, $2, $3)
	substr(varbinary, bigint) varbinary = trino_binary_substr($1, $2, 1000000000)
	substr(varbinary, bigint, bigint) varbinary = trino_binary_substr($1, $2, $3)
	strpos(varchar, varchar) bigint = strpos($1, $2)
	strpos(varchar, varchar, bigint) bigint = trino_strpos($1, $2, $3)
	split(varchar, varchar) array(varchar) = trino_split($1, $2, 2147483647)
	split(varchar, varchar, bigint) array(varchar) = trino_split($1, $2, $3)
	split_part(varchar, varchar, bigint) varchar = trino_split_part($1, $2, $3)
	split_to_map(varchar, varchar, varchar) map(varchar, varchar) = trino_pairs_map(trino_split_pairs($1, $2, $3))
	split_to_multimap(varchar, varchar, varchar) map(varchar, array(varchar)) = trino_multimap_agg(trino_pairs(trino_split_pairs($1, $2, $3)))
	lpad(varchar, bigint, varchar) varchar = lpad($1, CAST($2 AS INTEGER), trino_padding($3))
	rpad(varchar, bigint, varchar) varchar = rpad($1, CAST($2 AS INTEGER), trino_padding($3))
	chr(bigint) varchar = chr(CAST($1 AS INTEGER))
	codepoint(varchar) integer = unicode($1)
	starts_with(varchar, varchar) boolean = starts_with($1, $2)
	levenshtein_distance(varchar, varchar) bigint = levenshtein($1, $2)
	hamming_distance(varchar, varchar) bigint = hamming($1, $2)
	soundex(varchar) varchar = trino_soundex($1)
	luhn_check(varchar) boolean = trino_luhn($1)
	translate(varchar, varchar, varchar) varchar = translate($1, $2, $3)
	to_utf8(varchar) varbinary = encode($1)
	from_utf8(varbinary) varchar = trino_from_utf8($1)
	to_hex(varbinary) varchar = hex($1)
	from_hex(varchar) varbinary = trino_from_hex($1)
	to_base64(varbinary) varchar = base64($1)
	to_base64url(varbinary) varchar = trino_to_base64url($1)
	to_base32(varbinary) varchar = trino_to_base32($1)
	from_base64(varchar) varbinary = trino_from_base64($1)
	from_base64url(varchar) varbinary = trino_from_base64url($1)
	from_base32(varchar) varbinary = trino_from_base32($1)
	md5(varbinary) varbinary = trino_digest('md5', $1)
	sha1(varbinary) varbinary = trino_digest('sha1', $1)
	sha256(varbinary) varbinary = trino_digest('sha256', $1)
	sha512(varbinary) varbinary = trino_digest('sha512', $1)
	hmac_md5(varbinary, varbinary) varbinary = trino_hmac('md5', $1, $2)
	hmac_sha1(varbinary, varbinary) varbinary = trino_hmac('sha1', $1, $2)
	hmac_sha256(varbinary, varbinary) varbinary = trino_hmac('sha256', $1, $2)
	hmac_sha512(varbinary, varbinary) varbinary = trino_hmac('sha512', $1, $2)
	crc32(varbinary) bigint = trino_crc32($1)
	to_big_endian_64(bigint) varbinary = trino_to_big_endian($1, 8)
	to_big_endian_32(integer) varbinary = trino_to_big_endian($1, 4)
	from_big_endian_64(varbinary) bigint = trino_from_big_endian($1, 8)
	from_big_endian_32(varbinary) integer = CAST(trino_from_big_endian($1, 4) AS INTEGER)
	to_ieee754_64(double) varbinary = trino_to_ieee($1, 8)
	to_ieee754_32(real) varbinary = trino_to_ieee(CAST($1 AS DOUBLE), 4)
	from_ieee754_64(varbinary) double = trino_from_ieee($1, 8)
	from_ieee754_32(varbinary) real = CAST(trino_from_ieee($1, 4) AS FLOAT)
	url_extract_host(varchar) varchar = trino_url($1, 'host')
	url_extract_path(varchar) varchar = trino_url($1, 'path')
	url_extract_protocol(varchar) varchar = trino_url($1, 'protocol')
	url_extract_query(varchar) varchar = trino_url($1, 'query')
	url_extract_fragment(varchar) varchar = trino_url($1, 'fragment')
	url_extract_port(varchar) bigint = CAST(trino_url($1, 'port') AS BIGINT)
	url_extract_parameter(varchar, varchar) varchar = trino_url_parameter($1, $2)
	url_encode(varchar) varchar = trino_url_encode($1)
	url_decode(varchar) varchar = trino_url_decode($1)
	format_number(bigint) varchar = trino_format_number(CAST($1 AS DOUBLE))
	format_number(double) varchar = trino_format_number($1)
	to_base(bigint, bigint) varchar = trino_to_base($1, $2)
	from_base(varchar, bigint) bigint = trino_from_base($1, $2)
	abs(tinyint) tinyint = abs($1)
	abs(smallint) smallint = abs($1)
	abs(integer) integer = abs($1)
	abs(bigint) bigint = abs($1)
	abs(real) real = abs($1)
	abs(double) double = abs($1)
	sqrt(double) double = trino_sqrt($1)
	cbrt(double) double = cbrt($1)
	exp(double) double = exp($1)
	ln(double) double = trino_ln($1)
	log2(double) double = trino_log2($1)
	log10(double) double = trino_log10($1)
	log(double, double) double = (trino_ln($2) / trino_ln($1))
	power|pow(double, double) double = trino_power($1, $2)
	sin(double) double = trino_math('sin', $1)
	cos(double) double = trino_math('cos', $1)
	tan(double) double = trino_math('tan', $1)
	asin(double) double = trino_math('asin', $1)
	acos(double) double = trino_math('acos', $1)
	atan(double) double = atan($1)
	atan2(double, double) double = atan2($1, $2)
	sinh(double) double = sinh($1)
	cosh(double) double = cosh($1)
	tanh(double) double = tanh($1)
	degrees(double) double = degrees($1)
	radians(double) double = radians($1)
	pi() double = pi()
	e() double = exp(1e0)
	nan() double = CAST('NaN' AS DOUBLE)
	infinity() double = CAST('Infinity' AS DOUBLE)
	is_nan(double) boolean = isnan($1)
	is_finite(double) boolean = isfinite($1)
	is_infinite(double) boolean = isinf($1)
	random|rand() double = random()
	random|rand(bigint) bigint = CAST(floor(random() * $1) AS BIGINT)
	random|rand(bigint, bigint) bigint = CAST(floor($1 + random() * ($2 - $1)) AS BIGINT)
	width_bucket(double, double, double, bigint) bigint = trino_width_bucket($1, $2, $3, $4)
	width_bucket(double, array(double)) bigint = trino_bins($1, $2)
	bitwise_and(bigint, bigint) bigint = (CAST($1 AS BIGINT) & CAST($2 AS BIGINT))
	bitwise_or(bigint, bigint) bigint = (CAST($1 AS BIGINT) | CAST($2 AS BIGINT))
	bitwise_xor(bigint, bigint) bigint = xor(CAST($1 AS BIGINT), CAST($2 AS BIGINT))
	bitwise_not(bigint) bigint = (~CAST($1 AS BIGINT))
	bitwise_left_shift(integer, bigint) integer = CAST(trino_shift('left', $1, $2, 32) AS INTEGER)
	bitwise_left_shift(bigint, bigint) bigint = trino_shift('left', $1, $2, 64)
	bitwise_right_shift(integer, bigint) integer = CAST(trino_shift('right', $1, $2, 32) AS INTEGER)
	bitwise_right_shift(bigint, bigint) bigint = trino_shift('right', $1, $2, 64)
	bitwise_right_shift_arithmetic(integer, bigint) integer = CAST(trino_shift('arithmetic', $1, $2, 32) AS INTEGER)
	bitwise_right_shift_arithmetic(bigint, bigint) bigint = trino_shift('arithmetic', $1, $2, 64)
	bit_count(bigint, bigint) bigint = trino_bit_count($1, $2)
	normal_cdf(double, double, double) double = trino_normal_cdf($1, $2, $3)
	inverse_normal_cdf(double, double, double) double = trino_inverse_normal_cdf($1, $2, $3)
	beta_cdf(double, double, double) double = trino_beta_cdf($1, $2, $3)
	wilson_interval_lower(bigint, bigint, double) double = trino_wilson($1, $2, $3, -1)
	wilson_interval_upper(bigint, bigint, double) double = trino_wilson($1, $2, $3, 1)
	date(varchar) date = CAST(trino_checked($1, '[\s]*[+-]?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}[\s]*', 'date') AS DATE)
	date(date) date = $1
	date(timestamp) date = CAST($1 AS DATE)
	last_day_of_month(date) date = last_day($1)
	last_day_of_month(timestamp) date = last_day($1)
	current_timezone() varchar = 'UTC'
	from_iso8601_date(varchar) date = trino_iso_date($1)
	cardinality(array(T)) bigint = len($1)
	cardinality(map(K, V)) bigint = cardinality($1)
	element_at(array(T), bigint) T = trino_element_at($1, $2)
	element_at(map(K, V), K) V = list_extract(map_extract($1, $2), 1)
	sequence(bigint, bigint) array(bigint) = trino_sequence($1, $2)
	sequence(bigint, bigint, bigint) array(bigint) = trino_sequence3($1, $2, $3)
	slice(array(T), bigint, bigint) array(T) = trino_slice($1, $2, $3)
	array_join(array(varchar), varchar) varchar = trino_join($1, $2)
	array_join(array(varchar), varchar, varchar) varchar = trino_join(list_transform($1, lambda joined_: coalesce(joined_, $3)), $2)
	array_sort(array(T)) array(T) = list_sort($1, 'ASC', 'NULLS LAST')
	array_max(array(T)) T = trino_array_max($1)
	array_min(array(T)) T = trino_array_min($1)
	array_distinct(array(T)) array(T) = trino_distinct($1)
	array_position(array(T), T) bigint = trino_position($1, $2)
	array_remove(array(T), T) array(T) = list_filter($1, lambda kept_: kept_ IS DISTINCT FROM $2)
	array_intersect(array(T), array(T)) array(T) = trino_intersect($1, $2)
	array_union(array(T), array(T)) array(T) = trino_distinct(trino_array_concat($1, $2))
	array_except(array(T), array(T)) array(T) = trino_except($1, $2)
	arrays_overlap(array(T), array(T)) boolean = trino_overlap($1, $2)
	array_histogram(array(T)) map(T, bigint) = CAST(list_aggregate(trino_given($1), 'histogram') AS $T)
	contains(array(T), T) boolean = trino_contains($1, $2)
	contains(varchar, ipaddress) boolean = trino_ip_contains($1, $2)
	contains_sequence(array(T), array(T)) boolean = trino_contains_sequence($1, $2)
	flatten(array(array(T))) array(T) = flatten($1)
	shuffle(array(T)) array(T) = list_sort($1)
	repeat(T, bigint) array(T) = trino_repeat($1, $2)
	ngrams(array(T), bigint) array(array(T)) = trino_ngrams($1, $2)
	combinations(array(T), bigint) array(array(T)) = trino_combinations($1, $2)
	trim_array(array(T), bigint) array(T) = trino_trim_array($1, $2)
	euclidean_distance(array(double), array(double)) double = list_distance($1, $2)
	dot_product(array(double), array(double)) double = list_dot_product($1, $2)
	cosine_similarity(array(double), array(double)) double = list_cosine_similarity($1, $2)
	cosine_distance(array(double), array(double)) double = list_cosine_distance($1, $2)
	map() map(unknown, unknown) = MAP {}
	map(array(K), array(V)) map(K, V) = trino_map($1, $2)
	map_keys(map(K, V)) array(K) = map_keys($1)
	map_values(map(K, V)) array(V) = map_values($1)
	map_concat(map(K, V), map(K, V)) map(K, V) = map_concat($1, $2)
	regexp_count(varchar, varchar) bigint = len(trino_regexp_extract_all($1, $2, 0))
	regexp_split(varchar, varchar) array(varchar) = trino_regexp_split($1, $2)
	regexp_extract(varchar, varchar) varchar = trino_regexp_extract($1, $2, 0)
	regexp_extract(varchar, varchar, bigint) varchar = trino_regexp_extract($1, $2, $3)
	regexp_extract_all(varchar, varchar) array(varchar) = trino_regexp_extract_all($1, $2, 0)
	regexp_extract_all(varchar, varchar, bigint) array(varchar) = trino_regexp_extract_all($1, $2, $3)
	regexp_position(varchar, varchar) integer = CAST(trino_regexp_position($1, $2, 1, 1) AS INTEGER)
	regexp_position(varchar, varchar, bigint) integer = CAST(trino_regexp_position($1, $2, $3, 1) AS INTEGER)
	regexp_position(varchar, varchar, bigint, bigint) integer = CAST(trino_regexp_position($1, $2, $3, $4) AS INTEGER)
	json_parse(varchar) json = CAST(trino_json_parse($1) AS VARCHAR)
	json_format(json) varchar = CAST($1 AS VARCHAR)
	json_extract(varchar, varchar) json = CAST(trino_json_extract($1, $2) AS VARCHAR)
	json_extract(json, varchar) json = CAST(trino_json_extract(CAST($1 AS VARCHAR), $2) AS VARCHAR)
	json_extract_scalar(varchar, varchar) varchar = trino_json_scalar($1, $2)
	json_extract_scalar(json, varchar) varchar = trino_json_scalar(CAST($1 AS VARCHAR), $2)
	json_size(varchar, varchar) bigint = trino_json_size($1, $2)
	json_size(json, varchar) bigint = trino_json_size(CAST($1 AS VARCHAR), $2)
	json_array_length(varchar) bigint = trino_json_array_length($1)
	json_array_length(json) bigint = trino_json_array_length(CAST($1 AS VARCHAR))
	json_array_get(varchar, bigint) json = trino_json_array_get($1, $2)
	json_array_get(json, bigint) json = trino_json_array_get(CAST($1 AS VARCHAR), $2)
	json_array_contains(varchar, varchar) boolean = trino_json_array_contains($1, trino_json_quote($2))
	json_array_contains(varchar, bigint) boolean = trino_json_array_contains($1, CAST($2 AS VARCHAR))
	json_array_contains(varchar, double) boolean = trino_json_array_contains($1, CAST($2 AS VARCHAR))
	json_array_contains(varchar, boolean) boolean = trino_json_array_contains($1, CAST($2 AS VARCHAR))
	json_array_contains(json, varchar) boolean = trino_json_array_contains(CAST($1 AS VARCHAR), trino_json_quote($2))
	json_array_contains(json, bigint) boolean = trino_json_array_contains(CAST($1 AS VARCHAR), CAST($2 AS VARCHAR))
	json_array_contains(json, boolean) boolean = trino_json_array_contains(CAST($1 AS VARCHAR), CAST($2 AS VARCHAR))
	is_json_scalar(varchar) boolean = trino_json_is_scalar($1)
	is_json_scalar(json) boolean = trino_json_is_scalar(CAST($1 AS VARCHAR))
	uuid() uuid = uuid()
	parse_duration(varchar) interval day to second = to_milliseconds(trino_duration($1))
	human_readable_seconds(double) varchar = trino_human_seconds($1)
`

// refused are functions that are known, and cannot be given faithfully.
var refused = map[string]string{
	"word_stem":                    "there is no stemmer here",
	"spooky_hash_v2_32":            "use sha256",
	"spooky_hash_v2_64":            "use sha256",
	"murmur3":                      "use sha256",
	"xxhash64":                     "use sha256",
	"from_unixtime_nanos":          "times have microseconds here; use from_unixtime(n / 1e9)",
	"from_iso8601_timestamp_nanos": "times have microseconds here; use from_iso8601_timestamp",
	"approx_set":                   "sketches are not kept here; use approx_distinct",
	"empty_approx_set":             "sketches are not kept here; use approx_distinct",
	"merge":                        "sketches are not kept here; use approx_distinct over the rows",
	"make_set_digest":              "sketches are not kept here; use approx_distinct",
	"merge_set_digest":             "sketches are not kept here; use approx_distinct",
	"hash_counts":                  "sketches are not kept here; use approx_distinct",
	"intersection_cardinality":     "sketches are not kept here",
	"jaccard_index":                "sketches are not kept here; use array_intersect and array_union",
	"tdigest_agg":                  "sketches are not kept here; use approx_percentile",
	"qdigest_agg":                  "sketches are not kept here; use approx_percentile",
	"value_at_quantile":            "sketches are not kept here; use approx_percentile",
	"values_at_quantiles":          "sketches are not kept here; use approx_percentile",
	"approx_most_frequent":         "its answer depends on the order of rows; use count(*) with GROUP BY",
	"checksum":                     "its hash is Trino's own; compare counts and sums",
	"numeric_histogram":            "its answer depends on the order of rows; use width_bucket with GROUP BY",
	"skewness":                     "use sums of powers",
	"kurtosis":                     "use sums of powers",
	"entropy":                      "use sums of p * ln(p)",
	"render":                       "colours are a terminal's matter",
	"color":                        "colours are a terminal's matter",
	"bar":                          "colours are a terminal's matter; press the chart's key in the SQL pane",
	"rgb":                          "colours are a terminal's matter",
	"st_point":                     "there is no geometry here",
	"st_distance":                  "there is no geometry here",
	"st_astext":                    "there is no geometry here",
	"st_geometryfromtext":          "there is no geometry here",
	"st_contains":                  "there is no geometry here",
	"great_circle_distance":        "there is no geometry here; write the formula",
	"bing_tile":                    "there is no geometry here",
	"bing_tile_at":                 "there is no geometry here",
	"bing_tile_quadkey":            "there is no geometry here",
	"to_geometry":                  "there is no geometry here",
	"classify":                     "there is no learner in SQL here; see the predictions table",
	"learn_classifier":             "there is no learner in SQL here; see the predictions table",
	"regress":                      "there is no learner in SQL here; see the predictions table",
	"current_user":                 "there are no users here",
	"current_time":                 "time with time zone cannot be given here; use current_timestamp",
	"current_catalog":              "there is one catalog here",
	"current_schema":               "there is one schema here",
	"version":                      "this is no Trino; tapedeck version says what it is",
}
