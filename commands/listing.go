package commands

import (
	"fmt"
	"io"
	"os"
	"strings"

	"glance-profile/internal/image"
	"glance-profile/internal/offline"
	"glance-profile/internal/selection"
)

// openListing opens what --from names: a saved listing, or standard input for -.
func openListing(env *Env, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(env.In), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usagef("--from: %v", err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, usagef("--from: %s is a directory", path)
	}
	return file, nil
}

// checkListing refuses what a saved listing has no answer to. out is where a plan
// is to be saved, "" for nowhere.
func checkListing(q selection.Query, out string) error {
	switch {
	case q.Mine:
		return usagef("--mine asks for a project, which a saved listing has not; use --where owner=ID")
	case out != "":
		return usagef("--out saves a plan for the images of a cloud, and --from has none; leave one of the two out")
	}
	return nil
}

// chooseSaved hands on those images of a saved listing that a query chooses, one
// at a time and in their order, and says which of their values the listing does
// not tell. missing counts the names that no image has, which are told.
func chooseSaved(env *Env, path string, q selection.Query, do func(image.Image)) (missing int, err error) {
	file, err := openListing(env, path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	chooser := selection.NewChooser(q)
	for rec, err := range offline.Read(file) {
		switch {
		case err != nil:
			return 0, fmt.Errorf("--from %s: %w", path, err)
		case !chooser.Chooses(rec.Image):
			continue
		case len(rec.Unknown) > 0:
			env.warn("image %s (%s): the openstack client does not show these as Glance has them, so they count as unset: %s",
				rec.Image.Name, rec.Image.ID, strings.Join(rec.Unknown, ", "))
		}
		do(rec.Image)
	}
	return tellChoice(env, chooser), nil
}

// tellChoice tells, once a saved listing was gone through, the names that no
// image has, which it counts, or that no image was chosen, or all of them for a
// name that may be misspelt.
func tellChoice(env *Env, c *selection.Chooser) (missing int) {
	names := c.Missing()
	for _, name := range names {
		env.fail(name)
	}
	if c.Chosen() == 0 && len(names) == 0 {
		env.note("no image matches")
	}
	if c.Chosen() > 0 {
		warnUnmet(env, c.Unmet())
	}
	return len(names)
}
