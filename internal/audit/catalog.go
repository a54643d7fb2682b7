package audit

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/image"
	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
)

// catalogRules describe the findings of a Catalog.
var catalogRules = [...]Rule{
	{
		ID: "name-not-unique", Kind: OnCatalog, Severity: property.Warning,
		Title:     "a name leads to one visible image",
		Why:       "openstack server create --image NAME fails, or takes whichever comes first.",
		Example:   "two public images ubuntu-24.04",
		Mend:      "Rename or hide all but one.",
		Reference: "openstack/image/v2/image.py Image.find",
	},
	{
		ID: "generic-not-unique", Kind: OnCatalog, Severity: property.Warning,
		Title:     "a cloud offers one public generic image of each release and architecture",
		Why:       "With several of os_purpose=generic users and tools cannot tell which is the one.",
		Example:   "two public images with os_purpose=generic, os_distro=ubuntu, os_version=24.04",
		Mend:      "Hide the older ones, or give the special ones another os_purpose.",
		Reference: "SCS-0102, os_purpose",
	},
	{
		ID: "superseded-visible", Kind: OnCatalog, Severity: property.Warning,
		Title:     "an image that a newer one replaces is hidden or has another name",
		Why:       "Users go on making servers of the old one, without its updates.",
		Example:   "two images debian-12 of one owner, a year apart",
		Mend:      "Hide the older one: servers made of it keep working. glance-profile audit --fix does it.",
		Reference: "openstack image set --hidden",
	},
	{
		ID: "duplicate-data", Kind: OnCatalog, Severity: property.Info,
		Title:     "the same data is there once",
		Why:       "Two images with the same data take the room twice, and one of them will be forgotten.",
		Example:   "two images with the same os_hash_value",
		Mend:      "Delete one, unless they differ in their properties on purpose.",
		Reference: "glance/location.py set_data",
	},
}

// Catalog gathers what the rules on all images of one cloud need to know of
// each. The zero value is an empty catalog. It keeps some 400 bytes an image.
type Catalog struct {
	seen map[string]bool
	all  []entry
}

// entry is an image as the rules on a catalog know it.
type entry struct {
	id, name, owner, visibility string
	generic                     string // which generic image it is, "" for none
	os                          string // which system it says it holds
	data                        string // its hash; "" for none
	properties                  [8]byte
	hidden, active              bool
	created                     time.Time
	number                      int // in the order of Add
}

// maxNamed is how many other images a message names.
const maxNamed = 3

// Add takes an image up. One that was added before is left out.
func (c *Catalog) Add(img image.Image) {
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	if img.ID != "" {
		if c.seen[img.ID] {
			return
		}
		c.seen[img.ID] = true
	}
	p := img.Properties
	e := entry{
		id: strings.Clone(img.ID), name: strings.Clone(img.Name), owner: strings.Clone(img.Owner), visibility: img.Visibility,
		hidden: img.Hidden, active: img.Status == "active" || img.Status == "", created: img.CreatedAt, number: len(c.all),
		os: strings.Join([]string{p["os_distro"], p["os_version"], cmp.Or(p["architecture"], p["hw_architecture"])}, " "),
	}
	if strings.EqualFold(p["os_purpose"], "generic") && p["os_distro"] != "" && img.Visibility == "public" && !img.Hidden {
		e.generic = e.os
	}
	if img.HashValue != "" && img.Size != nil && *img.Size > 0 {
		e.data = img.HashAlgo + " " + img.HashValue
	}
	e.properties = digest(p)
	c.all = append(c.all, e)
}

// digest tells sets of properties apart.
func digest(properties map[string]string) (sum [8]byte) {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		write(h, name)
		write(h, properties[name])
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

func write(h hash.Hash, text string) { fmt.Fprintf(h, "%d:%s", len(text), text) }

// CatalogFinding is a finding with the image that it is about.
type CatalogFinding struct {
	ID, Name string
	Finding
}

// Findings judges the catalog as a whole. The findings are in the order in
// which the images were added, then sorted by rule.
func (c *Catalog) Findings() []CatalogFinding {
	var findings []numbered
	add := func(e *entry, id, property, value, message string, fix []Fix) {
		i := slices.IndexFunc(catalogRules[:], func(r Rule) bool { return r.ID == id })
		r := &catalogRules[i]
		findings = append(findings, numbered{e.number, CatalogFinding{e.id, e.name, Finding{
			Rule: r.ID, Severity: r.Severity, Property: property, Value: value, Message: message, Reference: r.Reference, Fix: fix,
		}}})
	}
	for _, group := range groups(c.all, func(e *entry) string {
		if e.hidden || !e.active {
			return ""
		}
		return e.name
	}) {
		owned, public, publicOf, newest := map[string][]*entry{}, []*entry{}, map[string]int{}, map[string]*entry{}
		for _, e := range group {
			owned[e.owner] = append(owned[e.owner], e)
			if e.visibility == "public" {
				public = append(public, e)
				publicOf[e.owner]++
			}
			if n := newest[e.owner]; n == nil || e.created.After(n.created) {
				newest[e.owner] = e
			}
		}
		for _, e := range group {
			// What its owner sees beside it in a plain listing; where it is public
			// itself, that is what everybody sees.
			mine, theirs := owned[e.owner], public
			n := len(mine) - 1
			if e.visibility == "community" { // which nobody but its owner is shown
				theirs = nil
			} else {
				n += len(public) - publicOf[e.owner]
			}
			if n == 0 {
				continue
			}
			text := several(e, n, mine, theirs)
			add(e, "name-not-unique", "name", e.name, "the name also leads to "+text, nil)
			if newer := newest[e.owner]; e.replacedBy(newer) {
				add(e, "superseded-visible", "os_hidden", "false", fmt.Sprintf("%s of %s replaces it, and it is neither hidden nor renamed", newer.id, newer.created.UTC().Format(time.DateOnly)),
					[]Fix{{Property: "os_hidden", Before: false, After: true}})
			}
		}
	}
	for _, group := range groups(c.all, func(e *entry) string { return e.generic }) {
		for _, e := range group {
			text := several(e, len(group)-1, group)
			add(e, "generic-not-unique", "os_purpose", "generic", "public and generic like "+text+", of "+spelling.Quote(strings.TrimSpace(e.os)), nil)
		}
	}
	for _, group := range groups(c.all, func(e *entry) string { return e.data }) {
		alike := map[[8]byte]int{}
		for _, e := range group {
			alike[e.properties]++
		}
		for _, e := range group {
			text := several(e, len(group)-1, group)
			same := "with other properties"
			if alike[e.properties] > 1 {
				same = "and the same properties"
			}
			add(e, "duplicate-data", "", "", "the same data "+same+" as "+text, nil)
		}
	}
	slices.SortStableFunc(findings, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.number, b.number), compare(a.Finding, b.Finding))
	})
	sorted := make([]CatalogFinding, len(findings))
	for i, f := range findings {
		sorted[i] = f.CatalogFinding
	}
	return sorted
}

type numbered struct {
	number int
	CatalogFinding
}

// groups returns the entries with the same key, of two and more, in the order
// of their first ones; those with the key "" are in none.
func groups(all []entry, key func(*entry) string) [][]*entry {
	byKey := map[string][]*entry{}
	for i := range all {
		if k := key(&all[i]); k != "" {
			byKey[k] = append(byKey[k], &all[i])
		}
	}
	var list [][]*entry
	for _, group := range byKey {
		if len(group) > 1 {
			list = append(list, group)
		}
	}
	slices.SortFunc(list, func(a, b []*entry) int { return cmp.Compare(a[0].number, b[0].number) })
	return list
}

// replacedBy reports whether a newer image of the same owner stands for e.
func (e *entry) replacedBy(newer *entry) bool {
	return newer.owner == e.owner && newer.visibility == e.visibility && newer.os == e.os && newer.created.After(e.created)
}

// several names the first of the other entries in lists, of n in all.
func several(e *entry, n int, lists ...[]*entry) string {
	var ids []string
	for _, list := range lists {
		for _, o := range list {
			if name := cmp.Or(o.id, spelling.Quote(o.name)); len(ids) < maxNamed && o != e && !slices.Contains(ids, name) {
				ids = append(ids, name)
			}
			if len(ids) == maxNamed {
				break
			}
		}
	}
	text := strings.Join(ids, ", ")
	if more := n - len(ids); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
