// Package audit says what is wrong or missing in images, why, and what mends
// it: single values (package property), what Nova makes of all of them (package
// hardware), the vocabulary (package normalize), rules on combinations and on
// the facts of one image, and rules on a catalog as a whole. It only decides:
// it does no I/O, and what a cloud's operator thinks of a rule is for package
// policy.
package audit

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/memo"
	"glance-profile/internal/normalize"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/property"
)

// Kind says what a rule looks at.
type Kind string

// The kinds of rules.
const (
	OnValue   Kind = "value"   // one property, by itself
	OnImage   Kind = "image"   // how the properties and fields of one image act together
	OnCatalog Kind = "catalog" // all images of a cloud
	// OnPolicy are what a policy demands beyond the rules here.
	OnPolicy Kind = "policy"
)

// Rule is one thing that can be wrong. Findings carry its ID.
type Rule struct {
	ID   string // such as secure-boot-needs-uefi
	Kind Kind
	// Severity is that of the rule's findings. Where those of a value rule differ,
	// it is the worst.
	Severity  property.Severity
	Title     string // what the rule demands, in one line
	Why       string // what happens otherwise
	Example   string // an image that breaks it, in a few words
	Mend      string // how it is mended
	Reference string // service file and symbol that shows it

	check func(subject) []hit // of a rule on one image
}

// hit is one place where a rule is broken.
type hit struct {
	property string
	message  string
	fix      string // the value to set instead, or ""
	changes  []Fix  // where fix is not enough; what is there before is filled in
	severity property.Severity
	weighed  bool // severity is not the rule's own
}

// Rules returns all rules, sorted by ID.
func Rules() []Rule {
	all := slices.Concat(valueRules(), imageRules(), catalogRules[:])
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// imageRules are the rules on one image, sorted by ID.
func imageRules() []Rule {
	all := slices.Concat(machineRules[:], firmwareRules, deviceRules, processorRules, bootRules, leftoverRules, systemRules, recordRules)
	for i := range all {
		all[i].Kind = OnImage
	}
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Options say what images are judged by. The zero value is the newest release
// of Nova, the built-in database of operating systems, and no rule that asks for
// the date.
type Options struct {
	DB   *osinfo.DB
	Nova hardware.Release
	Now  time.Time
}

// Auditor judges images. It may be used by several goroutines.
type Auditor struct {
	o          Options
	nova       property.Nova
	judge      *property.Judge
	rules      []Rule
	normalizer func() *normalize.Normalizer // made when it is first needed
	machines   memo.Of[[]Finding]           // by all that a machine is made of
	systems    map[system]osinfo.OS
	shortIDs   map[string]bool
	references map[string]string // of value rules, for findings without one
}

// New prepares what is needed to judge images.
func New(o Options) *Auditor {
	if o.DB == nil {
		o.DB = osinfo.Builtin()
	}
	a := &Auditor{o: o, nova: property.Nova(o.Nova.Major()), rules: imageRules()}
	a.judge = property.NewJudge(a.nova)
	a.normalizer = sync.OnceValue(func() *normalize.Normalizer {
		n, err := normalize.New(normalize.Options{DB: o.DB, Infer: true})
		if err != nil {
			panic(err) // only an operator's map can be wrong, and there is none
		}
		return n
	})
	a.systems, a.shortIDs = index(o.DB)
	a.references = map[string]string{}
	for _, r := range onValues {
		a.references[r.ID] = r.Reference
	}
	return a
}

// Value judges one property by itself.
func (a *Auditor) Value(name, value string) []Finding {
	s := a.subject(image.Image{Properties: map[string]string{name: value}})
	return tidy(s, a.valuesOf(s))
}

// Image judges one image by all rules on values and images. The findings are
// sorted worst first, then by property and rule.
func (a *Auditor) Image(img image.Image) []Finding {
	s := a.subject(img)
	p, reports := a.normalizer().Image(img)
	a.reread(&s, p)
	values := a.valuesOf(s)
	findings := slices.Concat(values, a.vocabulary(s, values, p, reports), a.combinations(s))
	return tidy(s, findings)
}

// Combinations judges how the properties of an image act together, and leaves
// out what each says by itself.
func (a *Auditor) Combinations(img image.Image) []Finding {
	s := a.subject(img)
	return tidy(s, a.combinations(s))
}

func (a *Auditor) combinations(s subject) []Finding {
	var findings []Finding
	for i := range a.rules {
		r := &a.rules[i]
		if r.check == nil {
			continue
		}
		for _, h := range r.check(s) {
			findings = append(findings, s.finding(r, h))
		}
	}
	return append(findings, a.machine(s)...)
}

// finding makes a finding of a hit.
func (s subject) finding(r *Rule, h hit) Finding {
	f := Finding{Rule: r.ID, Severity: r.Severity, Property: s.carrier(h.property), Message: h.message, Reference: r.Reference}
	if h.weighed {
		f.Severity = h.severity
	}
	f.Value = s.text(f.Property)
	switch {
	case h.changes != nil:
		f.Fix = s.fixes(h.changes)
	case h.fix != "" && f.Property == h.property: // else it is a value of the other name
		f.Fix = s.fixes([]Fix{{Property: h.property, After: h.fix}})
	}
	return f
}

// fixes fills in what is there before, and leaves out what changes nothing.
func (s subject) fixes(changes []Fix) []Fix {
	var fixes []Fix
	for _, c := range changes {
		c.Before = s.Value(c.Property)
		if c.Before != c.After {
			fixes = append(fixes, c)
		}
	}
	slices.SortFunc(fixes, func(a, b Fix) int { return strings.Compare(a.Property, b.Property) })
	return fixes
}

// lesser are the rules whose findings say less than a refusal of the machine
// that names the same property.
var lesser = map[string]bool{
	"refused-later": true, "refused-by-kvm": true, "needs-flavor": true, "cdrom-bus-unusable": true, "scsi-bus-without-model": true,
}

// explains are the rules whose findings say why a property has no effect.
var explains = map[string]bool{
	"os-type-case": true, "boolean-misread": true, "value-ignored": true, "current-name-unread": true, "numa-gap": true,
	"secure-boot-needs-uefi": true, "memory-encryption-model-alone": true, "vmware-leftover": true, "legacy-beside-current": true,
}

// lookUp returns a rule of a list, which has it.
func lookUp(rules []Rule, id string) *Rule {
	return &rules[slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })]
}

// tidy sorts findings, and leaves out those that another one says better.
func tidy(s subject, findings []Finding) []Finding {
	refused, told := map[string]bool{}, map[string]bool{}
	for _, f := range findings {
		for _, name := range f.also {
			refused[name] = true
		}
		if explains[f.Rule] {
			told[f.Property] = true
		}
	}
	findings = slices.DeleteFunc(findings, func(f Finding) bool {
		switch {
		case lesser[f.Rule]:
			return refused[f.Property]
		case f.Rule == noEffect:
			return told[f.Property]
		}
		return false
	})
	for i, f := range findings {
		if f.Value == "" {
			findings[i].Empty = s.has(f.Property)
		}
	}
	slices.SortStableFunc(findings, compare)
	return findings
}

// compare puts findings worst first, then by property and rule.
func compare(a, b Finding) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Property, b.Property), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Message, b.Message))
}

// one is a single hit.
func one(property, fix, message string) []hit {
	return []hit{{property: property, message: message, fix: fix}}
}

// when is a single hit on a condition.
func when(broken bool, property, fix, message string) []hit {
	if !broken {
		return nil
	}
	return one(property, fix, message)
}
