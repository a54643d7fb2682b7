package commands

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"glance-profile/internal/image"
	"glance-profile/internal/offline"
	"glance-profile/internal/selection"
)

// openListing opens what --from names: a saved listing, or standard input for -.
func openListing(ctx context.Context, env *Env, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(interruptible(ctx, env.In)), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usagef("--from: %v", err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, usagef("--from: %s is a directory", path)
	}
	return struct {
		io.Reader
		io.Closer
	}{interruptible(ctx, file), file}, nil
}

// interruptible returns a reader whose reads end with the context, even where
// nobody writes into the pipe behind it.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	type result struct {
		n   int
		err error
	}
	buf, done := make([]byte, 64<<10), make(chan result, 1)
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		go func() {
			n, err := r.Read(buf[:min(len(buf), len(p))])
			done <- result{n, err}
		}()
		select {
		case got := <-done:
			return copy(p, buf[:got.n]), got.err
		case <-ctx.Done(): // the read is left behind, and its buffer with it
			return 0, ctx.Err()
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

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
// not tell. An error of do ends it. missing counts the names that no image has,
// which are told.
func chooseSaved(ctx context.Context, env *Env, path string, q selection.Query, do func(image.Image) error) (missing int, err error) {
	file, err := openListing(ctx, env, path)
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
		if err := do(rec.Image); err != nil {
			return 0, err
		}
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
