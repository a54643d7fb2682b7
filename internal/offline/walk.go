package offline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Read yields the records of a saved listing, in their order. An error names
// the place of the image, from 1, and ends the sequence; ErrMorePages comes
// last.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		w := newWalk(r, nil)
		err := w.run(func(rec Record) ([]byte, error) {
			if !yield(rec, nil) {
				return nil, errStop
			}
			return nil, nil
		})
		if err != nil {
			yield(Record{}, err)
		}
	}
}

// Edit reads a saved listing and writes it to w with its records as edit
// returns them, in the same order and the same form; everything else stays as
// it is, but for blanks between records. Errors are those of Read, of edit and
// of w.
func Edit(r io.Reader, w io.Writer, edit func(Record) ([]byte, error)) error {
	return newWalk(r, w).run(edit)
}

// errStop ends the reading because no more records are asked for.
var errStop = errors.New("no more records wanted")

// walk is a saved listing while it is gone through.
type walk struct {
	budget *budgetReader
	dec    *json.Decoder
	out    io.Writer // nil: nothing is written
	edit   func(Record) ([]byte, error)
	count  int  // records gone through
	more   bool // the page that was read last has a next one
}

func newWalk(r io.Reader, out io.Writer) *walk {
	budget := &budgetReader{r: r}
	return &walk{budget: budget, dec: json.NewDecoder(budget), out: out}
}

func (w *walk) run(edit func(Record) ([]byte, error)) error {
	w.edit = edit
	err := w.top()
	switch {
	case errors.Is(err, errStop):
		return nil
	case err == nil && w.more:
		return ErrMorePages
	}
	return err
}

// at says which record an error of the input is about.
func (w *walk) at(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("image %d: %w", w.count+1, err)
}

func (w *walk) write(parts ...string) error {
	if w.out == nil {
		return nil
	}
	for _, part := range parts {
		if _, err := io.WriteString(w.out, part); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) top() error {
	for {
		w.budget.left = maxRecordBytes
		start, err := w.dec.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return w.at(err)
		case start == json.Delim('['):
			if err = w.write("["); err == nil {
				err = w.list()
			}
		case start == json.Delim('{'):
			err = w.object()
		default:
			err = w.at(fmt.Errorf("found %.40q where an image record, a list of them or Glance's answer was expected", fmt.Sprint(start)))
		}
		if err == nil {
			err = w.write("\n")
		}
		if err != nil {
			return err
		}
	}
}

// list goes through the records of a list whose bracket was read, up to and
// with the closing one.
func (w *walk) list() error {
	for first := true; w.dec.More(); first = false {
		w.budget.left = maxRecordBytes
		var raw json.RawMessage
		if err := w.dec.Decode(&raw); err != nil {
			return w.at(err)
		}
		separator := ",\n"
		if first {
			separator = "\n"
		}
		if err := w.record(raw, separator); err != nil {
			return err
		}
	}
	if _, err := w.dec.Token(); err != nil {
		return w.at(err)
	}
	return w.write("\n]")
}

// object goes through an object whose brace was read: a page of Glance's if it
// has a list named images, or else one record. Which of the two shows only on
// the way, since members come in any order; those before it are held.
func (w *walk) object() error {
	var held []member
	page, more := false, false
	flush := func(m member, separator string) error {
		return w.write(separator, string(m.between), string(m.value))
	}
	count := 0
	separator := func() string {
		count++
		if count == 1 {
			return "{"
		}
		return ", "
	}
	for w.dec.More() {
		key, err := w.dec.Token()
		if err != nil {
			return w.at(err)
		}
		name, isText := key.(string)
		if !isText {
			return w.at(fmt.Errorf("found %v where a name was expected", key))
		}
		m := member{key: name, between: []byte(encode(name) + ": ")}
		if name == "images" {
			start, err := w.dec.Token()
			if err != nil {
				return w.at(err)
			}
			if start == json.Delim('[') {
				page = true
				for _, h := range held {
					if err := flush(h, separator()); err != nil {
						return err
					}
				}
				held = nil
				if err := w.write(separator(), string(m.between), "["); err != nil {
					return err
				}
				if err := w.list(); err != nil {
					return err
				}
				w.budget.left = maxRecordBytes
				continue
			}
			text, isText := start.(string) // a custom property may have the name
			if !isText {
				return w.at(errors.New("images is no list"))
			}
			m.value = []byte(encode(text))
		} else {
			var raw json.RawMessage
			if err := w.dec.Decode(&raw); err != nil {
				return w.at(err)
			}
			m.value = raw
		}
		if name == "next" {
			more = string(m.value) != `""` && string(m.value) != "null"
		}
		if page {
			if err := flush(m, separator()); err != nil {
				return err
			}
			continue
		}
		held = append(held, m)
	}
	if _, err := w.dec.Token(); err != nil {
		return w.at(err)
	}
	if page {
		w.more = more
		return w.write("}")
	}
	raw := []byte("{")
	for i, m := range held {
		if i > 0 {
			raw = append(raw, ", "...)
		}
		raw = append(append(raw, m.between...), m.value...)
	}
	return w.record(append(raw, '}'), "")
}

// record hands one record on and writes what comes back.
func (w *walk) record(raw []byte, separator string) error {
	rec, err := decode(raw)
	if err != nil {
		return w.at(err)
	}
	edited, err := w.edit(rec)
	if err != nil {
		return err
	}
	w.count++
	return w.write(separator, string(edited))
}
