package sandbox

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// params are the query's names and values in the order they were sent; the
// last value of a name counts, as in WebOb's MultiDict.
type params []param

type param struct{ name, value string }

func readParams(query string) (params, error) {
	var list params
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, refuse(400, "Error decoding your request.")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, refuse(400, "Error decoding your request.")
		}
		list = append(list, param{name, value})
	}
	return list, nil
}

func (p params) get(name string) (string, bool) {
	for _, v := range slices.Backward(p) {
		if v.name == name {
			return v.value, true
		}
	}
	return "", false
}

// pop takes the first value of a name away, as WebOb's MultiDict does; a second
// one stays, and is taken for the name of a property.
func (p *params) pop(name string) (string, bool) {
	i := slices.IndexFunc(*p, func(v param) bool { return v.name == name })
	if i < 0 {
		return "", false
	}
	value := (*p)[i].value
	*p = slices.Delete(slices.Clone(*p), i, i+1)
	return value, true
}

func (p params) or(name, otherwise string) string {
	if v, ok := p.get(name); ok {
		return v
	}
	return otherwise
}

func (p params) all(name string) []string {
	var values []string
	for _, v := range p {
		if v.name == name {
			values = append(values, v.value)
		}
	}
	return values
}

// encode writes the query anew, each name once with its last value: Glance's
// own links lose all but the last of several tags.
func (p params) encode() string {
	var parts []string
	seen := map[string]bool{}
	for _, v := range p {
		if seen[v.name] {
			continue
		}
		seen[v.name] = true
		last, _ := p.get(v.name)
		parts = append(parts, url.QueryEscape(v.name)+"="+url.QueryEscape(last))
	}
	return strings.Join(parts, "&")
}

func (p params) with(name, value string) params {
	return append(p.without(name), param{name, value})
}

func (p params) without(names ...string) params {
	return slices.DeleteFunc(slices.Clone(p), func(v param) bool { return slices.Contains(names, v.name) })
}

// index lists the images that the caller may see and the query selects
// (glance/api/v2/images.py, index; glance/db/sqlalchemy/api.py, image_get_all).
func (s *imageService) index(q *request) error {
	sent, err := readParams(q.URL.RawQuery)
	if err != nil {
		return err
	}
	rest := sent
	limit := s.pageDefault
	if text, ok := rest.pop("limit"); ok {
		if limit, err = strconv.Atoi(strings.TrimSpace(text)); err != nil {
			return refuse(400, "limit param must be an integer")
		}
		if limit < 0 {
			return refuse(400, "limit param must be positive")
		}
	}
	limit = min(limit, s.pageMax)
	marker, paged := rest.pop("marker")
	keys, err := readSort(&rest)
	if err != nil {
		return err
	}
	keep, err := readFilters(rest, q.caller)
	if err != nil {
		return err
	}
	if !allowed(q.caller, "get_images", nil) {
		return refuse(403, "You are not authorized to complete get_images action.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*record
	for _, r := range s.all {
		if keep(r) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *record) int { return keys.compare(a, b, sortOrder) })
	if paged {
		from := s.all[marker]
		if from == nil {
			return refuse(400, "No image found with ID %s", marker)
		}
		if !visible(q.caller, from) {
			return refuse(403, "Forbidding request, image %s not visible", marker)
		}
		list = slices.DeleteFunc(list, func(r *record) bool { return keys.compare(r, from, pageOrder) <= 0 })
	}
	list = list[:min(limit, len(list))]
	views := make([]any, 0, len(list))
	for _, r := range list {
		if allowed(q.caller, "get_image", r) {
			views = append(views, r.view(q.caller))
		}
	}
	body := map[string]any{"images": views, "first": "/v2/images", "schema": "/v2/schemas/images"}
	if first := sent.without("marker").encode(); first != "" {
		body["first"] = "/v2/images?" + first
	}
	if len(views) > 0 && len(list) == limit {
		next := sent.without("marker").with("marker", list[len(list)-1].id)
		body["next"] = "/v2/images?" + next.encode()
	}
	return q.send(http.StatusOK, body)
}

// sortKey is one key of an order.
type sortKey struct {
	name       string
	descending bool
}

type sortKeys []sortKey

var sortable = []string{"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}

// readSort takes what says how to sort out of a query.
func readSort(query *params) (sortKeys, error) {
	var names, dirs []string
	if sort, ok := query.pop("sort"); ok {
		if len(query.all("sort_key")) > 0 || len(query.all("sort_dir")) > 0 {
			return nil, refuse(400, "Old and new sorting syntax cannot be combined")
		}
		for part := range strings.SplitSeq(strings.TrimSpace(sort), ",") {
			name, dir, _ := strings.Cut(part, ":")
			if dir == "" {
				dir = "desc"
			}
			names, dirs = append(names, strings.TrimSpace(name)), append(dirs, strings.TrimSpace(dir))
			if err := checkSort(names[len(names)-1:], dirs[len(dirs)-1:]); err != nil {
				return nil, err
			}
		}
	} else {
		for _, name := range query.all("sort_key") {
			names = append(names, strings.TrimSpace(name))
		}
		for _, dir := range query.all("sort_dir") {
			dirs = append(dirs, strings.TrimSpace(dir))
		}
		if err := checkSort(names, dirs); err != nil {
			return nil, err
		}
		if len(dirs) > 1 && len(dirs) != len(names) {
			return nil, refuse(400, "Number of sort dirs does not match the number of sort keys")
		}
	}
	*query = query.without("sort_key", "sort_dir")
	if len(names) == 0 {
		names = []string{"created_at"}
	}
	if len(dirs) == 0 {
		dirs = []string{"desc"}
	}
	rest := "desc"
	if len(dirs) == 1 {
		rest = dirs[0]
	}
	var keys sortKeys
	for i, name := range names {
		dir := rest
		if len(dirs) > 1 {
			dir = dirs[i]
		}
		keys = append(keys, sortKey{name, dir == "desc"})
	}
	for _, name := range []string{"created_at", "id"} {
		if !slices.Contains(names, name) {
			keys = append(keys, sortKey{name, rest == "desc"})
		}
	}
	return keys, nil
}

func checkSort(names, dirs []string) error {
	for _, name := range names {
		if !slices.Contains(sortable, name) {
			return refuse(400, "Invalid sort key: %s. It must be one of the following: %s.", name, strings.Join(sortable, ", "))
		}
	}
	for _, dir := range dirs {
		if dir != "asc" && dir != "desc" {
			return refuse(400, "Invalid sort direction: %s", dir)
		}
	}
	return nil
}

// An order of records differs in one thing from the way a page's beginning is
// found: where the value is null. Sorted, null comes before everything; for
// paging it counts as "" or 0 (glance/db/sqlalchemy/api.py, _paginate_query).
const (
	sortOrder = false
	pageOrder = true
)

func (k sortKeys) compare(a, b *record, nullIsZero bool) int {
	for _, key := range k {
		c := compareBy(key.name, a, b, nullIsZero)
		if key.descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func compareBy(name string, a, b *record, nullIsZero bool) int {
	texts := func(x, y *string) int {
		if !nullIsZero && (x == nil || y == nil) {
			return cmp.Compare(btoi(x != nil), btoi(y != nil))
		}
		return strings.Compare(collate(text(x)), collate(text(y)))
	}
	switch name {
	case "name":
		return texts(a.name, b.name)
	case "status":
		return strings.Compare(a.status, b.status)
	case "container_format":
		return texts(a.containerFormat, b.containerFormat)
	case "disk_format":
		return texts(a.diskFormat, b.diskFormat)
	case "size":
		if !nullIsZero && (a.size == nil || b.size == nil) {
			return cmp.Compare(btoi(a.size != nil), btoi(b.size != nil))
		}
		return cmp.Compare(value(a.size), value(b.size))
	case "created_at":
		return a.created.Compare(b.created)
	case "updated_at":
		return a.updated.Compare(b.updated)
	}
	return strings.Compare(a.id, b.id)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// collate brings text into the form in which MariaDB compares it with its
// usual collations: case, accents and blanks at the end do not count. (Here only
// the accents of Latin letters are known.)
func collate(s string) string {
	return strings.Map(func(c rune) rune {
		if i := strings.IndexRune(accented, c); i >= 0 {
			return rune(unaccented[utf8.RuneCountInString(accented[:i])])
		}
		return c
	}, strings.ToUpper(strings.TrimRight(s, " ")))
}

const (
	accented   = "ÀÁÂÃÄÅĀĂĄÇĆĈĊČĎÈÉÊËĒĔĖĘĚĜĞĠĢĤÌÍÎÏĨĪĬĮİĴĶĹĻĽÑŃŅŇÒÓÔÕÖŌŎŐŔŖŘŚŜŞŠŢŤÙÚÛÜŨŪŬŮŰŲŴÝŶŸŹŻŽ"
	unaccented = "AAAAAAAAACCCCCDEEEEEEEEEGGGGHIIIIIIIIIJKLLLNNNNOOOOOOOORRRSSSSTTUUUUUUUUUUWYYYZZZ"
)

func equal(a, b string) bool { return collate(a) == collate(b) }

// filter tells whether an image is wanted.
type filter func(*record) bool

func readFilters(query params, t *token) (filter, error) {
	status, stated := query.pop("member_status")
	if !stated {
		status = "accepted"
	}
	if !slices.Contains([]string{"pending", "accepted", "rejected", "all"}, status) {
		return nil, refuse(400, "Invalid status: %s", status)
	}
	visibility, byVisibility := query.get("visibility")
	if byVisibility && visibility != "" && !slices.Contains([]string{"community", "public", "private", "shared", "all"}, visibility) {
		return nil, refuse(400, "Invalid visibility value: %s", visibility)
	}
	if since, ok := query.get("changes-since"); ok && since != "" {
		return nil, refuse(400, `The "changes-since" filter is no longer available on v2.`)
	}
	hidden := strings.ToLower(query.or("os_hidden", "false"))
	if hidden != "true" && hidden != "false" {
		return nil, refuse(400, "Invalid value '%s' for 'os_hidden' filter. Valid values are 'true' or 'false'.", hidden)
	}
	filters := []filter{
		func(r *record) bool { return listed(t, r, status) },
		func(r *record) bool { return r.hidden == (hidden == "true") },
		func(r *record) bool {
			switch {
			case byVisibility && visibility != "all":
				return r.visibility == visibility
			case byVisibility:
				return true
			}
			return r.visibility != "community" || r.ownedBy(t.projectID())
		},
	}
	if protected, ok := query.get("protected"); ok {
		if protected != "true" && protected != "false" {
			return nil, refuse(400, "Invalid value '%s' for 'protected' filter. Valid values are 'true' or 'false'.", protected)
		}
		filters = append(filters, func(r *record) bool { return r.protected == (protected == "true") })
	}
	for _, tag := range query.all("tag") {
		filters = append(filters, func(r *record) bool {
			return slices.ContainsFunc(r.tags, func(have string) bool { return equal(have, strings.TrimSpace(tag)) })
		})
	}
	rest := query.without("tag", "deleted", "visibility", "os_hidden", "protected")
	seen := map[string]bool{}
	for _, p := range rest {
		if seen[p.name] {
			continue
		}
		seen[p.name] = true
		want, _ := rest.get(p.name)
		f, err := readFilter(p.name, want)
		if err != nil {
			return nil, err
		}
		filters = append(filters, f)
	}
	return func(r *record) bool {
		return !slices.ContainsFunc(filters, func(f filter) bool { return !f(r) })
	}, nil
}

// listed tells whether an image belongs in the caller's listing at all: one
// shared with the caller's project only if that accepted it.
func listed(t *token, r *record, memberStatus string) bool {
	switch {
	case t.has("admin"), r.visibility == "public", r.visibility == "community", r.ownedBy(t.projectID()):
		return true
	case r.visibility != "shared":
		return false
	}
	m := r.member(t.projectID())
	return m != nil && (memberStatus == "all" || m.status == memberStatus)
}

func readFilter(name, want string) (filter, error) {
	switch name {
	case "name", "id", "status", "container_format", "disk_format":
		return readTextFilter(name, want)
	case "created_at", "updated_at":
		return readTimeFilter(name, want)
	}
	if base, ok := strings.CutSuffix(name, "_min"); ok {
		return readBound(base, want, func(have, bound int64) bool { return have >= bound })
	}
	if base, ok := strings.CutSuffix(name, "_max"); ok {
		return readBound(base, want, func(have, bound int64) bool { return have <= bound })
	}
	if column(name) == nil {
		return func(r *record) bool {
			have := r.properties[name]
			return have != nil && equal(*have, want)
		}, nil
	}
	return func(r *record) bool {
		switch have := column(name)(r).(type) {
		case *string:
			return have != nil && equal(*have, want)
		case string:
			return equal(have, want)
		case *int64:
			return have != nil && float64(*have) == leadingNumber(want)
		case int64:
			return float64(have) == leadingNumber(want)
		}
		return false
	}, nil
}

// column gives access to what a filter of that name compares, nil where the
// name is one of a custom property.
func column(name string) func(*record) any {
	return map[string]func(*record) any{
		"name":             func(r *record) any { return r.name },
		"id":               func(r *record) any { return r.id },
		"status":           func(r *record) any { return r.status },
		"container_format": func(r *record) any { return r.containerFormat },
		"disk_format":      func(r *record) any { return r.diskFormat },
		"owner":            func(r *record) any { return r.owner },
		"checksum":         func(r *record) any { return r.checksum },
		"os_hash_algo":     func(r *record) any { return r.hashAlgo },
		"os_hash_value":    func(r *record) any { return r.hashValue },
		"size":             func(r *record) any { return r.size },
		"virtual_size":     func(r *record) any { return r.virtualSize },
		"min_disk":         func(r *record) any { return r.minDisk },
		"min_ram":          func(r *record) any { return r.minRAM },
	}[name]
}

var leading = regexp.MustCompile(`^\s*[-+]?[0-9]*\.?[0-9]*`)

// leadingNumber reads text as MariaDB does when it compares it with a number:
// what comes first, and 0 where that is no number.
func leadingNumber(s string) float64 {
	n, _ := strconv.ParseFloat(strings.TrimSpace(leading.FindString(s)), 64)
	return n
}

func readTextFilter(name, want string) (filter, error) {
	// With an operator before a colon, unless all of it is a time.
	op, operand, found := strings.Cut(want, ":")
	if !found || isTime(want) {
		op, operand = "eq", want
	}
	var list []string
	switch op {
	case "eq":
		list = []string{operand}
	case "in":
		var err error
		if list, err = splitQuoted(operand); err != nil {
			return nil, err
		}
	default:
		return nil, refuse(400, "Unable to filter by unknown operator '%s'.", op)
	}
	get := column(name)
	return func(r *record) bool {
		have, ok := get(r).(string)
		if p, isPointer := get(r).(*string); isPointer && p != nil {
			have, ok = *p, true
		}
		return ok && slices.ContainsFunc(list, func(one string) bool { return equal(have, one) })
	}, nil
}

func readTimeFilter(name, want string) (filter, error) {
	op, operand, found := strings.Cut(want, ":")
	if !found || isTime(want) {
		op, operand = "eq", want
	}
	bound, err := parseTime(operand)
	if err != nil {
		return nil, refuse(400, `Bad "%s" query filter format. Use ISO 8601 DateTime notation.`, name)
	}
	test := map[string]func(int) bool{
		"gt": func(c int) bool { return c > 0 }, "gte": func(c int) bool { return c >= 0 },
		"lt": func(c int) bool { return c < 0 }, "lte": func(c int) bool { return c <= 0 },
		"eq": func(c int) bool { return c == 0 }, "neq": func(c int) bool { return c != 0 },
	}[op]
	if test == nil {
		return nil, refuse(400, "Unable to filter on a unknown operator.")
	}
	return func(r *record) bool {
		if name == "created_at" {
			return test(r.created.Compare(bound))
		}
		return test(r.updated.Compare(bound))
	}, nil
}

func isTime(s string) bool {
	_, err := parseTime(s)
	return err == nil
}

// parseTime reads the forms of ISO 8601 that a client is likely to send; one
// without a zone is UTC.
func parseTime(s string) (time.Time, error) {
	var t time.Time
	var err error
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
		"2006-01-02T15:04Z07:00", "20060102T150405Z", "20060102T150405", "2006-01-02", "2006-01", "2006",
	} {
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return t, err
}

func readBound(name, want string, test func(have, bound int64) bool) (filter, error) {
	bound, err := strconv.ParseInt(strings.TrimSpace(want), 10, 64)
	if err != nil {
		return nil, refuse(400, "Unable to filter on a range with a non-numeric value.")
	}
	get := column(name)
	if get == nil {
		// Glance looks for a column of that name and falls over.
		return nil, &refusal{status: http.StatusInternalServerError}
	}
	return func(r *record) bool {
		switch have := get(r).(type) {
		case int64:
			return test(have, bound)
		case *int64:
			return have != nil && test(*have, bound)
		}
		return false
	}, nil
}

var quotedItems = regexp.MustCompile(`"([^"\\]*(?:\\.[^"\\]*)*)",?|([^,]+),?|,`)

// splitQuoted splits the operand of "in:", where values stand between commas
// and may stand in quotes (glance/common/utils.py, split_filter_value_for_quotes).
func splitQuoted(s string) ([]string, error) {
	opening := true
	for i := range len(s) {
		if s[i] != '"' || i > 0 && s[i-1] == '\\' {
			continue
		}
		if opening && i > 0 && s[i-1] != ',' {
			return nil, refuse(400, "Invalid filter value %s. There is no comma before opening quotation mark.", s)
		}
		if !opening && i+1 != len(s) && s[i+1] != ',' {
			return nil, refuse(400, "Invalid filter value %s. There is no comma after closing quotation mark.", s)
		}
		opening = !opening
	}
	if !opening {
		return nil, refuse(400, "Invalid filter value %s. The quote is not closed.", s)
	}
	var list []string
	for _, m := range quotedItems.FindAllStringSubmatch(s, -1) {
		list = append(list, m[1]+m[2])
	}
	return list, nil
}
