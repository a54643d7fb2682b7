// Package policy chooses and weighs the rules that images are judged by, adds
// demands of its own, and keeps the exceptions. A policy is a YAML file: four
// are embedded, users write theirs.
//
//	name: our-cloud
//	summary: What our public images have to have
//	extends: default                 # an embedded policy; without it, all rules as they are
//	where: [visibility=public]       # which images are judged, others have no findings
//	select: ["*"]                    # the rules that count, by id or glob; what this file demands does without
//	deselect: ["*-needs-uefi"]        # the ones among them that do not
//	levels: {warning: error}         # what a severity becomes, for all rules
//	severity:                        # what the findings of single rules are
//	  no-effect: error
//	ignore:
//	  - rule: vmware-leftover        # id or glob
//	    image: legacy-*              # id, exact name, or glob over the name
//	    property: vmware_*           # id or glob; without it, any
//	    reason: "moved to KVM in spring: CLOUD-1234"
//	    expires: 2027-01-31          # the last day; or never
//	require:
//	  - id: our-distro
//	    property: os_distro          # a property or base field; of a list, one has to be there
//	    values: [ubuntu, debian]
//	    when: [os_type=linux]        # conditions that all have to hold
//	    severity: warning            # error unless said otherwise
//	    title: os_distro is one that we build
//	    why: Our automation knows these two.
//	    example: os_distro=mint      # this and the next are for audit explain
//	    mend: Build the image anew from one of the two.
//	    reference: https://wiki.example.com/images
//	forbid:
//	  - id: no-agent
//	    property: hw_qemu_*          # names or globs
//	    except: [hw_qemu_guest_agent]
//	unique:
//	  - id: one-generic-image
//	    property: [os_distro, os_version, architecture]
//	    when: [os_purpose=generic, hidden=false]
//	fresh:
//	  - id: renewed
//	    property: replace_frequency  # what the image promises …
//	    within: {monthly: 1m}        # … and means by it; or within: 1y for every image
//	    grace: 3d
//	    since: [image_build_date, created_at]
//	    until: provided_until
//
// Conditions and globs are those of package selection. Globs that start with *
// need quotes in YAML.
//
// A value is fine under require if it is one of values, matches pattern (RE2,
// and the whole value), or has one of the types: boolean, integer, number,
// date, date-time, url, uri, uuid. at-least and at-most are for numbers;
// not-after names a date that it must not be later than; holds-image is for a
// min_disk that the image's data must fit into. Values listed in values are
// fine whatever the bounds. With optional: true only images that have the
// property are judged; otherwise an empty text counts as missing.
//
// Where one value alone is fine, a finding proposes it; under forbid without
// when, it proposes to remove the property. With fix: false it does not.
//
// fresh finds images that are older than they promise, in whole days of UTC,
// and that nothing has replaced: a visible image that is not too old itself, of
// the same name without its last word (a build date), or, for a hidden image, of
// the same name. Unique and fresh compare the images of one cloud and region.
//
// What a policy extends stays as it is but for this: where, and select together
// with deselect, take the place of the base's; deselect without select adds to
// it; levels re-weigh what comes from the base (the rules, and its own
// demands), never what stands in the same file; severity is for all; a demand
// with the id of one of the base replaces it. The rest is added.
//
// Within severity an id counts before a glob, and of globs the last one that
// fits. An ignore that expired, or that nothing was found for, is stale.
package policy

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
	"glance-profile/internal/selection"
	"glance-profile/internal/spelling"
)

//go:embed *.yaml
var files embed.FS

// Default is the name of the policy that takes all rules as they are.
const Default = "default"

// Policy is a policy, whole and checked. It does not change.
type Policy struct {
	Name    string
	Summary string
	Notes   string

	where     []selection.Expr
	selects   []glob // nil: all
	deselects []glob
	levels    map[property.Severity]property.Severity
	weights   [][]weight // the policy's own, then those of its base
	ignores   []*ignore
	requires  []*requirement
	forbids   []*prohibition
	uniques   []*uniqueness
	renewals  []*renewal
}

// glob is a text that stands for itself and for all that match it.
type glob struct {
	text string
	re   *regexp.Regexp
	line int
}

func (g glob) match(text string) bool { return g.text == text || g.re.MatchString(text) }

func matchAny(globs []glob, text string) bool {
	return slices.ContainsFunc(globs, func(g glob) bool { return g.match(text) })
}

// weight is the severity of the findings of the rules that a glob names.
type weight struct {
	glob     glob
	severity property.Severity
}

// ignore is an exception.
type ignore struct {
	rule, image, property glob // property.re is nil for any
	reason                string
	expires               time.Time // the end of its last day; zero is never
	file                  string
	line                  int
}

// demand is what all demands of a policy have in common.
type demand struct {
	id, title, why, example, mend, reference string
	severity                                 property.Severity
	when                                     []selection.Expr
	noFix                                    bool
	line                                     int
	inherited                                bool // from the policy that this one extends
}

func (d *demand) common() *demand { return d }

// demands returns the common part of all demands of the policy.
func (p *Policy) demands() []*demand {
	var all []*demand
	for _, r := range p.requires {
		all = append(all, &r.demand)
	}
	for _, r := range p.forbids {
		all = append(all, &r.demand)
	}
	for _, r := range p.uniques {
		all = append(all, &r.demand)
	}
	for _, r := range p.renewals {
		all = append(all, &r.demand)
	}
	return all
}

// Embedded returns the names of the policies that the program brings along.
func Embedded() []string {
	var names []string
	paths, _ := fs.Glob(files, "*.yaml")
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(path, ".yaml"))
	}
	return names
}

var embedded = sync.OnceValues(func() (map[string]*Policy, error) {
	set := map[string]*Policy{}
	for _, name := range Embedded() {
		data, err := files.ReadFile(name + ".yaml")
		if err != nil {
			return nil, err
		}
		p, err := parse(name+".yaml", data, nil, nil)
		if err != nil {
			return nil, err
		}
		set[name] = p
	}
	return set, nil
})

// Get returns an embedded policy.
func Get(name string) (*Policy, error) {
	set, err := embedded()
	if err != nil {
		return nil, err
	}
	p, ok := set[name]
	if !ok {
		return nil, fmt.Errorf("no policy is named %s%s; there are %s", spelling.Quote(name), spelling.Hint(name, Embedded()), strings.Join(Embedded(), ", "))
	}
	return p, nil
}

// Rules returns the policy's own demands, sorted by id.
func (p *Policy) Rules() []audit.Rule {
	var rules []audit.Rule
	for _, d := range p.demands() {
		if p.demanding(d) {
			rules = append(rules, audit.Rule{
				ID: d.id, Kind: audit.OnPolicy, Severity: p.demanded(d), Title: d.title, Why: d.why, Example: d.example, Mend: d.mend, Reference: d.reference,
			})
		}
	}
	slices.SortFunc(rules, func(a, b audit.Rule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}

// Weigh returns the rules that the policy selects from those given, with the
// severity it gives them, and its own demands, sorted by id.
func (p *Policy) Weigh(rules []audit.Rule) []audit.Rule {
	var all []audit.Rule
	for _, r := range rules {
		if p.selected(r.ID) {
			r.Severity = p.weigh(r.ID, r.Severity)
			all = append(all, r)
		}
	}
	all = append(all, p.Rules()...)
	slices.SortFunc(all, func(a, b audit.Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// selected reports whether findings of a rule count.
func (p *Policy) selected(id string) bool {
	return (p.selects == nil || matchAny(p.selects, id)) && !matchAny(p.deselects, id)
}

// demanding reports whether a demand counts. One of the same file need not be
// selected, only not deselected.
func (p *Policy) demanding(d *demand) bool {
	return p.selected(d.id) || !d.inherited && !matchAny(p.deselects, d.id)
}

// Source returns the YAML of an embedded policy.
func Source(name string) ([]byte, error) {
	if _, err := Get(name); err != nil {
		return nil, err
	}
	return files.ReadFile(name + ".yaml")
}

// Doubts are properties that a demand of the policy names and that are probably
// misspelt, one line each: no service knows them, and one of nearly that name.
func (p *Policy) Doubts() []string {
	var doubts []string
	doubt := func(d *demand, names []string) {
		for _, name := range names {
			for _, f := range property.Check(name, "") {
				if f.Rule == "unknown-property" && f.Renames() {
					doubts = append(doubts, fmt.Sprintf("policy %s: %s: no service knows a property %s; meant is perhaps %s", p.Name, d.id, spelling.Quote(name), f.Fix))
				}
			}
		}
	}
	for _, r := range p.requires {
		doubt(&r.demand, r.properties)
	}
	for _, u := range p.uniques {
		doubt(&u.demand, u.properties)
	}
	return doubts
}

// weight returns the severity that the policy names for a rule.
func (p *Policy) weight(id string) (property.Severity, bool) {
	for _, layer := range p.weights {
		var found *weight
		for i, w := range layer {
			if w.glob.text == id {
				return w.severity, true
			}
			if w.glob.match(id) {
				found = &layer[i]
			}
		}
		if found != nil {
			return found.severity, true
		}
	}
	return 0, false
}

// weigh returns the severity that a finding of a rule has.
func (p *Policy) weigh(id string, severity property.Severity) property.Severity {
	if s, ok := p.weight(id); ok {
		return s
	}
	return p.level(severity)
}

func (p *Policy) level(severity property.Severity) property.Severity {
	if s, ok := p.levels[severity]; ok {
		return s
	}
	return severity
}

// demanded returns the severity that a finding of a demand has.
func (p *Policy) demanded(d *demand) property.Severity {
	if s, ok := p.weight(d.id); ok {
		return s
	}
	return d.severity
}

// onto returns the policy laid over the one that it extends.
func (p *Policy) onto(base *Policy, whereGiven, selectGiven bool) *Policy {
	q := *p
	if !whereGiven {
		q.where = base.where
	}
	if !selectGiven {
		q.selects = base.selects
		q.deselects = slices.Concat(base.deselects, p.deselects)
	}
	q.levels = map[property.Severity]property.Severity{}
	for s := property.Info; s <= property.Error; s++ {
		q.levels[s] = p.level(base.level(s))
	}
	q.weights = slices.Clone(p.weights)
	for _, layer := range base.weights {
		layer = slices.Clone(layer)
		for i := range layer {
			layer[i].severity = p.level(layer[i].severity)
		}
		q.weights = append(q.weights, layer)
	}
	q.ignores = slices.Concat(base.ignores, p.ignores)
	own := map[string]bool{}
	for _, d := range p.demands() {
		own[d.id] = true
	}
	q.requires = inherit(base.requires, p.requires, own, p.level)
	q.forbids = inherit(base.forbids, p.forbids, own, p.level)
	q.uniques = inherit(base.uniques, p.uniques, own, p.level)
	q.renewals = inherit(base.renewals, p.renewals, own, p.level)
	return &q
}

// inherit returns the demands of a base, re-weighed, without those of the ids
// that are replaced, and then a policy's own.
func inherit[T any, P interface {
	*T
	common() *demand
}](base, own []P, replaced map[string]bool, level func(property.Severity) property.Severity) []P {
	var all []P
	for _, d := range base {
		if replaced[d.common().id] {
			continue
		}
		copied := P(new(T))
		*copied = *d
		copied.common().severity = level(copied.common().severity)
		copied.common().inherited = true
		all = append(all, copied)
	}
	return append(all, own...)
}

// Unknown returns the ids and globs of the policy that name none of the rules
// known and none of its own demands.
func (p *Policy) Unknown(known []string) []string {
	known = slices.Clone(known)
	for _, d := range p.demands() {
		known = append(known, d.id)
	}
	var unknown []string
	for _, g := range p.ruleGlobs() {
		if !slices.ContainsFunc(known, g.match) {
			unknown = append(unknown, g.text)
		}
	}
	return unknown
}

// ruleGlobs returns all that stands for rules.
func (p *Policy) ruleGlobs() []glob {
	globs := slices.Concat(p.selects, p.deselects)
	for _, layer := range p.weights {
		for _, w := range layer {
			globs = append(globs, w.glob)
		}
	}
	for _, i := range p.ignores {
		globs = append(globs, i.rule)
	}
	return globs
}
