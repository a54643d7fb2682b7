// Package selection chooses images: by id or name, or by conditions on their
// base fields and properties, from Glance or from a saved listing. It asks
// Glance for no more than it must, checks every answer itself, and changes
// nothing.
package selection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"glance-profile/internal/glance"
	"glance-profile/internal/image"
)

// Query says which images are meant. The named ones are chosen in any case;
// beside them, if All, Mine or Where is given, those that fulfil all of these.
type Query struct {
	Names []string // ids or names, as the user gave them
	Where []Expr   // all must hold
	All   bool     // every image of a plain listing, where nothing else narrows it
	Mine  bool     // owned by Project

	// Project is the id of the caller's project.
	Project string
	// Admin keeps the images of other owners, which are otherwise left out
	// and counted, unless they were named.
	Admin bool
	// Jobs bounds how many names are looked up at once; below 2, one after
	// another.
	Jobs int
	// BothEnds lists the images from both ends at once, which asks for up to two
	// pages more than a single listing.
	BothEnds bool
}

// Empty tells that a query names no image and has no condition: for a command
// that changes images a usage error.
func (q Query) Empty() bool {
	return len(q.Names) == 0 && !q.filters()
}

func (q Query) filters() bool { return q.All || q.Mine || len(q.Where) > 0 }

// match tells whether an image fulfils the conditions, whoever owns it.
func (q Query) match(img image.Image) bool {
	if q.Mine && (q.Project == "" || img.Owner != q.Project) {
		return false
	}
	return !slices.ContainsFunc(q.Where, func(e Expr) bool { return !e.Match(img) })
}

// negated are the properties that conditions want to be missing or different,
// each once.
func (q Query) negated() []string {
	var names []string
	for _, e := range q.Where {
		if name, ok := e.negates(); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// without returns the names of those properties that an image does not have.
func without(names []string, img image.Image) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		_, has := img.Properties[name]
		return has || slices.Contains(img.Nulls, name)
	})
}

// Result is what Select found.
type Result struct {
	Images []image.Image // each once, by name and then id; none from Each
	// LeftOut counts the images that fulfil the conditions and belong to
	// others.
	LeftOut int
	// Missing has an error for each name that led to no image, in the order
	// of the names: a *NameError, or Glance's refusal.
	Missing []error
	// Listings are the queries of Glance's API that were asked for the images
	// that fulfil the conditions; none where images were named.
	Listings []url.Values
	// Unmet are the properties that a condition wants to be missing or
	// different, and that no image has of those that Glance listed.
	Unmet []string
}

// NameError says that a name stands for no image or for several.
type NameError struct {
	Name string
	IDs  []string // of the several; none if there is no such image
}

// maxIDs bounds how many ids of an ambiguous name are written out.
const maxIDs = 20

func (e *NameError) Error() string {
	if len(e.IDs) == 0 {
		return fmt.Sprintf("no image has the name or id %s", strconv.Quote(e.Name))
	}
	ids := strings.Join(e.IDs[:min(len(e.IDs), maxIDs)], ", ")
	if more := len(e.IDs) - maxIDs; more > 0 {
		ids += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%d images have the name %s: give one of their ids instead: %s", len(e.IDs), strconv.Quote(e.Name), ids)
}

// Lister is what selection needs of Glance; *glance.Client has it.
type Lister interface {
	// Get reads one image by id; glance.Status of its error is 404 where
	// there is none.
	Get(ctx context.Context, id string) (image.Image, error)
	// List yields the images that a query of Glance's API selects.
	List(ctx context.Context, query url.Values) iter.Seq2[image.Image, error]
}

// ErrEmpty is Select's answer to a query that names nothing.
var ErrEmpty = errors.New("no image is named and no condition given")

// Select finds the images of a query. Names that lead to none or to several are
// in the result's Missing, and the rest is chosen all the same; the error is of
// what prevents the whole: an empty query (ErrEmpty), --mine without a project,
// a broken connection, an answer that cannot be read.
func Select(ctx context.Context, l Lister, q Query) (Result, error) {
	var images []image.Image
	result, err := Each(ctx, l, q, func(img image.Image) error {
		images = append(images, img)
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	slices.SortFunc(images, func(a, b image.Image) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	result.Images = images
	return result, nil
}

// Each is Select for any number of images: it hands them on as they come, each
// once, and keeps none. An error of do ends it.
func Each(ctx context.Context, l Lister, q Query, do func(image.Image) error) (Result, error) {
	if q.Empty() {
		return Result{}, ErrEmpty
	}
	if q.Mine && q.Project == "" {
		return Result{}, errors.New("images of one's own project are asked for, and this login has no project; give a condition such as owner=PROJECT_ID")
	}
	var result Result
	seen := map[string]bool{}
	named, err := lookUpAll(ctx, l, q)
	if err != nil {
		return Result{}, err
	}
	for _, found := range named {
		switch {
		case found.err != nil:
			result.Missing = append(result.Missing, found.err)
		case !seen[found.image.ID]:
			seen[found.image.ID] = true
			if err := do(found.image); err != nil {
				return result, err
			}
		}
	}
	result.Listings, result.Unmet = q.listings(), q.negated()
	for _, query := range result.Listings {
		images := l.List(ctx, query)
		if q.BothEnds {
			images = fromBothEnds(ctx, l, query)
		}
		for img, err := range images {
			if err != nil {
				return result, err
			}
			result.Unmet = without(result.Unmet, img)
			if seen[img.ID] || !q.match(img) {
				continue
			}
			seen[img.ID] = true
			if !q.Admin && img.Owner != q.Project {
				result.LeftOut++
				continue
			}
			if err := do(img); err != nil {
				return result, err
			}
		}
	}
	return result, nil
}

// pageSize is the largest page that Glance gives without being set up for
// more (glance/common/config.py, api_limit_max).
const pageSize = "1000"

const pageLength = 1000 // pageSize as a number

// page returns a listing's query to start from. The oldest images come first,
// so that one made meanwhile moves no other to another page.
func page(hidden bool) url.Values {
	return url.Values{"limit": {pageSize}, "sort": {"created_at:asc,id:asc"}, "os_hidden": {strconv.FormatBool(hidden)}}
}

// PlainListing returns the query of Glance's API that lists every image but the
// hidden ones.
func PlainListing() url.Values { return page(false) }

// listings returns the queries whose answers together hold every image that
// fulfils the conditions: none, one, or two where hidden images are wanted
// beside the others. Glance compares without regard to case, as its database
// does, and what it cannot compare is not asked of it: it narrows, match
// decides.
func (q Query) listings() []url.Values {
	if !q.filters() {
		return nil
	}
	var base []func(url.Values)
	set := func(name, value string) {
		base = append(base, func(v url.Values) { v.Set(name, value) })
	}
	plain, hidden, asked := true, true, false
	if q.Mine {
		set("owner", q.Project)
	}
	for _, e := range q.Where {
		if e.name == "hidden" {
			asked = true
			plain = plain && e.Match(image.Image{})
			hidden = hidden && e.Match(image.Image{Hidden: true})
		}
		if e.name == "visibility" && e.op == like && e.Match(image.Image{Visibility: "community"}) {
			set("visibility", "all")
		}
	}
	for _, e := range q.Where {
		if e.op != equal || e.value == "" {
			continue
		}
		switch e.name {
		case "visibility", "status":
			set(e.name, e.value)
		case "owner":
			if !q.Mine {
				set("owner", e.value)
			}
		case "name":
			set("name", filterText(e.value))
		case "tag":
			// Glance takes blanks off both ends of the tag that it is asked for.
			if strings.TrimSpace(e.value) == e.value {
				base = append(base, func(v url.Values) { v.Add("tag", e.value) })
			}
		}
	}
	var list []url.Values
	for _, isHidden := range []bool{false, true} {
		if isHidden && !(asked && hidden) || !isHidden && !plain {
			continue
		}
		query := page(isHidden)
		for _, narrow := range base {
			narrow(query)
		}
		list = append(list, query)
	}
	return list
}

// filterText writes a text so that Glance compares all of it: what stands
// before a colon it takes for an operator. Source: glance/common/utils.py,
// split_filter_op.
func filterText(text string) string {
	if strings.Contains(text, ":") {
		return "eq:" + text
	}
	return text
}

type found struct {
	image image.Image
	err   error
}

// lookUpAll looks up the names, each once.
func lookUpAll(ctx context.Context, l Lister, q Query) ([]found, error) {
	var names []string
	for _, name := range q.Names {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	results := make([]found, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, q.Jobs))
	for i, name := range names {
		group.Go(func() error {
			img, err := lookUp(ctx, l, name, q.Project)
			var unclear *NameError
			if err != nil && !errors.As(err, &unclear) {
				err = fmt.Errorf("look up image %s: %w", strconv.Quote(name), err)
				if glance.Status(err) != http.StatusForbidden {
					return err
				}
			}
			results[i] = found{img, err}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return results, nil
}

// lookUp finds one image by id, or else by its exact name. Where several have
// the name, one that a plain listing shows goes before another project's
// community image, and that before a hidden one: openstack's client finds the
// first kind before all others, and nobody should be able to make a name
// ambiguous for everyone by publishing an image under it.
// Source: openstack/image/v2/image.py, Image.find.
func lookUp(ctx context.Context, l Lister, name, project string) (image.Image, error) {
	if image.IsID(name) {
		img, err := l.Get(ctx, name)
		if err == nil || glance.Status(err) != http.StatusNotFound {
			return img, err
		}
	}
	if name == "" || !utf8.ValidString(name) {
		return image.Image{}, &NameError{Name: name}
	}
	for _, hidden := range []bool{false, true} {
		query := page(hidden)
		query.Set("name", filterText(name))
		query.Set("visibility", "all")
		var plain, community []image.Image
		seen := map[string]bool{} // an image may stand on two pages
		for img, err := range l.List(ctx, query) {
			switch {
			case err != nil:
				return image.Image{}, err
			case img.Name != name || seen[img.ID]:
				continue
			case img.Visibility == "community" && img.Owner != project:
				community = append(community, img)
			default:
				plain = append(plain, img)
			}
			seen[img.ID] = true
		}
		for _, list := range [][]image.Image{plain, community} {
			switch len(list) {
			case 0:
			case 1:
				return list[0], nil
			default:
				unclear := &NameError{Name: name}
				for _, img := range list {
					unclear.IDs = append(unclear.IDs, img.ID)
				}
				slices.Sort(unclear.IDs)
				return image.Image{}, unclear
			}
		}
	}
	return image.Image{}, &NameError{Name: name}
}

// Chooser tells which images of a saved listing a query chooses: the named
// ones, by id or name, and those that fulfil the conditions; all if the query is
// empty. Whose they are does not matter but to Mine, since nothing is changed.
// Of several with one name all are chosen.
type Chooser struct {
	q      Query
	met    map[string]bool // has every name of the query; whether an image had it
	chosen int
	unmet  []string
}

// NewChooser returns a chooser that has seen no image.
func NewChooser(q Query) *Chooser {
	c := &Chooser{q: q, met: map[string]bool{}, unmet: q.negated()}
	for _, name := range q.Names {
		c.met[name] = false
	}
	return c
}

// Chooses reports whether the query chooses an image, and keeps which names the
// image has.
func (c *Chooser) Chooses(img image.Image) bool {
	c.unmet = without(c.unmet, img)
	chosen := c.q.Empty() || c.q.filters() && c.q.match(img)
	for _, name := range []string{img.ID, img.Name} {
		if _, wanted := c.met[name]; wanted && name != "" {
			c.met[name], chosen = true, true
		}
	}
	if chosen {
		c.chosen++
	}
	return chosen
}

// Chosen counts the images that were chosen so far.
func (c *Chooser) Chosen() int { return c.chosen }

// Unmet are the properties that a condition wants to be missing or different,
// and that no image had so far.
func (c *Chooser) Unmet() []string { return c.unmet }

// Missing has an error for each name that no image had so far, in the order of
// the names.
func (c *Chooser) Missing() []*NameError {
	var missing []*NameError
	told := map[string]bool{}
	for _, name := range c.q.Names {
		if !c.met[name] && !told[name] {
			told[name] = true
			missing = append(missing, &NameError{Name: name})
		}
	}
	return missing
}
