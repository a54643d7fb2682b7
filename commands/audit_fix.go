package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/policy"
	"glance-profile/internal/property"
)

// audit --fix is a command that changes images, and goes the road of change.go:
// its decision on an image is the fixes of what was found.

// fixFindings turns findings into a plan and carries it out.
func fixFindings(c *cli.Context, env *Env, o auditOptions) error {
	rules, err := readFix(c, o)
	if err != nil {
		return err
	}
	r, err := readRoad(c, env, "audit-fix")
	if err != nil {
		return err
	}
	q, err := readQuery(c, r.readOnly() || c.IsSet("from"))
	if err != nil {
		return err
	}
	clouds, err := readClouds(c, env)
	switch {
	case err != nil:
		return err
	case c.Bool("all-images"):
		return usagef("--all-images is for the table of findings; leave it out with --fix")
	case len(clouds) > 1 || c.Bool("all-clouds") || c.Bool("all-regions"):
		return usagef("--fix changes the images of one cloud and region at a time: name one with --os-cloud and --os-region-name")
	}
	f := &fixing{env: env, rules: rules, o: o, auditor: o.auditor(), run: o.policy.Run(o.now), left: map[string][]audit.Finding{}}
	if from := c.String("from"); from != "" {
		if !r.readOnly() {
			r.dryRun = true
		}
		var images []image.Image
		if err := checkListing(q, r.out); err != nil {
			return err
		}
		missing, err := chooseSaved(c.Context, env, from, q, func(img image.Image) error { images = append(images, img); return nil })
		if err != nil {
			return err
		}
		f.prepare(audit.Location{}, images)
		todo := pending{withHardware: r.showsHardware(), failed: missing}
		todo.decide(env, f.decide, images...)
		return f.end(c.Context, nil, r, todo)
	}
	s, err := connectTo(c.Context, c, env, clouds[0])
	if err != nil {
		return err
	}
	defer s.finish()
	found, err := choose(c.Context, env, s, r, q)
	if err != nil {
		return err
	}
	f.prepare(audit.Location{Cloud: s.Name, Region: s.Region}, found.Images)
	return f.end(c.Context, s, r, planFor(env, s, r, found, f.decide))
}

// readFix reads the rules whose findings are to be mended; nil is all.
func readFix(c *cli.Context, o auditOptions) ([]string, error) {
	var rules []string
	for _, id := range strings.FieldsFunc(strings.Join(c.StringSlice("fix"), ","), func(r rune) bool { return r == ',' }) {
		if known := o.policy.Weigh(audit.Rules()); !slices.ContainsFunc(known, func(r audit.Rule) bool { return r.ID == id }) {
			return nil, usagef("--fix: %v; images stand before --fix", unknownRule(id, known))
		}
		rules = append(rules, id)
	}
	return rules, nil
}

// fixing is a run of audit --fix.
type fixing struct {
	env     *Env
	rules   []string // nil: all
	o       auditOptions
	auditor *audit.Auditor
	run     *policy.Run
	at      audit.Location

	catalog map[string][]audit.Finding // by image
	left    map[string][]audit.Finding // what is still found once an image is as planned
	planned []image.Image              // as they will be
}

// prepare judges the images as a whole.
func (f *fixing) prepare(at audit.Location, images []image.Image) {
	f.at = at
	var catalog audit.Catalog
	for _, img := range images {
		f.run.Judge(at, img, nil) // so that the policy knows which are its own
		catalog.Add(img)
	}
	f.catalog = map[string][]audit.Finding{}
	for c := range f.run.Catalog(at, catalog.Findings()) {
		f.catalog[c.ID] = append(f.catalog[c.ID], c.Finding)
	}
}

// maxFixes bounds how often an image is judged again: one mend can let another
// fault be seen.
const maxFixes = 8

// decide mends an image as far as it goes.
func (f *fixing) decide(img image.Image) (plan.Image, []string, error) {
	whole := f.catalog[img.ID]
	var wanted []plan.Wanted
	p := plan.Set(img, nil, false)
	for range maxFixes {
		now := plan.After(img, p)
		found := append(f.run.Judge(f.at, now, f.auditor.Image(now)), whole...)
		f.left[img.ID] = found
		added, settled := false, map[string]bool{}
		for _, finding := range found {
			if !f.meant(finding) {
				continue
			}
			for _, fix := range finding.Fix {
				w := plan.Wanted{Property: fix.Property, After: fix.After, Why: finding.Rule + ": " + finding.Message}
				i := slices.IndexFunc(wanted, func(w plan.Wanted) bool { return w.Property == fix.Property })
				switch {
				case i < 0:
					wanted = append(wanted, w)
				case settled[fix.Property]: // by a worse finding of this round
					continue
				default: // mended already, and there is something better
					w.Why = wanted[i].Why + "; " + w.Why
					wanted[i] = w
				}
				settled[fix.Property], added = true, true
			}
		}
		if !added {
			break
		}
		p = plan.Set(img, wanted, false)
		whole = slices.DeleteFunc(slices.Clone(whole), func(c audit.Finding) bool { return f.meant(c) && len(c.Fix) > 0 })
	}
	err := f.refused(img, p)
	if err != nil {
		p = plan.Set(img, nil, false)
	}
	f.planned = append(f.planned, plan.After(img, p))
	return p, nil, err
}

// meant reports whether a finding is to be mended.
func (f *fixing) meant(finding audit.Finding) bool {
	if f.rules == nil {
		return len(finding.Fix) > 0 && finding.Severity > property.Info && !audit.OnlyByName(finding.Rule)
	}
	return len(finding.Fix) > 0 && slices.Contains(f.rules, finding.Rule)
}

// refused is why a plan is not to be carried out: it would bring an error that
// was not there before.
func (f *fixing) refused(img image.Image, p plan.Image) error {
	if len(p.Changes) == 0 {
		return nil
	}
	before := f.run.Judge(f.at, img, f.auditor.Image(img))
	worse := slices.IndexFunc(f.left[img.ID], func(after audit.Finding) bool {
		return after.RejectedBy != "" && after.Severity == property.Error && !slices.ContainsFunc(before, func(b audit.Finding) bool { return b.RejectedBy != "" && b.Severity == property.Error })
	})
	if worse < 0 {
		return nil
	}
	message := f.left[img.ID][worse].Message
	f.left[img.ID] = before
	return fmt.Errorf("the fixes do not go together: %s; choose rules with --fix RULE", message)
}

// end carries the plan out, and says what is left.
func (f *fixing) end(ctx context.Context, s *session, r road, todo pending) error {
	err := carryOut(ctx, f.env, s, r, todo)
	var partial *partialError
	if err != nil && !errors.Is(err, errFindings) && !errors.As(err, &partial) {
		return err
	}
	if r.readOnly() {
		return err
	}
	var counts [never + 1]int
	whole := f.o.policy.Run(f.o.now) // what the policy demands of all images together
	for _, img := range f.planned {
		whole.Judge(f.at, img, nil)
	}
	late, _ := whole.Finish()
	left := slices.Collect(maps.Values(f.left))
	for _, result := range late {
		left = append(left, result.Findings)
	}
	for _, found := range left {
		for _, finding := range found {
			counts[finding.Severity]++
		}
	}
	var parts []string
	for severity := property.Error; severity >= property.Info; severity-- {
		if n := counts[severity]; n > 0 {
			word := severity.String()
			if n > 1 {
				word += "s"
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	if len(parts) > 0 {
		f.env.note("findings that these fixes leave: %s; glance-profile audit shows them", strings.Join(parts, ", "))
	}
	if err == nil {
		for severity := f.o.failOn; severity < never; severity++ {
			if counts[severity] > 0 {
				return errFindings
			}
		}
	}
	return err
}
