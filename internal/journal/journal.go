// Package journal records every change before it is sent: append-only JSON
// lines, one file a run, so that a rollback can put back exactly what was
// there, whatever interrupted the run. It never holds a credential.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"glance-profile/internal/plan"
)

// Entry is one line of a journal: an image's plan, written with a nil result
// before the request is sent and once more with its result afterwards.
type Entry struct {
	Version int        `json:"version"` // plan.Version
	Time    time.Time  `json:"time"`    // UTC
	Command string     `json:"command"` // the command line, secrets taken out
	Image   plan.Image `json:"image"`
}

// Journal is one open file. Record is safe for concurrent use.
type Journal struct {
	file    *os.File
	command string
	now     func() time.Time

	mu      sync.Mutex
	written int   // lines
	broken  error // why no further line can be trusted to be whole

	disk   sync.Mutex // held while the file is synced, taken before mu
	synced int        // lines
}

// Create makes a new journal file of mode 0600, with its directory if need be.
// Where path is a directory (or ends in a separator) the file gets a name of
// its own there, "<UTC time>-<verb>-<id>.jsonl"; any other path is the file
// itself, which is appended to if it is there. verb is the command's name,
// command the whole line as it is to be kept.
func Create(path, verb, command string, now func() time.Time) (*Journal, error) {
	info, err := os.Stat(path)
	if strings.HasSuffix(path, string(filepath.Separator)) || err == nil && info.IsDir() {
		name := fmt.Sprintf("%s-%s-%s.jsonl", now().UTC().Format("20060102T150405Z"), verb, uuid.NewString()[:8])
		path = filepath.Join(path, name)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the journal's directory: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	if err := prepare(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("open the journal %s: %w", path, err)
	}
	// The name has to survive a power cut as well as the lines do.
	if err := syncDir(filepath.Dir(path)); err != nil {
		file.Close()
		return nil, fmt.Errorf("open the journal %s: %w", path, err)
	}
	return &Journal{file: file, command: command, now: now}, nil
}

// Path returns the name of the journal's file.
func (j *Journal) Path() string { return j.file.Name() }

// Record appends one line and returns once it is on the disk. Lines that are
// written while the disk is busy share the next sync.
func (j *Journal) Record(img plan.Image) error {
	line, err := json.Marshal(Entry{Version: plan.Version, Time: j.now().UTC(), Command: j.command, Image: img})
	if err != nil {
		return fmt.Errorf("journal %s: image %s: %w", j.Path(), img.ID, err)
	}
	number, err := j.write(append(line, '\n'))
	if err != nil {
		return err
	}
	j.disk.Lock()
	defer j.disk.Unlock()
	if j.synced >= number {
		return nil
	}
	j.mu.Lock()
	written, err := j.written, j.broken
	j.mu.Unlock()
	if err != nil {
		return err // after a failed sync the next one proves nothing
	}
	if err := j.file.Sync(); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.broken = fmt.Errorf("write the journal: %w", err)
		return j.broken
	}
	j.synced = written
	return nil
}

// write appends one line and returns its number, counted from 1.
func (j *Journal) write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return 0, j.broken
	}
	if _, err := j.file.Write(line); err != nil {
		j.broken = fmt.Errorf("write the journal: %w", err)
		return 0, j.broken
	}
	j.written++
	return j.written, nil
}

// lineStart is how every line of a journal begins.
const lineStart = `{"version":`

// prepare makes a file fit to be appended to. It takes the file for this run
// alone, refuses one that is no journal, and takes off a last line that a
// cut-off run left without its end: nothing was sent for it.
func prepare(file *os.File) error {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := lock(file); err != nil {
		return err
	}
	start := make([]byte, len(lineStart))
	n, err := file.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !strings.HasPrefix(lineStart, string(start[:n])) {
		return errors.New("the file is there and is no journal; name another")
	}
	end := info.Size()
	buf := make([]byte, 64<<10)
	for end > 0 {
		start := max(0, end-int64(len(buf)))
		chunk := buf[:end-start]
		if _, err := file.ReadAt(chunk, start); err != nil {
			return err
		}
		if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 {
			end = start + int64(i) + 1
			break
		}
		end = start
	}
	if end == info.Size() {
		return nil
	}
	n, err = file.ReadAt(start, end)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !strings.HasPrefix(lineStart, string(start[:n])) {
		return errors.New("its last line is not that of a journal; name another file")
	}
	return file.Truncate(end)
}

// Close closes the file. Every recorded line is on the disk already.
func (j *Journal) Close() error { return j.file.Close() }

// Read returns the entries of a journal in their order. A last line without
// its end is what a cut-off run leaves behind and is passed over: nothing was
// sent before its line was whole. Anything else that cannot be read is an
// error with the line's number.
func Read(r io.Reader) ([]Entry, error) {
	var entries []Entry
	if err := each(r, func(e Entry) { entries = append(entries, e) }); err != nil {
		return nil, err
	}
	return entries, nil
}

// torn judges what stands behind the last end of a line: the beginning of a line
// that was cut off counts for nothing, and anything else is no journal.
func torn(line []byte, number int) error {
	start := line[:min(len(line), len(lineStart))]
	if !strings.HasPrefix(lineStart, string(start)) {
		return fmt.Errorf("line %d: that is no line of a journal", number)
	}
	return nil
}

// maxLine bounds a line, in bytes: an image has at most some 9 MiB of
// properties under Glance's own limits, and a line holds them twice.
const maxLine = 64 << 20

// readLine reads to the end of a line. Without one, the error is io.EOF.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, fmt.Errorf("it is longer than %d bytes", maxLine)
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// each hands over the entries of a journal one at a time.
func each(r io.Reader, see func(Entry)) error {
	buffered := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := readLine(buffered)
		if errors.Is(err, io.EOF) {
			return torn(line, number)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if e.Version != plan.Version {
			return fmt.Errorf("line %d: version %d, but this program reads version %d", number, e.Version, plan.Version)
		}
		see(e)
	}
}
