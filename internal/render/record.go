// Package render turns values into what a person or a script reads: one object
// or a list of them in the formats of the openstack client (table, json, yaml,
// csv, value, shell), plans, findings and explanations as text, and the
// progress of a transfer. It decides nothing and writes only to the io.Writer
// it is given.
//
// The formats follow cliff, the library that prints the openstack client's
// answers (cliff/formatters/*.py, with prettytable, PyYAML and Python's csv
// and json below it), so that a script written for it reads ours. Where we
// differ, on purpose: text is made safe for a terminal, a value in the shell
// format cannot run a command, and one object can be had as csv too.
package render

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The output formats. FormatShell is for one object only, as in cliff.
const (
	FormatTable = "table"
	FormatJSON  = "json"
	FormatYAML  = "yaml"
	FormatCSV   = "csv"
	FormatValue = "value"
	FormatShell = "shell"
)

// Kind says which of the two shapes an answer has.
type Kind int

// The shapes of an answer.
const (
	KindShow Kind = iota // one object
	KindList             // rows
)

// Formats lists the formats of a kind, sorted, for a usage text.
func Formats(kind Kind) []string {
	if kind == KindList {
		return []string{FormatCSV, FormatJSON, FormatTable, FormatValue, FormatYAML}
	}
	return []string{FormatCSV, FormatJSON, FormatShell, FormatTable, FormatValue, FormatYAML}
}

// QuoteModes lists the values of --quote, sorted.
func QuoteModes() []string {
	return []string{quoteAll, quoteMinimal, quoteNone, quoteNonnumeric}
}

// Field is one named value of an object. The value is nil, a string, bool,
// int, int64 or float64, a []string (a set: shown sorted), a map[string]string
// or map[string]any, or a []any as encoding/json decodes it.
type Field struct {
	Name  string
	Value any
}

// Record is one object, its fields in the order in which they are shown.
type Record []Field

// Names returns the names of the record's fields, in order.
func (r Record) Names() []string {
	names := make([]string, len(r))
	for i, f := range r {
		names[i] = f.Name
	}
	return names
}

// Options are the output options that openstack commands share. The zero value
// is a table for a file or pipe.
type Options struct {
	Format      string   // -f; empty is FormatTable
	Columns     []string // -c, repeated; empty is all
	NoIndent    bool     // --noindent, json
	Prefix      string   // --prefix, shell
	Quote       string   // --quote, csv; empty is nonnumeric
	MaxWidth    int      // --max-width, table; columns of text, below 1 is none
	FitWidth    bool     // --fit-width, table
	PrintEmpty  bool     // --print-empty, table
	SortColumns []string // --sort-column, repeated; lists only
	Descending  bool     // --sort-descending

	// Terminal says that the writer is a terminal; text that goes there raw in
	// the value, csv and shell formats is then made safe. Tables always are.
	Terminal bool
	// Width is the terminal's width in columns, 0 where it is not known.
	Width int
}

// OptionError is an output option that cannot be met: wrong usage, not a
// failure.
type OptionError struct {
	Option  string // such as --format
	Problem string
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Problem }

// Check reports whether the options suit an answer of that kind with these
// column names, so that a wrong -f is refused before anything is done rather
// than after. The error is an *OptionError.
func (o Options) Check(kind Kind, names []string) error {
	if o.Format != "" && !slices.Contains(Formats(kind), o.Format) {
		return &OptionError{"--format", fmt.Sprintf("%s is not one of %s", Quoted(o.Format), strings.Join(Formats(kind), ", "))}
	}
	if o.Quote != "" && !slices.Contains(QuoteModes(), o.Quote) {
		return &OptionError{"--quote", fmt.Sprintf("%s is not one of %s", Quoted(o.Quote), strings.Join(QuoteModes(), ", "))}
	}
	_, err := o.selected(names)
	return err
}

// selected returns the indexes of the columns to show: those asked for, in the
// order in which they are shown without asking, as cliff has it
// (cliff/display.py, _generate_columns_and_selector). Names that are not there
// are ignored as long as one of them is.
func (o Options) selected(names []string) ([]int, error) {
	asked := map[string]bool{}
	for _, c := range o.Columns {
		asked[columnKey(c)] = true
	}
	var indexes []int
	for i, name := range names {
		if len(asked) == 0 || asked[columnKey(name)] {
			indexes = append(indexes, i)
		}
	}
	if len(asked) > 0 && len(indexes) == 0 {
		return nil, &OptionError{"--column", fmt.Sprintf("none of %s is a column; the columns are %s",
			quotedList(o.Columns), strings.Join(names, ", "))}
	}
	return indexes, nil
}

// columnKey makes "Server Name" and "server_name" the same column.
func columnKey(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")
}

// Show writes one object.
func Show(w io.Writer, record Record, o Options) error {
	if err := o.Check(KindShow, record.Names()); err != nil {
		return err
	}
	indexes, err := o.selected(record.Names())
	if err != nil {
		return err
	}
	chosen := make(Record, len(indexes))
	for i, index := range indexes {
		chosen[i] = record[index]
	}
	var text string
	switch o.Format {
	case FormatJSON:
		text = jsonText(chosen, o.NoIndent)
	case FormatYAML:
		text = yamlRecord(chosen)
	case FormatCSV:
		text = o.raw(csvRecord(chosen, o.Quote))
	case FormatValue:
		text = o.raw(valueRecord(chosen))
	case FormatShell:
		text = o.raw(shellRecord(chosen, o.Prefix))
	default:
		if text, err = tableRecord(chosen, o); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, text)
	return err
}

// List writes rows under column names. Each row has one value per name.
func List(w io.Writer, names []string, rows [][]any, o Options) error {
	if err := o.Check(KindList, names); err != nil {
		return err
	}
	for i, row := range rows {
		if len(row) != len(names) {
			return fmt.Errorf("row %d has %d values for %d columns", i, len(row), len(names))
		}
	}
	rows = o.sorted(names, rows)
	indexes, err := o.selected(names)
	if err != nil {
		return err
	}
	names, rows = project(names, rows, indexes)
	var text string
	switch o.Format {
	case FormatJSON:
		text = jsonText(records(names, rows), o.NoIndent)
	case FormatYAML:
		text = yamlRows(names, rows)
	case FormatCSV:
		text = o.raw(csvRows(names, rows, o.Quote))
	case FormatValue:
		text = o.raw(valueRows(rows))
	default:
		if text, err = tableRows(names, rows, o); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, text)
	return err
}

// raw makes text safe when it goes to a terminal; elsewhere it is left byte
// for byte.
func (o Options) raw(text string) string {
	if o.Terminal {
		return SafeLines(text)
	}
	return text
}

func project(names []string, rows [][]any, indexes []int) ([]string, [][]any) {
	if len(indexes) == len(names) {
		return names, rows
	}
	chosen := make([]string, len(indexes))
	for i, index := range indexes {
		chosen[i] = names[index]
	}
	out := make([][]any, len(rows))
	for i, row := range rows {
		out[i] = make([]any, len(indexes))
		for j, index := range indexes {
			out[i][j] = row[index]
		}
	}
	return chosen, out
}

func records(names []string, rows [][]any) []Record {
	list := make([]Record, len(rows))
	for i, row := range rows {
		list[i] = make(Record, len(names))
		for j, name := range names {
			list[i][j] = Field{name, row[j]}
		}
	}
	return list
}

// sorted orders rows by the sort columns, the first of them first in weight;
// names that are no column are ignored, and absent values come last (first
// when descending), as in cliff/lister.py.
func (o Options) sorted(names []string, rows [][]any) [][]any {
	var indexes []int
	for _, want := range o.SortColumns {
		i := slices.IndexFunc(names, func(name string) bool { return columnKey(name) == columnKey(want) })
		if i >= 0 {
			indexes = append(indexes, i)
		}
	}
	if len(indexes) == 0 {
		return rows
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b []any) int {
		for _, i := range indexes {
			c := compareValues(a[i], b[i])
			if o.Descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return rows
}

// compareValues orders absent after present, numbers by size and everything
// else by its text.
func compareValues(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	x, xok := number(a)
	y, yok := number(b)
	if xok && yok {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(humanText(a), humanText(b))
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// Quoted returns text made safe and put in double quotes, for a message.
func Quoted(text string) string {
	return `"` + Safe(text) + `"`
}

func quotedList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = Quoted(t)
	}
	return strings.Join(quoted, ", ")
}
