package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/plan"
)

// Place is where images of a journal are.
type Place struct {
	Cloud, Endpoint, Region, Project string // Project is an id
}

// Summary is one journal at a glance.
type Summary struct {
	Path    string
	Time    time.Time // of its last line, UTC; of its last writing, where no line could be read
	Command string    // of its last line
	Verb    string    // the command's name, from the file's, "" where it has another kind of name
	Places  []Place   // in their order, each once
	Images  int       // images that were begun
	Err     error     // why the journal could not be read to its end
}

// At reports whether the journal is of an endpoint and project.
func (s Summary) At(endpoint, project string) bool {
	return slices.ContainsFunc(s.Places, func(p Place) bool {
		return strings.TrimRight(p.Endpoint, "/") == strings.TrimRight(endpoint, "/") && p.Project == project
	})
}

// List returns the journals of a directory, the oldest first. A directory that
// is not there has none. One that cannot be read does not hide the others: its
// Err says why. Journals without a whole line are left out: nothing was done.
func List(dir string) ([]Summary, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the journals: %w", err)
	}
	var list []Summary
	for _, file := range files {
		if file.IsDir() || !strings.HasSuffix(file.Name(), ".jsonl") {
			continue
		}
		s := summarize(filepath.Join(dir, file.Name()))
		if s.Images > 0 || s.Err != nil {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b Summary) int { return a.Time.Compare(b.Time) })
	return list, nil
}

// ErrNone says that there is no journal of the kind that was asked for.
var ErrNone = errors.New("no journal of a change to this cloud and project")

// VerbRollback is the name of the command that takes a run back.
const VerbRollback = "rollback"

// Last returns the newest journal of an endpoint and project, or ErrNone. The
// journals of rollbacks do not count: taking back the last run twice does not
// bring it about again. rolledBack reports that there was one since. A newer
// journal that cannot be read is an error: it may be the one that is meant.
func Last(dir, endpoint, project string) (last Summary, rolledBack bool, err error) {
	list, err := List(dir)
	if err != nil {
		return Summary{}, false, err
	}
	for _, s := range slices.Backward(list) {
		switch {
		case s.Verb == VerbRollback:
			rolledBack = rolledBack || s.At(endpoint, project)
		case s.Err != nil && (len(s.Places) == 0 || s.At(endpoint, project)):
			return s, rolledBack, fmt.Errorf("journal %s: %w", s.Path, s.Err)
		case s.At(endpoint, project):
			return s, rolledBack, nil
		}
	}
	return Summary{}, rolledBack, ErrNone
}

func summarize(path string) Summary {
	s := Summary{Path: path, Verb: verb(filepath.Base(path))}
	file, err := os.Open(path)
	if err != nil {
		s.Err = err
		return s
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		s.Time = info.ModTime().UTC()
	}
	seen := map[string]bool{}
	s.Err = each(file, func(e Entry) {
		s.Time, s.Command = e.Time, e.Command
		place := Place{e.Image.Cloud, e.Image.Endpoint, e.Image.Region, e.Image.Project}
		if !slices.Contains(s.Places, place) {
			s.Places = append(s.Places, place)
		}
		seen[e.Image.Endpoint+"\x00"+e.Image.ID] = true
	})
	s.Images = len(seen)
	return s
}

// verb takes the command's name out of the name that Create gives a journal.
func verb(name string) string {
	_, rest, ok := strings.Cut(strings.TrimSuffix(name, ".jsonl"), "-")
	if i := strings.LastIndexByte(rest, '-'); ok && i > 0 {
		return rest[:i]
	}
	return ""
}

// Load reads the journal of that name.
func Load(path string) ([]Entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	defer file.Close()
	entries, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return entries, nil
}

// LoadEnded reads the journal of a run that has ended: what a run still does
// could not be taken back.
func LoadEnded(path string) ([]Entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	defer file.Close()
	if inUse(file) {
		return nil, fmt.Errorf("journal %s: its run is still going on; wait for it, or stop it with Ctrl-C", path)
	}
	entries, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return entries, nil
}

// Images returns the last state of each change, in the order in which they
// were begun. An image that several runs have changed is there once for each.
func Images(entries []Entry) []plan.Image {
	var images []plan.Image
	last := map[string]int{}
	for _, e := range entries {
		key := e.Image.Endpoint + "\x00" + e.Image.ID
		i, known := last[key]
		if !known || e.Image.Result == nil {
			last[key] = len(images)
			images = append(images, e.Image)
			continue
		}
		images[i] = e.Image
	}
	return images
}
