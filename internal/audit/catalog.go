package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
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
		Title:     "a name should lead to one image",
		Why:       "openstack server create --image NAME refuses a name that is ambiguous, and other tools may take whichever image comes first.",
		Example:   "two public images ubuntu-24.04",
		Mend:      "Rename or hide all images of the name but one.",
		Reference: "openstack/image/v2/image.py Image.find",
	},
	{
		ID: "generic-not-unique", Kind: OnCatalog, Severity: property.Warning,
		Title:     "a cloud should have one public generic image of each release and architecture",
		Why:       "With several images of os_purpose=generic, users and tools cannot tell which one to use.",
		Example:   "two public images with os_purpose=generic, os_distro=ubuntu, os_version=24.04",
		Mend:      "Hide the older ones, or set another os_purpose on those with a special purpose.",
		Reference: "SCS-0102, os_purpose",
	},
	{
		ID: "superseded-visible", Kind: OnCatalog, Severity: property.Warning,
		Title:     "an image should be hidden once a newer one of the same name replaces it",
		Why:       "Users go on creating servers from the old image, without the updates of the new one.",
		Example:   "two images debian-12 of one owner, a year apart",
		Mend:      "Hide the older image (glance-profile audit --fix does it), or rename it. Servers made from it keep working.",
		Reference: "openstack image set --hidden",
	},
	{
		ID: "duplicate-data", Kind: OnCatalog, Severity: property.Info,
		Title:     "the same data should not be stored twice",
		Why:       "Two images with the same data take up space twice, and one of them may be forgotten when the other is updated.",
		Example:   "two images with the same os_hash_value",
		Mend:      "Delete one of them, unless their properties differ on purpose.",
		Reference: "glance/location.py set_data",
	},
}

// OnlyByName reports a rule whose fix is made only where the rule is asked for by
// name, because it changes what users of a cloud see or what a guest has to cope with.
func OnlyByName(rule string) bool {
	return rule == "superseded-visible" || rule == "linux-without-virtio" // whose guests may name their disk sda
}

// Catalog gathers what the rules on all images of one cloud need to know of
// each. The zero value is an empty catalog. It keeps some 300 bytes an image.
type Catalog struct {
	seen  map[string]bool
	texts map[string]string // those that many images share, once
	all   []entry
}

// entry is an image as the rules on a catalog know it.
type entry struct {
	id, name, owner, visibility string
	os                          string // which system it says it holds
	data                        digest // of its hash; zero for none
	properties                  digest
	generic, shown              bool // os_purpose=generic for everybody; active and not hidden
	empty                       bool // without data
	created                     time.Time
}

type digest [16]byte

// Add takes an image up. One that was added before is left out.
func (c *Catalog) Add(img image.Image) {
	if c.seen == nil {
		c.seen, c.texts = map[string]bool{}, map[string]string{}
	}
	e := entry{id: strings.Clone(img.ID)}
	if img.ID != "" {
		if c.seen[e.id] {
			return
		}
		c.seen[e.id] = true
	}
	p := img.Properties
	e.name, e.owner, e.visibility, e.created = c.shared(img.Name), c.shared(img.Owner), c.shared(img.Visibility), img.CreatedAt
	e.os = c.shared(strings.ToLower(strings.Join([]string{p["os_distro"], p["os_version"], cmp.Or(p["architecture"], p["hw_architecture"])}, " ")))
	e.empty = img.Size != nil && *img.Size == 0
	e.shown = !img.Hidden && (img.Status == "active" || img.Status == "")
	e.generic = !img.Hidden && img.Visibility == "public" && strings.EqualFold(p["os_purpose"], "generic") && p["os_distro"] != ""
	if img.HashValue != "" && img.Size != nil && *img.Size > 0 {
		e.data = digestOf(img.HashAlgo, img.HashValue)
	}
	texts := make([]string, 0, 2*len(p))
	for _, name := range slices.Sorted(maps.Keys(p)) {
		texts = append(texts, name, p[name])
	}
	e.properties = digestOf(texts...)
	c.all = append(c.all, e)
}

// shared returns a text that is kept once, however many images have it.
func (c *Catalog) shared(text string) string {
	kept, ok := c.texts[text]
	if !ok {
		kept = strings.Clone(text)
		c.texts[kept] = kept
	}
	return kept
}

// digestOf tells lists of texts apart.
func digestOf(texts ...string) (sum digest) {
	h := sha256.New()
	var length [8]byte
	for _, text := range texts {
		binary.LittleEndian.PutUint64(length[:], uint64(len(text)))
		h.Write(length[:])
		io.WriteString(h, text) // a hash never fails
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

// CatalogFinding is a finding with the image that it is about.
type CatalogFinding struct {
	ID, Name string
	Finding
}

// group are entries with something in common.
type group struct {
	all, public []*entry
	owned       map[string][]*entry
	publicOf    map[string]int    // how many of them an owner has
	newest      map[string]*entry // by owner
	alike       map[digest]int    // how many have the same properties
}

// groups are those entries that a key puts together, by the key.
func groups[K comparable](all []entry, key func(*entry) (K, bool)) map[K]*group {
	byKey := map[K]*group{}
	for i := range all {
		e := &all[i]
		k, ok := key(e)
		if !ok {
			continue
		}
		g := byKey[k]
		if g == nil {
			g = &group{}
			byKey[k] = g
		}
		g.all = append(g.all, e)
	}
	maps.DeleteFunc(byKey, func(_ K, g *group) bool { return len(g.all) < 2 })
	return byKey
}

// Findings judges the catalog as a whole: the findings of each image together, in
// the order in which the images were added.
func (c *Catalog) Findings() iter.Seq[CatalogFinding] {
	byName := groups(c.all, func(e *entry) (string, bool) { return e.name, e.shown && e.name != "" })
	for _, g := range byName {
		g.owned, g.publicOf, g.newest = map[string][]*entry{}, map[string]int{}, map[string]*entry{}
		for _, e := range g.all {
			g.owned[e.owner] = append(g.owned[e.owner], e)
			if e.visibility == "public" {
				g.public = append(g.public, e)
				g.publicOf[e.owner]++
			}
			if n := g.newest[e.owner]; !e.empty && e.visibility == "public" && (n == nil || e.created.After(n.created)) {
				g.newest[e.owner] = e
			}
		}
	}
	generic := groups(c.all, func(e *entry) (string, bool) { return e.os, e.generic })
	byData := groups(c.all, func(e *entry) (digest, bool) { return e.data, e.data != digest{} })
	for _, g := range byData {
		g.alike = map[digest]int{}
		for _, e := range g.all {
			g.alike[e.properties]++
		}
	}
	return func(yield func(CatalogFinding) bool) {
		for i := range c.all {
			e := &c.all[i]
			var findings []Finding
			if g := byName[e.name]; g != nil && e.shown {
				findings = append(findings, g.sameName(e)...)
			}
			if g := generic[e.os]; g != nil && e.generic {
				findings = append(findings, catalogFinding("generic-not-unique", "os_purpose", "generic",
					"public and generic like "+several(e, len(g.all)-1, g.all)+", of "+spelling.Quote(strings.TrimSpace(e.os)), nil))
			}
			if g := byData[e.data]; g != nil {
				same := "with other properties"
				if g.alike[e.properties] > 1 {
					same = "and the same properties"
				}
				findings = append(findings, catalogFinding("duplicate-data", "", "", "the same data "+same+" as "+several(e, len(g.all)-1, g.all), nil))
			}
			slices.SortStableFunc(findings, compare)
			for _, f := range findings {
				if !yield(CatalogFinding{e.id, e.name, f}) {
					return
				}
			}
		}
	}
}

// sameName tells of the images that somebody sees beside one of the same name in
// a plain listing: its owner, or, where others are public, whoever has one.
func (g *group) sameName(e *entry) []Finding {
	mine, theirs := g.owned[e.owner], g.public
	n := len(mine) - 1
	if e.visibility == "community" { // which nobody but its owner is shown
		theirs = nil
	} else {
		n += len(g.public) - g.publicOf[e.owner]
	}
	if n == 0 {
		return nil
	}
	findings := []Finding{catalogFinding("name-not-unique", "name", e.name, "the same name is used by "+several(e, n, mine, theirs), nil)}
	if newer := g.newest[e.owner]; newer != nil && e.replacedBy(newer) {
		findings = append(findings, catalogFinding("superseded-visible", "os_hidden", "false",
			fmt.Sprintf("%s of %s replaces it, but it is neither hidden nor renamed", newer.id, newer.created.UTC().Format(time.DateOnly)),
			[]Fix{{Property: "os_hidden", Before: false, After: true}}))
	}
	return findings
}

func catalogFinding(id, property, value, message string, fix []Fix) Finding {
	r := lookUp(catalogRules[:], id)
	return Finding{Rule: r.ID, Severity: r.Severity, Property: property, Value: value, Message: message, Reference: r.Reference, Fix: fix}
}

// replacedBy reports whether a newer image of the same owner stands for e.
func (e *entry) replacedBy(newer *entry) bool {
	return newer.os == e.os && newer.visibility == e.visibility && newer.created.After(e.created)
}

// maxNamed is how many other images a message names.
const maxNamed = 3

// several names the first of the other entries in lists, of n in all.
func several(e *entry, n int, lists ...[]*entry) string {
	var ids []string
	seen := 0
	for _, list := range lists {
		for _, o := range list {
			if name := cmp.Or(o.id, spelling.Quote(o.name)); o != e && !slices.Contains(ids, name) {
				ids = append(ids, name)
			}
			// Without ids all have one name.
			if seen++; len(ids) == maxNamed || seen > 4*maxNamed {
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
