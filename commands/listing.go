package commands

import (
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"glance-profile/internal/image"
	"glance-profile/internal/offline"
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
	return file, nil
}

// savedImages yields the images of a saved listing, and says which values it
// does not tell.
func savedImages(env *Env, path string, r io.Reader) iter.Seq2[image.Image, error] {
	return func(yield func(image.Image, error) bool) {
		for rec, err := range offline.Read(r) {
			if err != nil {
				yield(image.Image{}, fmt.Errorf("--from %s: %w", path, err))
				return
			}
			if len(rec.Unknown) > 0 {
				env.warn("image %s (%s): the openstack client does not show these as Glance has them, so they count as unset: %s",
					rec.Image.Name, rec.Image.ID, strings.Join(rec.Unknown, ", "))
			}
			if !yield(rec.Image, nil) {
				return
			}
		}
	}
}
