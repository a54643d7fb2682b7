package render

import (
	"fmt"
	"io"
	"strings"
)

// ListStream writes rows as List does, but each as it comes, so that a list of
// any length passes through. A table and a sorted list need all rows before
// the first can be written: those are kept until Close.
type ListStream struct {
	w       io.Writer
	names   []string // of all columns
	indexes []int    // of the columns shown
	o       Options
	kept    [][]any
	keep    bool
	rows    int // written so far
}

// NewListStream begins a list. The error is an *OptionError where the options
// do not suit it.
func NewListStream(w io.Writer, names []string, o Options) (*ListStream, error) {
	if err := o.Check(KindList, names); err != nil {
		return nil, err
	}
	indexes, err := o.selected(names)
	if err != nil {
		return nil, err
	}
	keep := len(o.SortColumns) > 0 || o.Format == "" || o.Format == FormatTable
	return &ListStream{w: w, names: names, indexes: indexes, o: o, keep: keep}, nil
}

// Add writes one row, which has one value per name.
func (s *ListStream) Add(row []any) error {
	if len(row) != len(s.names) {
		return fmt.Errorf("row %d has %d values for %d columns", s.rows, len(row), len(s.names))
	}
	if s.keep {
		s.kept = append(s.kept, row)
		return nil
	}
	names, rows := project(s.names, [][]any{row}, s.indexes)
	var text string
	switch s.o.Format {
	case FormatJSON:
		e := jsonEncoder{indent: !s.o.NoIndent}
		if s.rows == 0 {
			e.b.WriteByte('[')
		}
		e.separate(s.rows)
		e.newline(1)
		e.value(records(names, rows)[0], 1)
		text = e.b.String()
	case FormatYAML:
		text = yamlRows(names, rows)
	case FormatCSV:
		text = s.head() + csvLines(rows, s.o.Quote)
	case FormatValue:
		text = valueRows(rows)
	}
	s.rows++
	return s.write(text)
}

// Close writes what stands behind the last row.
func (s *ListStream) Close() error {
	if s.keep {
		return List(s.w, s.names, s.kept, s.o)
	}
	var text string
	switch s.o.Format {
	case FormatJSON:
		if s.rows == 0 {
			text = "[]\n"
		} else if s.o.NoIndent {
			text = "]\n"
		} else {
			text = "\n]\n"
		}
	case FormatYAML:
		if s.rows == 0 {
			text = "[]\n"
		}
	case FormatCSV:
		text = s.head()
	}
	return s.write(text)
}

// head is the header of a csv, once.
func (s *ListStream) head() string {
	if s.rows > 0 {
		return ""
	}
	var b strings.Builder
	header := make([]any, len(s.indexes))
	for i, index := range s.indexes {
		header[i] = s.names[index]
	}
	csvRow(&b, header, s.o.Quote)
	return b.String()
}

func (s *ListStream) write(text string) error {
	if s.o.Format == FormatCSV || s.o.Format == FormatValue {
		text = s.o.raw(text)
	}
	_, err := io.WriteString(s.w, text)
	return err
}
