package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
	"glance-profile/profiles"
)

func applyCommand(env *Env) *cli.Command {
	flags := []cli.Flag{
		&cli.StringSliceFlag{Name: "profile", Usage: "set the properties of the profile `NAME`; repeated, later ones win"},
		profileFileFlag(),
		&cli.StringSliceFlag{Name: "with", Usage: "also set the optional `PROPERTY` of a profile"},
		&cli.StringSliceFlag{Name: "property", Usage: "set `KEY=VALUE`; wins over the profile; may be repeated"},
		&cli.StringSliceFlag{Name: "unset", Usage: "remove the property `KEY`; may be repeated"},
		&cli.StringSliceFlag{Name: "tag", Usage: "add `TAG`; may be repeated"},
		&cli.StringSliceFlag{Name: "untag", Usage: "remove `TAG`; may be repeated"},
		&cli.StringFlag{Name: "name", Usage: "give the image the new `NAME`"},
		&cli.Int64Flag{Name: "min-disk", Base: 10, Usage: "smallest root disk in `GB`"},
		&cli.Int64Flag{Name: "min-ram", Base: 10, Usage: "smallest memory in `MB`"},
		&cli.BoolFlag{Name: "public", Usage: "make it visible to all projects"},
		&cli.BoolFlag{Name: "private", Usage: "make it visible to the owner only"},
		&cli.BoolFlag{Name: "community", Usage: "make it usable by all projects, listed for the owner only"},
		&cli.BoolFlag{Name: "shared", Usage: "make it visible to the owner and the members"},
		&cli.BoolFlag{Name: "protected", Usage: "keep it from being deleted"},
		&cli.BoolFlag{Name: "unprotected", Usage: "let it be deleted"},
		&cli.BoolFlag{Name: "hidden", Usage: "leave it out of plain listings"},
		&cli.BoolFlag{Name: "unhidden", Usage: "put it into plain listings"},
		&cli.BoolFlag{Name: "only-missing", Usage: "keep values that are set"},
		&cli.BoolFlag{Name: "prune", Usage: "remove hw_* properties that contradict the profile"},
		&cli.BoolFlag{Name: "force", Usage: "override the refusals that say so"},
		&cli.StringFlag{Name: "plan", Usage: "carry out the plan saved in `FILE`, as far as the images are still as it saw them"},
		&cli.StringFlag{Name: "from", Usage: "decide on the images of a saved listing, `FILE` or - for stdin, without a cloud; changes nothing"},
	}
	flags = append(append(append(flags, selectionFlags()...), roadFlags()...), outputFlags(render.KindList)...)
	return &cli.Command{
		Name:      "apply",
		Usage:     "set profiles and single values on existing images",
		ArgsUsage: "[IMAGE...]",
		Description: "Shows the plan, asks (or takes --yes), keeps a journal, sends one request an image and verifies.\n" +
			"The journal takes it all back: glance-profile rollback --last.",
		Flags:  flags,
		Action: func(c *cli.Context) error { return runApply(c, env) },
	}
}

func runApply(c *cli.Context, env *Env) error {
	r, err := readRoad(c, env, "apply")
	if err != nil {
		return err
	}
	if c.IsSet("plan") {
		return applySaved(c, env, r)
	}
	wanted, err := readApply(c, env)
	if err != nil {
		return err
	}
	return runChange(c, env, r, wanted.decide)
}

// runChange is the part of the road that is the same for all commands that
// decide image by image: a saved listing, or the cloud.
func runChange(c *cli.Context, env *Env, r road, d decide) error {
	ctx := c.Context
	q, err := readQuery(c, r.readOnly() || c.IsSet("from"))
	if err != nil {
		return err
	}
	if from := c.String("from"); from != "" {
		if !r.readOnly() {
			r.dryRun = true
		}
		todo, err := fromListing(c.Context, env, from, r, q, d)
		if err != nil {
			return err
		}
		return carryOut(ctx, env, nil, r, todo)
	}
	s, err := connect(ctx, c, env)
	if err != nil {
		return err
	}
	defer s.finish()
	todo, err := selectAndPlan(ctx, env, s, r, q, d)
	if err != nil {
		return err
	}
	return carryOut(ctx, env, s, r, todo)
}

// applySaved carries a saved plan out on the cloud that it was made for.
func applySaved(c *cli.Context, env *Env, r road) error {
	if c.NArg() > 0 || c.Bool("all") || c.Bool("mine") || len(c.StringSlice("where")) > 0 {
		return usagef("--plan has its images already; leave names, --all, --mine and --where out")
	}
	for _, name := range []string{"profile", "profile-file", "with", "property", "unset", "tag", "untag", "name", "min-disk", "min-ram", "public", "private",
		"community", "shared", "protected", "unprotected", "hidden", "unhidden", "only-missing", "prune", "from"} {
		if c.IsSet(name) {
			return usagef("--plan has its changes already; leave --%s out", name)
		}
	}
	p, err := loadPlan(c.String("plan"))
	if err != nil {
		return err
	}
	s, err := connect(c.Context, c, env)
	if err != nil {
		return err
	}
	defer s.finish()
	auditor := audit.New(audit.Options{})
	for _, img := range p.Images {
		switch {
		case img.Action != plan.ActionChange:
			return usagef("--plan: image %s is to be %sd, and a saved plan may only change images", img.ID, img.Action)
		case img.Endpoint != s.Endpoint:
			return usagef("--plan was made for the image service %s, and this is %s", img.Endpoint, s.Endpoint)
		case img.Project != s.ProjectID:
			return usagef("--plan was made in the project %s, and this is %s; choose the cloud with --os-cloud", img.Project, s.ProjectID)
		}
		if err := checkValues(auditor, img, c.Bool("force")); err != nil {
			return err
		}
	}
	todo := pending{images: p.Images}
	todo.readMachines(c.Context, env, s, r)
	r.onLost = "an image that has changed since is left as it is: make a new plan for it"
	return carryOut(c.Context, env, s, r, todo)
}

// checkValues refuses values of a plan that no image can be given: it may have
// been edited by hand.
func checkValues(auditor *audit.Auditor, img plan.Image, force bool) error {
	for _, c := range img.Changes {
		text, ok := c.After.(string)
		if !ok || plan.IsBase(c.Property) {
			continue
		}
		for _, f := range auditor.Value(c.Property, text) {
			if f.Severity == property.Error && f.RejectedBy != audit.ByGlance && !force {
				return usagef("--plan: image %s: %s; --force overrides", img.ID, render.FindingLine(f))
			}
		}
	}
	return nil
}

// applying is what `apply` wants of each image.
type applying struct {
	env         *Env
	auditor     *audit.Auditor
	set         *profiles.Set
	profiles    []string
	with        []string
	properties  []keyValue
	unset       []string
	tag, untag  []string
	base        []plan.Wanted
	onlyMissing bool
	prune       bool
	force       bool
}

func readApply(c *cli.Context, env *Env) (*applying, error) {
	a := &applying{
		env: env, auditor: audit.New(audit.Options{}), profiles: c.StringSlice("profile"), with: c.StringSlice("with"), unset: c.StringSlice("unset"),
		tag: c.StringSlice("tag"), untag: c.StringSlice("untag"),
		onlyMissing: c.Bool("only-missing"), prune: c.Bool("prune"), force: c.Bool("force"),
	}
	var err error
	if a.properties, err = readProperties(env, c.StringSlice("property")); err != nil {
		return nil, err
	}
	visibility, err := oneOf(c, "public", "private", "community", "shared")
	if err != nil {
		return nil, err
	}
	if visibility != "" {
		a.base = append(a.base, plan.Wanted{Property: "visibility", After: visibility, Why: "--" + visibility})
	}
	for field, pair := range map[string][2]string{"protected": {"protected", "unprotected"}, "os_hidden": {"hidden", "unhidden"}} {
		chosen, err := oneOf(c, pair[0], pair[1])
		if err != nil {
			return nil, err
		}
		if chosen != "" {
			a.base = append(a.base, plan.Wanted{Property: field, After: chosen == pair[0], Why: "--" + chosen})
		}
	}
	for _, flag := range []string{"min-disk", "min-ram"} {
		if !c.IsSet(flag) {
			continue
		}
		n, err := readSize(c, flag)
		if err != nil {
			return nil, err
		}
		a.base = append(a.base, plan.Wanted{Property: strings.ReplaceAll(flag, "-", "_"), After: n, Why: "--" + flag})
	}
	if c.IsSet("name") {
		if strings.TrimSpace(c.String("name")) == "" {
			return nil, usagef("--name is empty")
		}
		if c.NArg() != 1 {
			return nil, usagef("--name gives one image a new name; name that image")
		}
		a.base = append(a.base, plan.Wanted{Property: "name", After: c.String("name"), Why: "--name"})
	}
	switch {
	case slices.Contains(a.profiles, profiles.None):
		return nil, usagef("--profile none is for create")
	case a.prune && len(a.profiles) == 0:
		return nil, usagef("--prune goes with --profile")
	case (len(a.with) > 0 || c.IsSet("profile-file")) && len(a.profiles) == 0:
		return nil, usagef("--with and --profile-file go with --profile")
	case len(a.profiles)+len(a.properties)+len(a.unset)+len(a.tag)+len(a.untag)+len(a.base) == 0:
		return nil, usagef("nothing to set: give --profile, --property, --unset, --tag, --untag, --name, --min-disk, --min-ram, a visibility, protection or hiding")
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if len(a.profiles) > 0 {
		if a.set, err = loadProfiles(c.Context, env, c.StringSlice("profile-file")); err != nil {
			return nil, err
		}
		for _, name := range a.profiles {
			if _, err := a.set.Get(name); err != nil {
				return nil, usagef("%v", err)
			}
		}
	}
	return a, nil
}

// check refuses what no image can be given.
func (a *applying) check() error {
	for _, name := range a.unset {
		_, isField := property.BaseField(name)
		switch {
		case strings.TrimSpace(name) == "":
			return usagef("--unset is empty; name a property")
		case isField:
			return usagef("--unset %s: it is a field of the image itself, which is always there; its options change it (--name, --untag, --min-disk, --unhidden …)", name)
		case property.ReadOnly(name) || property.Reserved(name):
			return usagef("--unset %s: it is set by Glance alone, which lets nobody remove it", name)
		}
	}
	for _, tag := range a.tag {
		if err := checkTag("tag", tag); err != nil {
			return err
		}
		if slices.Contains(a.untag, tag) {
			return usagef("--tag %s and --untag %s contradict each other", tag, tag)
		}
	}
	for _, tag := range a.untag {
		if err := checkTag("untag", tag); err != nil {
			return err
		}
	}
	for _, p := range a.properties {
		switch {
		case slices.Contains(a.unset, p.key):
			return usagef("--property %s and --unset %s contradict each other", p.key, p.key)
		case strings.TrimSpace(p.key) != p.key:
			return usagef("--property %s: Glance takes blanks off both ends of a name when an image is changed; leave them out", render.Quoted(p.key))
		}
		for _, f := range a.auditor.Value(p.key, p.value) {
			line := "property " + render.FindingLine(f)
			switch {
			case f.Severity == property.Error && (f.RejectedBy == audit.ByGlance || !a.force):
				return usagef("%s", line)
			case f.Severity >= property.Warning:
				a.env.warn("%s", line)
			}
		}
	}
	return nil
}

// decide is the pure part: an image in, its changes out.
func (a *applying) decide(img image.Image) (plan.Image, []string, error) {
	var wanted []plan.Wanted
	var notes []string
	if len(a.profiles) > 0 {
		request := profiles.Request{Profiles: a.profiles, With: a.with, Architecture: img.Properties["architecture"], Force: a.force}
		if osType := img.Properties["os_type"]; osType != "" || img.Properties["os_distro"] != "" {
			request.Guest = &profiles.Guest{Layer: "the image", Source: "the image", Distro: img.Properties["os_distro"], Version: img.Properties["os_version"], Type: osType}
		}
		resolved, err := a.set.Resolve(request)
		if err != nil {
			return plan.Image{}, nil, err
		}
		notes = resolved.Notes
		for _, v := range resolved.Values {
			wanted = append(wanted, plan.Wanted{Property: v.Property, After: v.Value, Why: v.Layer})
		}
	}
	for _, p := range a.properties {
		wanted = append(wanted, plan.Wanted{Property: p.key, After: p.value, Why: "--property"})
	}
	for _, name := range a.unset {
		wanted = append(wanted, plan.Wanted{Property: name, After: nil, Why: "--unset"})
	}
	wanted = append(wanted, a.base...)
	if len(a.tag)+len(a.untag) > 0 {
		tags := slices.DeleteFunc(append(slices.Clone(img.Tags), a.tag...), func(tag string) bool { return slices.Contains(a.untag, tag) })
		slices.Sort(tags)
		wanted = append(wanted, plan.Wanted{Property: "tags", After: slices.Compact(tags), Why: "--tag, --untag"})
	}
	p := plan.Set(img, wanted, a.onlyMissing)
	if a.prune {
		for _, name := range a.contradicting(img, p, wanted) {
			wanted = append(wanted, plan.Wanted{Property: name, After: nil, Why: "contradicts the profile (--prune)"})
		}
		p = plan.Set(img, wanted, a.onlyMissing)
	}
	return p, notes, a.worse(img, p)
}

// worse refuses a change after which the properties go together worse than
// before: an error that was not there.
func (a *applying) worse(img image.Image, p plan.Image) error {
	before := a.auditor.Combinations(img)
	for _, f := range a.auditor.Combinations(plan.After(img, p)) {
		known := slices.ContainsFunc(before, func(b audit.Finding) bool { return b.Rule == f.Rule && b.Property == f.Property })
		if f.Severity == property.Error && !known && !a.force {
			return fmt.Errorf("refused: %s; --force overrides", f.Message)
		}
	}
	return nil
}

// contradicting lists the hw_* properties that the image has beyond what is
// wanted, and with which the outcome has findings that it does not have without.
func (a *applying) contradicting(img image.Image, p plan.Image, wanted []plan.Wanted) []string {
	var names []string
	outcome := plan.After(img, p)
	count := func(img image.Image) int {
		n := 0
		for _, f := range a.auditor.Combinations(img) {
			if f.Severity >= property.Warning {
				n++
			}
		}
		return n
	}
	for _, name := range sortedKeys(img.Properties) {
		set := slices.ContainsFunc(wanted, func(w plan.Wanted) bool { return w.Property == name })
		if !strings.HasPrefix(name, "hw_") || set {
			continue
		}
		pruned := outcome.Clone()
		delete(pruned.Properties, name)
		if count(pruned) < count(outcome) {
			names = append(names, name)
			outcome = pruned
		}
	}
	return names
}
