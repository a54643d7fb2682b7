package commands

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/url"
	"strings"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/render"
)

// checkExisting does what --if-exists asks for. done says that there is nothing
// left to do. Only images of the owner count: another project's image of the
// same name is no reason not to have one's own.
func checkExisting(ctx context.Context, env *Env, o createOptions, s *session, owner string, in *input, planned plan.Image) (done bool, err error) {
	if o.ifExists == existsNew {
		return false, nil
	}
	found, err := imagesNamed(ctx, s, o.name, owner)
	if err != nil {
		return false, err
	}
	if len(found) == 0 {
		return false, nil
	}
	ids := make([]string, len(found))
	for i, img := range found {
		ids[i] = img.ID
	}
	if o.ifExists == existsError {
		return false, fmt.Errorf("image %s exists already, with the id %s; nothing was sent", render.Quoted(o.name), strings.Join(ids, ", "))
	}
	var reasons []string
	for _, img := range found {
		differences, err := compareExisting(ctx, img, in, planned)
		if err != nil {
			return false, err
		}
		if o.id != "" && img.ID != o.id {
			differences = append(differences, "its id")
		}
		if len(differences) == 0 {
			env.note("image %s (%s) is unchanged", render.Quoted(o.name), img.ID)
			return true, printImage(env, o, img)
		}
		reasons = append(reasons, fmt.Sprintf("%s: %s", img.ID, strings.Join(differences, ", ")))
	}
	return false, fmt.Errorf("image %s exists already and differs (%s); nothing was sent: delete or rename it, or use --if-exists new",
		render.Quoted(o.name), strings.Join(reasons, "; "))
}

// imagesNamed lists the images of an owner that have a name, hidden ones too: a
// plain listing leaves them out, but whoever unhides one would find two.
func imagesNamed(ctx context.Context, s *session, name, owner string) ([]image.Image, error) {
	var found []image.Image
	for _, hidden := range []string{"false", "true"} {
		query := url.Values{"name": {name}, "visibility": {"all"}, "os_hidden": {hidden}}
		if owner != "" { // a login without a project sees whatever it may see
			query.Set("owner", owner)
		}
		if strings.Contains(name, ":") {
			// What stands before a colon is an operator to Glance (in:, eq: …),
			// glance/common/utils.py split_filter_op; eq: takes the rest whole.
			query.Set("name", "eq:"+name)
		}
		for img, err := range s.glance.List(ctx, query) {
			if err != nil {
				return nil, err
			}
			if img.Name == name {
				found = append(found, img)
			}
		}
	}
	return found, nil
}

// compareExisting lists in what an image differs from the one that is planned:
// its status, the properties and fields of the plan, properties that the plan
// does not have, and its data.
func compareExisting(ctx context.Context, img image.Image, in *input, planned plan.Image) ([]string, error) {
	var differences []string
	wanted := map[string]bool{}
	if want := in.status(); img.Status != want {
		differences = append(differences, fmt.Sprintf("its status is %s", img.Status))
	}
	for _, change := range planned.Changes {
		wanted[change.Property] = true
		if held := img.Value(change.Property); !plan.Equal(held, change.After) {
			differences = append(differences, fmt.Sprintf("%s is %s instead of %s", change.Property, show(held), show(change.After)))
		}
	}
	for _, name := range sortedKeys(img.Properties) {
		if !wanted[name] && !madeByOthers(name) {
			differences = append(differences, fmt.Sprintf("%s is %s instead of unset", name, show(img.Properties[name])))
		}
	}
	if len(differences) > 0 || !in.given() {
		return differences, nil
	}
	same, err := in.sameData(ctx, img)
	if err != nil {
		return nil, err
	}
	if !same {
		differences = append(differences, "its data")
	}
	return differences, nil
}

// madeByOthers names properties that the standard client or Glance's plugins
// add by themselves, which therefore say nothing about the image.
func madeByOthers(name string) bool {
	return strings.HasPrefix(name, "owner_specified.openstack.")
}

// newHash returns the hash that Glance names in os_hash_algo, where this
// program knows it, and MD5 for the field checksum otherwise.
func newHash(img image.Image) (h hash.Hash, want string) {
	switch {
	case img.HashValue == "":
	case img.HashAlgo == "sha512":
		return sha512.New(), img.HashValue
	case img.HashAlgo == "sha256":
		return sha256.New(), img.HashValue
	}
	return md5.New(), img.Checksum
}

// sameReader compares a stream with what Glance says of an image's data.
func sameReader(r io.Reader, img image.Image) (bool, error) {
	h, want := newHash(img)
	n, err := io.Copy(h, r)
	if err != nil {
		return false, err
	}
	return want != "" && hex.EncodeToString(h.Sum(nil)) == want && (img.Size == nil || *img.Size == n), nil
}
