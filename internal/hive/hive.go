// Package hive reads values out of Windows registry hives. Of a hive, whose
// SOFTWARE may have 100 MB, only the cells on the path to what is asked for are
// read. It only reads, trusts no number in a hive, and does a bounded amount of
// work on each, so that a broken or hostile one costs an error.
//
// The format is as described in
// https://github.com/msuhanov/regf/blob/master/Windows%20registry%20file%20format%20specification.md
//
// www.velocidex.com/golang/regparser was looked at and left: it reads all the
// keys of a list to find one, and a broken key looks like a missing one.
package hive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf16"
)

// Errors of this package, beside those of reading.
var (
	// ErrNotFound says that there is no such key or value.
	ErrNotFound = errors.New("not in the registry")
	// ErrDamaged says that the hive contradicts itself, or is none.
	ErrDamaged = errors.New("the registry hive is damaged")
	// ErrTooLarge says that more would have to be read than is sensible.
	ErrTooLarge = errors.New("too much to read in the registry hive")
)

// Bounds on what one hive may cost.
const (
	maxCell  = 1 << 20 // bytes of one cell: a list of 65,535 keys has half of it
	maxCells = 100_000 // cells read in all
	maxBytes = 256 << 20
	maxDepth = 3 // lists of lists; Windows writes one level
	maxValue = 1 << 20
)

// bins is where the cells begin; offsets count from there.
const bins = 4096

// Hive is a registry hive. It is for one goroutine at a time.
type Hive struct {
	r     io.ReaderAt
	end   int64 // of the cells, as an offset in the file
	root  uint32
	dirty bool
	cells int64 // that may still be read
	bytes int64
}

// Open reads the header of a hive of size bytes.
func Open(r io.ReaderAt, size int64) (*Hive, error) {
	header := make([]byte, 512)
	if size < bins {
		return nil, fmt.Errorf("%w: %d bytes are too few for one", ErrDamaged, size)
	}
	if err := readFull(r, header, 0); err != nil {
		return nil, err
	}
	if string(header[:4]) != "regf" {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrDamaged)
	}
	sum := uint32(0)
	for i := 0; i < 508; i += 4 {
		sum ^= le32(header[i:])
	}
	switch sum { // the two values that a sum may not have
	case 0xffffffff:
		sum = 0xfffffffe
	case 0:
		sum = 1
	}
	h := &Hive{r: r, root: le32(header[36:]), cells: maxCells, bytes: maxBytes}
	h.dirty = le32(header[4:]) != le32(header[8:]) || sum != le32(header[508:])
	if major := le32(header[20:]); major != 1 {
		return nil, fmt.Errorf("%w: version %d", ErrDamaged, major)
	}
	// What lies behind the end that the header gives may be anything.
	h.end = min(size, bins+int64(le32(header[40:])))
	return h, nil
}

// Dirty reports whether changes to the hive may still be in its log files, which
// are not read: Windows was not shut down, or is hibernated.
func (h *Hive) Dirty() bool { return h.dirty }

// Key is a key of a hive.
type Key struct {
	h    *Hive
	name string
	cell []byte // of the key: nk
}

// Name is the key's name as it is written there.
func (k Key) Name() string { return k.name }

// Key returns the key at a path such as Microsoft\Windows NT\CurrentVersion, in
// whatever case.
func (h *Hive) Key(path string) (Key, error) {
	k, err := h.keyAt(h.root)
	if err != nil {
		return Key{}, err
	}
	for _, name := range strings.Split(path, `\`) {
		if name == "" {
			continue
		}
		if k, err = k.Key(name); err != nil {
			return Key{}, err
		}
	}
	return k, nil
}

func (h *Hive) keyAt(off uint32) (Key, error) {
	cell, err := h.cell(off, 76)
	if err != nil {
		return Key{}, err
	}
	if string(cell[:2]) != "nk" {
		return Key{}, fmt.Errorf("%w: no key at %#x", ErrDamaged, off)
	}
	name, err := text(cell, 76, int(le16(cell[72:])), le16(cell[2:])&0x20 != 0)
	return Key{h, name, cell}, err
}

// Key returns the key of that name below k, in whatever case.
func (k Key) Key(name string) (Key, error) {
	var found Key
	err := k.each(name, func(sub Key) bool {
		if strings.EqualFold(sub.name, name) {
			found = sub
			return false
		}
		return true
	})
	if err == nil && found.h == nil {
		err = fmt.Errorf(`%w: %s\%s`, ErrNotFound, k.name, name)
	}
	return found, err
}

// Keys returns the names of the keys below k, at most max of them.
func (k Key) Keys(max int) ([]string, error) {
	var names []string
	err := k.each("", func(sub Key) bool {
		names = append(names, sub.name)
		return len(names) < max
	})
	return names, err
}

// Prefixed returns the names of the keys below k that begin with a text, in
// whatever case, at most max of them. Lists of keys are sorted by their names in
// capital letters, on which Windows itself relies, so that few of them are read.
func (k Key) Prefixed(prefix string, max int) (names []string, err error) {
	if le32(k.cell[20:]) == 0 {
		return nil, nil
	}
	offsets, err := k.h.offsets(le32(k.cell[28:]), 0, nil)
	if err != nil {
		return nil, err
	}
	prefix = strings.ToUpper(prefix)
	at := sort.Search(len(offsets), func(i int) bool {
		sub, failed := k.h.keyAt(offsets[i])
		if failed != nil {
			err = failed
		}
		return err != nil || strings.ToUpper(sub.name) >= prefix
	})
	if err != nil {
		return nil, err
	}
	for _, off := range offsets[at:] {
		sub, err := k.h.keyAt(off)
		if err != nil {
			return names, err
		}
		if len(names) >= max || !strings.HasPrefix(strings.ToUpper(sub.name), prefix) {
			break
		}
		names = append(names, sub.name)
	}
	return names, nil
}

// offsets appends where the keys of a list are.
func (h *Hive) offsets(off uint32, depth int, all []uint32) ([]uint32, error) {
	kind, count, width, cell, err := h.listCell(off)
	if err != nil {
		return nil, err
	}
	if kind == "ri" && depth >= maxDepth {
		return nil, fmt.Errorf("%w: lists of keys in each other", ErrDamaged)
	}
	for i := range count {
		entry := le32(cell[4+i*width:])
		if kind != "ri" {
			all = append(all, entry)
		} else if all, err = h.offsets(entry, depth+1, all); err != nil {
			return nil, err
		}
		if len(all) > maxCells {
			return nil, fmt.Errorf("%w: %d keys", ErrTooLarge, len(all))
		}
	}
	return all, nil
}

// each calls f for the keys below k until it returns false. With a name, those
// are left out whose hash says that they have another.
func (k Key) each(name string, f func(Key) bool) error {
	if le32(k.cell[20:]) == 0 {
		return nil
	}
	_, err := k.h.list(le32(k.cell[28:]), name, 0, f)
	return err
}

// list goes through a list of keys; it returns whether to go on.
func (h *Hive) list(off uint32, name string, depth int, f func(Key) bool) (bool, error) {
	kind, count, width, cell, err := h.listCell(off)
	if err != nil {
		return false, err
	}
	if kind == "ri" {
		if depth++; depth > maxDepth {
			return false, fmt.Errorf("%w: lists of keys in each other", ErrDamaged)
		}
	}
	for i := range count {
		entry := cell[4+i*width:]
		if kind == "ri" {
			if more, err := h.list(le32(entry), name, depth, f); !more || err != nil {
				return false, err
			}
			continue
		}
		// Windows itself relies on the hashes (CmpFindSubKeyByHash).
		if kind == "lh" && name != "" && le32(entry[4:]) != hash(name) || kind == "lf" && name != "" && !hint(entry[4:8], name) {
			continue
		}
		k, err := h.keyAt(le32(entry))
		if err != nil {
			return false, err
		}
		if !f(k) {
			return false, nil
		}
	}
	return true, nil
}

// listCell reads a list of keys: its kind, how many entries it has, of how many
// bytes each, and the cell.
func (h *Hive) listCell(off uint32) (kind string, count, width int, cell []byte, err error) {
	if cell, err = h.cell(off, 4); err != nil {
		return "", 0, 0, nil, err
	}
	kind, count, width = string(cell[:2]), int(le16(cell[2:])), 4
	switch kind {
	case "lf", "lh":
		width = 8
	case "li", "ri":
	default:
		return "", 0, 0, nil, fmt.Errorf("%w: no list of keys at %#x", ErrDamaged, off)
	}
	if 4+count*width > len(cell) {
		return "", 0, 0, nil, fmt.Errorf("%w: the list at %#x is longer than its cell", ErrDamaged, off)
	}
	return kind, count, width, cell, nil
}

// hash is how lists of type lh name their keys.
func hash(name string) uint32 {
	h := uint32(0)
	for _, unit := range utf16.Encode([]rune(strings.ToUpper(name))) {
		h = h*37 + uint32(unit)
	}
	return h
}

// hint reports whether a name may be the one of an entry of type lf, which has
// its first four characters, or a zero for what is none of one byte.
func hint(entry []byte, name string) bool {
	for i := range min(len(name), 4) {
		if entry[i] == 0 || name[i] >= 0x80 {
			return true
		}
		if lower(entry[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

// Type is the type of a value.
type Type uint32

// The types that are told apart (winnt.h).
const (
	String       Type = 1 // REG_SZ
	ExpandString Type = 2 // REG_EXPAND_SZ
	Binary       Type = 3
	DWord        Type = 4
	MultiString  Type = 7
	QWord        Type = 11
)

// Value is a value of a key.
type Value struct {
	Type Type
	Data []byte
}

// Value returns the value of that name, in whatever case; "" is the default one.
func (k Key) Value(name string) (Value, error) {
	count := int(le32(k.cell[36:]))
	if count == 0 {
		return Value{}, fmt.Errorf(`%w: %s\%s`, ErrNotFound, k.name, name)
	}
	if count < 0 || count > maxCell/4 {
		return Value{}, fmt.Errorf("%w: %d values of one key", ErrDamaged, count)
	}
	list, err := k.h.cell(le32(k.cell[40:]), 4*count)
	if err != nil {
		return Value{}, err
	}
	for i := range count {
		cell, err := k.h.cell(le32(list[4*i:]), 20)
		if err != nil {
			return Value{}, err
		}
		if string(cell[:2]) != "vk" {
			return Value{}, fmt.Errorf("%w: no value at %#x", ErrDamaged, le32(list[4*i:]))
		}
		got, err := text(cell, 20, int(le16(cell[2:])), le16(cell[16:])&1 != 0)
		if err != nil {
			return Value{}, err
		}
		if strings.EqualFold(got, name) {
			data, err := k.h.data(cell)
			return Value{Type(le32(cell[12:])), data}, err
		}
	}
	return Value{}, fmt.Errorf(`%w: %s\%s`, ErrNotFound, k.name, name)
}

// data returns the data of a value.
func (h *Hive) data(vk []byte) ([]byte, error) {
	size, off := le32(vk[4:]), le32(vk[8:])
	const inside = 1 << 31 // up to four bytes lie in the place of the offset
	if size&inside != 0 {
		size &^= inside
		if size > 4 {
			return nil, fmt.Errorf("%w: a value of %d bytes in four", ErrDamaged, size)
		}
		return append([]byte(nil), vk[8:8+size]...), nil
	}
	if size == 0 {
		return nil, nil
	}
	if size > maxValue {
		return nil, fmt.Errorf("%w: a value of %d bytes", ErrTooLarge, size)
	}
	const segment = 16344 // what one cell of a long value holds
	if size <= segment {
		cell, err := h.cell(off, int(size))
		if err != nil {
			return nil, err
		}
		return cell[:size], nil
	}
	cell, err := h.cell(off, 8)
	if err != nil {
		return nil, err
	}
	if string(cell[:2]) != "db" { // hives up to version 1.3 have long cells
		if int(size) > len(cell) {
			return nil, fmt.Errorf("%w: a value of %d bytes in %d", ErrDamaged, size, len(cell))
		}
		return cell[:size], nil
	}
	count := int(le16(cell[2:]))
	list, err := h.cell(le32(cell[4:]), 4*count)
	if err != nil {
		return nil, err
	}
	var data []byte
	for i := 0; i < count && len(data) < int(size); i++ {
		want := min(int(size)-len(data), segment)
		part, err := h.cell(le32(list[4*i:]), want)
		if err != nil {
			return nil, err
		}
		data = append(data, part[:want]...)
	}
	if len(data) < int(size) {
		return nil, fmt.Errorf("%w: a value of %d bytes in %d", ErrDamaged, size, len(data))
	}
	return data, nil
}

// cell returns the contents of a cell that has at least least bytes.
func (h *Hive) cell(off uint32, least int) ([]byte, error) {
	if h.cells--; h.cells < 0 {
		return nil, fmt.Errorf("%w: %d cells", ErrTooLarge, maxCells)
	}
	at := bins + int64(off)
	if off == 0xffffffff || off%8 != 0 || at+4 > h.end {
		return nil, fmt.Errorf("%w: a cell at %#x", ErrDamaged, off)
	}
	// Most cells are short: one read for length and contents.
	first := make([]byte, min(256, h.end-at))
	if err := readFull(h.r, first, at); err != nil {
		return nil, err
	}
	size := -int64(int32(le32(first))) // in use: negative
	switch {
	case size < 8 || size > h.end-at:
		return nil, fmt.Errorf("%w: a cell of %d bytes at %#x", ErrDamaged, size, off)
	case size > maxCell+4:
		return nil, fmt.Errorf("%w: a cell of %d bytes", ErrTooLarge, size)
	case size-4 < int64(least):
		return nil, fmt.Errorf("%w: a cell of %d bytes at %#x, where %d are needed", ErrDamaged, size, off, least+4)
	}
	if h.bytes -= size; h.bytes < 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, maxBytes)
	}
	if size <= int64(len(first)) {
		return first[4:size], nil
	}
	cell := make([]byte, size-4)
	n := copy(cell, first[4:])
	return cell, readFull(h.r, cell[n:], at+4+int64(n))
}

// text returns a name of so many bytes at an offset of a cell.
func text(cell []byte, at, size int, latin1 bool) (string, error) {
	if at+size > len(cell) {
		return "", fmt.Errorf("%w: a name longer than its cell", ErrDamaged)
	}
	raw := cell[at : at+size]
	if !latin1 {
		return decode(raw), nil
	}
	runes := make([]rune, len(raw))
	for i, b := range raw {
		runes[i] = rune(b)
	}
	return string(runes), nil
}

func decode(utf16le []byte) string {
	units := make([]uint16, len(utf16le)/2)
	for i := range units {
		units[i] = le16(utf16le[2*i:])
	}
	return string(utf16.Decode(units))
}

// Text returns the text of a value, without what follows its end mark; false if
// it is none.
func (v Value) Text() (string, bool) {
	if v.Type != String && v.Type != ExpandString {
		return "", false
	}
	s, _, _ := strings.Cut(decode(v.Data), "\x00")
	return s, true
}

// Texts returns the texts of a value with several; false if it is none.
func (v Value) Texts() ([]string, bool) {
	if v.Type != MultiString {
		s, ok := v.Text()
		return []string{s}, ok
	}
	var all []string
	for s := range strings.SplitSeq(decode(v.Data), "\x00") {
		if s == "" {
			break
		}
		all = append(all, s)
	}
	return all, true
}

// Number returns the number that a value is; false if it is none.
func (v Value) Number() (uint64, bool) {
	switch {
	case v.Type == DWord && len(v.Data) == 4:
		return uint64(le32(v.Data)), true
	case v.Type == QWord && len(v.Data) == 8:
		return binary.LittleEndian.Uint64(v.Data), true
	}
	return 0, false
}

// readFull reads all of p, or says why not.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends at %d", ErrDamaged, off+int64(n))
	}
	return err
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
