package policy

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/spelling"
)

// Run is one going through images under a policy. Its methods can be called
// from several goroutines, Finish once and after them.
type Run struct {
	p   *Policy
	now time.Time

	mu      sync.Mutex
	outside map[named]struct{} // by id: images that where leaves out
	hits    []int              // by ignore
	ignored int
	unique  []catalogue
	renewed []catalogue
}

// Run starts one, at a time that ignores expire by and images grow old by.
func (p *Policy) Run(now time.Time) *Run {
	return &Run{
		p: p, now: now.UTC(), hits: make([]int, len(p.ignores)),
		unique: make([]catalogue, len(p.uniques)), renewed: make([]catalogue, len(p.renewals)),
	}
}

// Judge returns what the policy has to say of an image, worst first, given what
// the rules found: a new slice.
func (r *Run) Judge(at audit.Location, img image.Image, found []audit.Finding) []audit.Finding {
	p := r.p
	if !matches(p.where, img) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.outside == nil {
			r.outside = map[named]struct{}{}
		}
		r.outside[named{at, img.ID}] = struct{}{}
		return nil
	}
	var findings []audit.Finding
	for _, f := range found {
		if p.selected(f.Rule) {
			f.Severity = p.weigh(f.Rule, f.Severity)
			findings = append(findings, f)
		}
	}
	add := func(d *demand, found []audit.Finding) {
		for _, f := range found {
			f.Severity = p.demanded(d)
			findings = append(findings, f)
		}
	}
	for _, q := range p.requires {
		if p.demanding(&q.demand) {
			add(&q.demand, q.check(img, r.now))
		}
	}
	for _, q := range p.forbids {
		if p.demanding(&q.demand) {
			add(&q.demand, q.check(img))
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	for i, q := range p.uniques {
		if p.demanding(&q.demand) {
			r.unique[i].addUnique(q, at, img)
		}
	}
	for i, q := range p.renewals {
		if p.demanding(&q.demand) {
			r.renewed[i].addRenewal(q, at, img, r.now)
		}
	}
	findings = slices.DeleteFunc(findings, func(f audit.Finding) bool { return r.ignores(img.ID, img.Name, f) })
	slices.SortStableFunc(findings, worstFirst)
	return findings
}

// Judges reports whether the policy is for an image; of others it says nothing.
func (r *Run) Judges(img image.Image) bool { return matches(r.p.where, img) }

func worstFirst(a, b audit.Finding) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Property, b.Property), strings.Compare(a.Rule, b.Rule))
}

// ignores reports that an ignore of the policy applies, and counts.
func (r *Run) ignores(id, name string, f audit.Finding) bool {
	applies := false
	for i, e := range r.p.ignores {
		if !e.rule.match(f.Rule) || e.image.text != id && !e.image.match(name) || e.property.re != nil && !e.property.match(f.Property) {
			continue
		}
		r.hits[i]++
		applies = applies || !e.expired(r.now)
	}
	if applies {
		r.ignored++
	}
	return applies
}

func (e *ignore) expired(now time.Time) bool { return !e.expires.IsZero() && !now.Before(e.expires) }

// Catalog returns what the policy leaves of findings on a catalog as a whole, in
// their order, once Judge has seen its images.
func (r *Run) Catalog(at audit.Location, found iter.Seq[audit.CatalogFinding]) iter.Seq[audit.CatalogFinding] {
	return func(yield func(audit.CatalogFinding) bool) {
		for f := range found {
			if r.keeps(at, &f) && !yield(f) {
				return
			}
		}
	}
}

// keeps weighs a finding, and reports whether it counts.
func (r *Run) keeps(at audit.Location, f *audit.CatalogFinding) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, outside := r.outside[named{at, f.ID}]; outside || !r.p.selected(f.Rule) {
		return false
	}
	f.Severity = r.p.weigh(f.Rule, f.Severity)
	return !r.ignores(f.ID, f.Name, f.Finding)
}

// Stale is an ignore that is of no use any more.
type Stale struct {
	File    string
	Line    int
	Rule    string
	Image   string
	Reason  string
	Expired bool // false: nothing was found that it is for
	Hits    int  // what was found in spite of it, where it expired
	Message string
}

// Finish returns what was found only now that all images were seen, in a fixed
// order, worst first in each image: results to add to those of Judge. And it
// returns the ignores that are stale. That nothing was found for an ignore
// means little where not all images were judged.
func (r *Run) Finish() (late []audit.Result, stale []Stale) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.p
	index := map[seen]int{}
	add := func(d *demand) func(seen, audit.Finding) {
		return func(s seen, f audit.Finding) {
			f.Severity = p.demanded(d)
			if r.ignores(s.id, s.name, f) {
				return
			}
			key := seen{at: s.at, id: s.id, name: s.name}
			i, ok := index[key]
			if !ok {
				i = len(late)
				index[key] = i
				late = append(late, audit.Result{Location: s.at, ID: s.id, Name: s.name})
			}
			late[i].Findings = append(late[i].Findings, f)
		}
	}
	for i, q := range p.uniques {
		r.unique[i].collectUnique(q, add(&q.demand))
	}
	for i, q := range p.renewals {
		r.renewed[i].collectRenewal(q, add(&q.demand))
	}
	slices.SortFunc(late, func(a, b audit.Result) int {
		return compareSeen(seen{at: a.Location, id: a.ID, name: a.Name}, seen{at: b.Location, id: b.ID, name: b.Name})
	})
	for _, l := range late {
		slices.SortStableFunc(l.Findings, worstFirst)
	}
	for i, e := range p.ignores {
		s := Stale{File: e.file, Line: e.line, Rule: e.rule.text, Image: e.image.text, Reason: e.reason, Expired: e.expired(r.now), Hits: r.hits[i]}
		what := fmt.Sprintf("the ignore of %s on %s", shown(s.Rule), spelling.Quote(s.Image))
		switch {
		case s.Expired && s.Hits > 0:
			s.Message = fmt.Sprintf("%s expired after %s, and what it is for is still there", what, e.lastDay())
		case s.Expired:
			s.Message = fmt.Sprintf("%s expired after %s, and nothing was found that it is for", what, e.lastDay())
		case s.Hits == 0:
			s.Message = fmt.Sprintf("nothing was found that %s is for", what)
		default:
			continue
		}
		stale = append(stale, s)
	}
	return late, stale
}

func (e *ignore) lastDay() string { return e.expires.AddDate(0, 0, -1).Format(time.DateOnly) }

// Ignored returns how many findings were ignored so far.
func (r *Run) Ignored() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ignored
}
