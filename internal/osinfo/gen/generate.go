package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"regexp"
	"slices"
	"strings"

	"glance-profile/internal/osinfo/xmldb"
)

// system is a row of the table: a system of osinfo-db, or one of the supplement,
// which then has a source.
type system struct {
	xmldb.System
	since, source string
}

// generate returns the Go file for a release of osinfo-db and a supplement.
func generate(osinfoDB, supplement string) ([]byte, error) {
	release, list, err := readDatabase(osinfoDB)
	if err != nil {
		return nil, err
	}
	var systems []system
	known := map[string]*xmldb.System{}
	for i := range list {
		for _, id := range append([]string{list[i].ShortID}, list[i].Aliases...) {
			known[id] = &list[i]
		}
	}
	extra, dates, err := readSupplement(supplement)
	if err != nil {
		return nil, err
	}
	for _, d := range dates {
		s := known[d.ShortID]
		if s == nil || s.ShortID != d.ShortID {
			return nil, fmt.Errorf("%s: dates for %s, which osinfo-db %s does not have", supplement, d.ShortID, release)
		}
		for _, pair := range []struct{ has, given *string }{{&s.Released, &d.Released}, {&s.EOL, &d.EOL}} {
			switch {
			case *pair.given == "":
			case *pair.has != "":
				return nil, fmt.Errorf("%s: osinfo-db %s has the date %s of %s itself: remove it", supplement, release, *pair.has, d.ShortID)
			default:
				*pair.has = *pair.given
			}
		}
	}
	for i := range list {
		systems = append(systems, system{System: list[i]})
	}
	for _, e := range extra {
		if known[e.ShortID] != nil {
			return nil, fmt.Errorf("%s: osinfo-db %s has %s itself: remove it", supplement, release, e.ShortID)
		}
		if e.inherits != "" {
			from := known[e.inherits]
			if from == nil {
				return nil, fmt.Errorf("%s: %s derives from %s, which is not before it", supplement, e.ShortID, e.inherits)
			}
			// By libosinfo's rule: what is not said again, but for the resources.
			e.Devices, e.Firmware = from.Devices, from.Firmware
		}
		known[e.ShortID] = &e.System
		systems = append(systems, e.system)
	}
	slices.SortFunc(systems, func(a, b system) int { return cmp.Compare(a.ShortID, b.ShortID) })
	return write(release, systems)
}

// addition is a system of the supplement.
type addition struct {
	system
	inherits string // a short id
}

// announced are dates of a system of osinfo-db that were announced after its
// release.
type announced struct {
	ShortID  string `json:"short_id"`
	Released string `json:"released"`
	EOL      string `json:"eol"`
	Source   string `json:"source"`
}

// readSupplement reads the systems and the dates that osinfo-db lacks, in their
// order.
func readSupplement(name string) ([]addition, []announced, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	var file struct {
		Note    string      `json:"note"`
		Dates   []announced `json:"dates"`
		Systems []struct {
			ShortID  string   `json:"short_id"`
			Aliases  []string `json:"aliases"`
			ID       string   `json:"id"`
			Name     string   `json:"name"`
			CodeName string   `json:"code_name"`
			Distro   string   `json:"distro"`
			Version  string   `json:"version"`
			Versions []string `json:"versions"` // one system each; short id and name then end in it
			Since    string   `json:"since"`
			Family   string   `json:"family"`
			Released string   `json:"released"`
			EOL      string   `json:"eol"`
			Derives  string   `json:"derives_from"`
			Source   string   `json:"source"`

			Minimum     []resources `json:"minimum"`
			Recommended []resources `json:"recommended"`
		} `json:"systems"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, d := range file.Dates {
		if !strings.HasPrefix(d.Source, "https://") {
			return nil, nil, fmt.Errorf("%s: the dates of %s have no source", name, d.ShortID)
		}
	}
	var list []addition
	for _, s := range file.Systems {
		if !strings.HasPrefix(s.Source, "https://") {
			return nil, nil, fmt.Errorf("%s: %s has no source", name, s.ShortID)
		}
		a := addition{inherits: s.Derives, system: system{since: s.Since, source: s.Source, System: xmldb.System{
			ShortID: s.ShortID, Aliases: s.Aliases, ID: s.ID, Name: s.Name, CodeName: s.CodeName, Distro: s.Distro,
			Version: s.Version, Family: s.Family, Released: s.Released, EOL: s.EOL,
			Minimum: figures(s.Minimum), Recommended: figures(s.Recommended),
		}}}
		if s.Versions == nil {
			list = append(list, a)
		}
		for _, version := range s.Versions {
			one := a
			one.ShortID, one.Name, one.Version = s.ShortID+version, s.Name+" "+version, version
			list = append(list, one)
		}
	}
	return list, file.Dates, nil
}

// resources are xmldb.Resources as the supplement has them.
type resources struct {
	Architecture string `json:"architecture"`
	CPUs         int64  `json:"cpus"`
	Memory       int64  `json:"memory"`
	Disk         int64  `json:"disk"`
}

func figures(list []resources) []xmldb.Resources {
	var all []xmldb.Resources
	for _, r := range list {
		all = append(all, xmldb.Resources(r))
	}
	return all
}

// date is how the database writes dates.
var date = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// pool numbers the Go expressions of sets that many rows share; 0 is the empty
// set.
type pool struct {
	sets  []string
	index map[string]int
}

func (p *pool) number(set string) int {
	if p.index == nil {
		p.index, p.sets = map[string]int{"nil": 0}, []string{"nil"}
	}
	i, ok := p.index[set]
	if !ok {
		i = len(p.sets)
		p.index[set], p.sets = i, append(p.sets, set)
	}
	return i
}

func resourceSet(list []xmldb.Resources) string {
	if len(list) == 0 {
		return "nil"
	}
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "{Architecture: %q", r.Architecture)
		for _, n := range []struct {
			name  string
			value int64
		}{{"CPUs", r.CPUs}, {"Memory", r.Memory}, {"Disk", r.Disk}} {
			if n.value != 0 {
				fmt.Fprintf(&b, ", %s: %d", n.name, n.value)
			}
		}
		b.WriteString("}, ")
	}
	return "{" + strings.TrimSuffix(b.String(), ", ") + "}"
}

func firmwareSet(list []xmldb.Firmware) string {
	if len(list) == 0 {
		return "nil"
	}
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "{Architecture: %q, Type: %q, Supported: %t}, ", f.Architecture, f.Type, f.Supported)
	}
	return "{" + strings.TrimSuffix(b.String(), ", ") + "}"
}

func deviceSet(list []string) string {
	if len(list) == 0 {
		return "nil"
	}
	return "{" + quoted(list) + "}"
}

func quoted(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(words, ", ")
}

// write renders the table. The sum in the head, of all from the package clause
// on, lets a test see that the file was not edited by hand.
func write(release string, systems []system) ([]byte, error) {
	var b bytes.Buffer
	var resourcePool, devicePool, firmwarePool pool
	fmt.Fprintf(&b, "// Release is the release of osinfo-db that the table was made from.\nconst Release = %q\n\n", release)
	b.WriteString("// table is sorted by short id.\nvar table = [...]row{\n")
	taken := map[string]string{}
	for _, s := range systems {
		for _, d := range []string{s.Released, s.EOL} {
			if d != "" && !date.MatchString(d) {
				return nil, fmt.Errorf("%s: %q is no date", s.ShortID, d)
			}
		}
		for _, id := range append([]string{s.ShortID}, s.Aliases...) {
			if other, ok := taken[id]; ok {
				return nil, fmt.Errorf("the short id %s stands for %s and %s", id, other, s.ShortID)
			}
			taken[id] = s.ShortID
		}
		fmt.Fprintf(&b, "{%s, %d, %d, %d, %d},\n",
			quoted([]string{s.ShortID, strings.Join(s.Aliases, " "), s.ID, s.Name, s.CodeName, s.Distro, s.Version, s.Family, s.Released, s.EOL, s.since, s.source}),
			resourcePool.number(resourceSet(s.Minimum)), resourcePool.number(resourceSet(s.Recommended)),
			devicePool.number(deviceSet(s.Devices)), firmwarePool.number(firmwareSet(s.Firmware)))
	}
	b.WriteString("}\n")
	for _, p := range []struct {
		name, element string
		pool
	}{{"resourceSets", "[]Resources", resourcePool}, {"deviceSets", "[]string", devicePool}, {"firmwareSets", "[]Firmware", firmwarePool}} {
		if len(p.sets) > 256 {
			return nil, fmt.Errorf("%d sets of %s: more than a row can number", len(p.sets), p.name)
		}
		fmt.Fprintf(&b, "\nvar %s = [...]%s{\n", p.name, p.element)
		for _, set := range p.sets {
			fmt.Fprintf(&b, "%s,\n", set)
		}
		b.WriteString("}\n")
	}
	body, err := format.Source(append([]byte("package osinfo\n\n"), b.Bytes()...))
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("// Code generated by go generate from osinfo-db %s (facts only: ids, names, versions, dates,\n"+
		"// resources, devices, firmware) and data/supplement.json; DO NOT EDIT.\n// sha256: %x\n\n", release, sha256.Sum256(body))
	return append([]byte(head), body...), nil
}
