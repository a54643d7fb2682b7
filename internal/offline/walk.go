package offline

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Read yields the records of a saved listing, in their order. An error names
// the place of the image, from 1, and ends the sequence; ErrMorePages and
// ErrNothing come last.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		w := newWalk(r, nil)
		err := w.run(func(rec Record) ([]byte, error) {
			if !yield(rec, nil) {
				return nil, errStop
			}
			return nil, nil
		})
		if err == nil && w.values == 0 {
			err = ErrNothing
		}
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

// walk is a saved listing while it is gone through, byte by byte: a page is
// never held, and what is not changed is written as it was read.
type walk struct {
	in    *bufio.Reader
	left  int64     // bytes that may still be read for the current record
	out   io.Writer // nil: nothing is written
	edit  func(Record) ([]byte, error)
	buf   []byte // the record that is read
	count int    // records gone through
	// values counts lists, pages and records that stand by themselves.
	values int
	more   bool // the page that was read last has a next one
}

func newWalk(r io.Reader, out io.Writer) *walk {
	return &walk{in: bufio.NewReaderSize(r, 64<<10), out: out}
}

func (w *walk) run(edit func(Record) ([]byte, error)) error {
	w.edit = edit
	if mark, err := w.in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = w.in.Discard(3) // as PowerShell's Out-File puts it there
	}
	if mark, err := w.in.Peek(2); err == nil && (string(mark) == "\xff\xfe" || string(mark) == "\xfe\xff") {
		return errUTF16
	}
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

func (w *walk) write(parts ...[]byte) error {
	if w.out == nil {
		return nil
	}
	for _, part := range parts {
		if _, err := w.out.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) top() error {
	for {
		w.left, w.buf = maxRecordBytes, w.buf[:0]
		start, err := w.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return w.at(err)
		}
		w.values++
		switch start {
		case '[':
			if err = w.write([]byte("[")); err == nil {
				err = w.list()
			}
		case '{':
			err = w.object()
		default:
			err = w.at(fmt.Errorf("found %q where an image record, a list of them or Glance's answer was expected", start))
		}
		if err == nil {
			err = w.write([]byte("\n"))
		}
		if err != nil {
			return err
		}
	}
}

// readByte reads one byte of the current record.
func (w *walk) readByte() (byte, error) {
	if w.left--; w.left < 0 {
		return 0, fmt.Errorf("one image record is larger than %d MiB", maxRecordBytes>>20)
	}
	return w.in.ReadByte()
}

// next reads the next byte that is no blank.
func (w *walk) next() (byte, error) {
	for {
		c, err := w.readByte()
		if err != nil || !isBlank(c) {
			return c, err
		}
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// keep is next, and keeps what it reads in the buffer.
func (w *walk) keep() (byte, error) {
	for {
		c, err := w.readByte()
		if err != nil {
			return 0, err
		}
		w.buf = append(w.buf, c)
		if !isBlank(c) {
			return c, nil
		}
	}
}

// value reads the rest of a value, whose first byte c is in the buffer, into
// the buffer. Whether it is sound is seen once the record is complete.
func (w *walk) value(c byte) error {
	depth := 0
	for {
		switch c {
		case '"':
			if err := w.text(); err != nil {
				return err
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth <= 0 && (c == '"' || c == '}' || c == ']') {
			return nil
		}
		var err error
		if c, err = w.readByte(); err != nil {
			return err
		}
		if depth == 0 && (c == ',' || c == '}' || c == ']' || isBlank(c)) { // behind a number or word
			w.left++
			return w.in.UnreadByte()
		}
		w.buf = append(w.buf, c)
	}
}

// text reads the rest of a string.
func (w *walk) text() error {
	for escaped := false; ; {
		c, err := w.readByte()
		if err != nil {
			return err
		}
		w.buf = append(w.buf, c)
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return nil
		}
	}
}

// list goes through the records of a list whose bracket was read, up to and
// with the closing one.
func (w *walk) list() error {
	for first := true; ; first = false {
		w.left, w.buf = maxRecordBytes, w.buf[:0]
		c, err := w.next()
		if err != nil {
			return w.at(err)
		}
		if c == ']' {
			return w.write([]byte("\n]"))
		}
		separator := "\n"
		if !first {
			separator = ",\n"
			if c != ',' {
				return w.at(fmt.Errorf("found %q where a comma or the end of the list was expected", c))
			}
			if c, err = w.next(); err != nil {
				return w.at(err)
			}
		}
		w.buf = append(w.buf, c)
		if err := w.value(c); err != nil {
			return w.at(err)
		}
		if err := w.record(w.buf, separator); err != nil {
			return err
		}
	}
}

// object goes through an object whose brace was read: a page of Glance's if it
// has a list named images, or else one record. Which of the two shows only on
// the way, since members come in any order; those before it are held.
func (w *walk) object() error {
	w.buf = append(w.buf, '{')
	var page []byte // what stands around the list of images
	isPage, more := false, false
	for {
		c, err := w.keep()
		if err == nil && c == ',' {
			c, err = w.keep()
		}
		if err != nil {
			return w.at(err)
		}
		if c == '}' {
			break
		}
		name := len(w.buf) - 1
		if c != '"' {
			return w.at(fmt.Errorf("found %q where a name was expected", c))
		}
		if err := w.text(); err != nil {
			return w.at(err)
		}
		key := string(w.buf[name:])
		if c, err = w.keep(); err == nil && c == ':' {
			c, err = w.keep()
		} else if err == nil {
			err = fmt.Errorf("found %q where a colon was expected", c)
		}
		if err != nil {
			return w.at(err)
		}
		if key == `"images"` && c == '[' {
			if err := w.write(w.buf); err != nil {
				return err
			}
			isPage, page = true, append(append(page, w.buf...), ']')
			if err := w.list(); err != nil {
				return err
			}
			w.left, w.buf = maxRecordBytes, w.buf[:0]
			continue
		}
		value := len(w.buf) - 1
		if err := w.value(c); err != nil {
			return w.at(err)
		}
		if key == `"next"` {
			more = string(w.buf[value:]) != `""` && string(w.buf[value:]) != "null"
		}
	}
	if !isPage {
		return w.record(w.buf, "")
	}
	w.more = more
	if err := sound(append(page, w.buf...)); err != nil {
		return w.at(err)
	}
	return w.write(w.buf)
}

// sound returns what is wrong with a text as JSON, or nil.
func sound(raw []byte) error {
	if json.Valid(raw) {
		return nil
	}
	var v json.RawMessage
	return json.Unmarshal(raw, &v)
}

// record hands one record on and writes what comes back.
func (w *walk) record(raw []byte, separator string) error {
	if err := sound(raw); err != nil {
		return w.at(err)
	}
	rec, err := decode(raw)
	if err != nil {
		return w.at(err)
	}
	edited, err := w.edit(rec)
	if err != nil {
		return err
	}
	w.count++
	return w.write([]byte(separator), edited)
}
