package commands

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/apply"
	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
	"glance-profile/internal/selection"
)

// Every command that alters existing images goes one road: select and plan, which
// is this file; show, confirm, journal, one PATCH an image and verify, which is
// carry_out.go.

// categorySelect heads the options that choose images, categoryRoad those that
// say how far to go.
const (
	categorySelect = "Which images"
	categoryRoad   = "What to do with the plan"
)

func selectionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "all", Usage: "all images of a plain listing", Category: categorySelect},
		&cli.StringSliceFlag{Name: "where", Usage: "images for which `EXPR` holds: k=v, k!=v, k~GLOB, k (is there), \"not k\"; over properties and fields; repeated, all must hold", Category: categorySelect},
		&cli.BoolFlag{Name: "mine", Usage: "images of the current project", Category: categorySelect},
	}
}

func roadFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and change nothing", Category: categoryRoad},
		&cli.BoolFlag{Name: "check", Usage: "print the plan, change nothing, and exit with 3 if something would change", Category: categoryRoad},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask", Category: categoryRoad},
		&cli.StringFlag{Name: "out", Usage: "save the plan in `FILE` and change nothing; apply --plan carries it out", Category: categoryRoad},
		&cli.BoolFlag{Name: "print-openstack", Usage: "print the openstack command lines that do the same, and change nothing", Category: categoryRoad},
		&cli.BoolFlag{Name: "print-openstack-volume", Usage: "print the openstack command lines for volumes made from the images, and change nothing", Category: categoryRoad},
		&cli.IntFlag{Name: "jobs", Value: apply.DefaultJobs, Base: 10, Usage: "work on `N` images at once", Category: categoryRoad},
		&cli.BoolFlag{Name: "no-hardware", Usage: "leave out of the plan what changes in the virtual machine", Category: categoryRoad},
		&cli.StringFlag{Name: "journal", Usage: "keep the journal in `PATH`, a file or folder", Category: categoryRoad},
	}
}

// road is how far a command is to go with its plan.
type road struct {
	verb               string
	dryRun, check, yes bool
	out, journal       string
	openstack, volumes bool
	jobs               int
	noHardware         bool
	// onDone is told where images were changed, onLost where somebody else had
	// changed them since they were planned for.
	onDone, onLost string
	force          bool // overwrite what somebody else has changed
	output         render.Options
	command        string
}

// readOnly reports whether nothing is to be changed.
func (r road) readOnly() bool {
	return r.dryRun || r.check || r.out != "" || r.openstack || r.volumes
}

// showsHardware reports whether the plan is shown to people, with what it does
// to the machines.
func (r road) showsHardware() bool {
	asData := r.out != "" || r.openstack || r.volumes || r.readOnly() && r.output.Format != render.FormatTable
	return !r.noHardware && !asData
}

func readRoad(c *cli.Context, env *Env, verb string) (road, error) {
	r := road{
		verb: verb, dryRun: c.Bool("dry-run"), check: c.Bool("check"), yes: c.Bool("yes"), out: c.String("out"),
		journal: c.String("journal"), openstack: c.Bool("print-openstack"), volumes: c.Bool("print-openstack-volume"),
		jobs: c.Int("jobs"), noHardware: c.Bool("no-hardware"), command: commandLine(env.Args),
	}
	if r.jobs < 1 || r.jobs > 64 {
		return r, usagef("--jobs %d: from 1 to 64 images at once", r.jobs)
	}
	made := "" // what the plan is to be made into
	for _, name := range []string{"out", "print-openstack", "print-openstack-volume"} {
		switch {
		case !c.IsSet(name):
		case made != "":
			return r, usagef("--%s and --%s contradict each other", made, name)
		default:
			made = name
		}
	}
	for _, name := range []string{"out", "journal", "from", "plan", "map"} {
		if c.IsSet(name) && c.String(name) == "" {
			return r, usagef("--%s is empty; give it a value or leave it out", name)
		}
	}
	var err error
	r.output, err = readOutput(c, env, render.KindList, planColumns)
	return r, err
}

// maxSingleReads is up to how many images are read one by one at the end to
// verify them; more are found in one listing.
const maxSingleReads = 8

// planColumns are the columns of a plan printed as a list.
var planColumns = []string{"action", "id", "name", "property", "before", "after", "why"}

// readQuery reads the options and arguments that choose images. A command that
// changes images has to be told which.
func readQuery(c *cli.Context, mayTakeAll bool) (selection.Query, error) {
	q := selection.Query{Names: c.Args().Slice(), All: c.Bool("all"), Mine: c.Bool("mine"), Jobs: apply.DefaultJobs}
	for _, name := range q.Names {
		if strings.TrimSpace(name) == "" {
			return q, usagef("an image's name is empty")
		}
	}
	for _, text := range c.StringSlice("where") {
		expr, err := selection.Parse(text)
		if err != nil {
			return q, usagef("--where %v", err)
		}
		q.Where = append(q.Where, expr)
	}
	if len(q.Names) > 0 && (q.All || q.Mine || len(q.Where) > 0) {
		return q, usagef("images are named, so --all, --where and --mine have nothing to choose")
	}
	if q.Empty() {
		if !mayTakeAll {
			return q, usagef("which images? name them, or use --where EXPR, --mine or --all")
		}
		q.All = true
	}
	return q, nil
}

// warnUnmet warns of properties that --where wants to be missing or different,
// that no image looked at has, and that no service knows either: under a misspelt name
// every image is chosen.
func warnUnmet(env *Env, names []string) {
	for _, name := range names {
		if _, known := property.Lookup(name); known {
			continue
		}
		hint := ""
		for _, f := range property.Check(name, "") {
			if f.Renames() {
				hint = "; was " + f.Fix + " meant?"
			}
		}
		env.warn("--where: no image looked at has a property %s and no service knows one, so what is said of it leaves no image out%s", render.Quoted(name), hint)
	}
}

// decide is a command's decision on one image: its plan (without changes where
// there is nothing to do), warnings, or the reason why it is refused.
type decide func(img image.Image) (plan.Image, []string, error)

// pending is what is to be done to which images.
type pending struct {
	images []plan.Image
	// hardware says, for each of images, what changes in the virtual machine;
	// it is empty unless withHardware is set before.
	hardware     [][]string
	withHardware bool
	// failed counts the images that could not be planned for, right those that
	// are as they shall be.
	failed, right int
	// listings are the queries that list the images, none where they are not
	// known.
	listings []url.Values
}

// selectAndPlan asks Glance for the images and decides on each. Refusals and
// names that lead nowhere are told at once and counted.
func selectAndPlan(ctx context.Context, env *Env, s *session, r road, q selection.Query, d decide) (pending, error) {
	found, err := choose(ctx, env, s, r, q)
	if err != nil {
		return pending{}, err
	}
	return planFor(env, s, r, found, d), nil
}

// choose asks Glance for the images.
func choose(ctx context.Context, env *Env, s *session, r road, q selection.Query) (selection.Result, error) {
	q.Project, q.Admin, q.Jobs = s.ProjectID, s.IsAdmin(), r.jobs
	found, err := selection.Select(ctx, s.glance, q)
	if err != nil {
		return found, err
	}
	if len(found.Images) == 0 && len(found.Missing) == 0 {
		env.note("no image matches")
	}
	for _, missing := range found.Missing {
		env.fail(missing)
	}
	if len(found.Images) > 0 {
		warnUnmet(env, found.Unmet)
	}
	if found.LeftOut > 0 {
		env.note("%s of other projects left out; name them to try them", countImages(found.LeftOut))
	}
	return found, nil
}

// planFor decides on each of the images that were chosen.
func planFor(env *Env, s *session, r road, found selection.Result, d decide) pending {
	todo := pending{failed: len(found.Missing), listings: found.Listings, withHardware: r.showsHardware()}
	todo.decide(env, d, found.Images...)
	for i := range todo.images {
		s.locate(&todo.images[i])
	}
	return todo
}

// decide adds the decisions on images.
func (todo *pending) decide(env *Env, d decide, images ...image.Image) {
	for _, img := range images {
		p, warnings, err := d(img)
		for _, w := range warnings {
			env.warn("image %s (%s): %s", img.Name, img.ID, w)
		}
		switch {
		case err != nil:
			env.fail(fmt.Errorf("image %s (%s): %w", img.Name, img.ID, err))
			todo.failed++
		case len(p.Changes) > 0:
			todo.add(img, p)
		default:
			todo.right++
			env.detail("image %s (%s): nothing to do", img.Name, img.ID)
		}
	}
}

// add takes a plan, with what it does to the machine of the image.
func (todo *pending) add(img image.Image, p plan.Image) {
	todo.images = append(todo.images, p)
	if !todo.withHardware {
		return
	}
	todo.hardware = append(todo.hardware, machineDiff(img, p))
}

// machineDiff says what a plan does to the virtual machine of an image.
func machineDiff(img image.Image, p plan.Image) []string {
	return hardware.Diff(hardware.Build(img, hardware.Options{}), hardware.Build(plan.After(img, p), hardware.Options{}))
}

// readMachines finds out what plans that were made elsewhere do to the machines
// of their images: those are read one by one, or listed where they are many. It
// only tells people more, so images that cannot be read say nothing.
func (todo *pending) readMachines(ctx context.Context, env *Env, s *session, r road) {
	if !r.showsHardware() {
		return
	}
	of := map[string][]int{}
	for i, p := range todo.images {
		if p.Action == plan.ActionChange {
			of[p.ID] = append(of[p.ID], i)
		}
	}
	todo.hardware = make([][]string, len(todo.images))
	see := func(img image.Image) {
		for _, i := range of[img.ID] {
			todo.hardware[i] = machineDiff(img, todo.images[i])
		}
	}
	if len(of) <= maxSingleReads {
		for id := range of {
			if img, err := s.glance.Get(ctx, id); err == nil {
				see(img)
			} else {
				env.detail("image %s: %v", id, err)
			}
		}
		return
	}
	for img, err := range s.glance.List(ctx, selection.PlainListing()) {
		if err != nil {
			env.detail("%v", err)
			return
		}
		see(img)
	}
}

// fromListing decides on the images of a saved listing, without a cloud.
func fromListing(ctx context.Context, env *Env, path string, r road, q selection.Query, d decide) (pending, error) {
	if err := checkListing(q, r.out); err != nil {
		return pending{}, err
	}
	todo := pending{withHardware: r.showsHardware()}
	missing, err := chooseSaved(ctx, env, path, q, func(img image.Image) error { todo.decide(env, d, img); return nil })
	todo.failed += missing
	return todo, err
}
