package commands

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/image"
	"glance-profile/internal/offline"
	"glance-profile/internal/plan"
	"glance-profile/internal/render"
	"glance-profile/internal/selection"
)

// normalizeListing decides on the images of a saved listing, one at a time and
// in their order. What can be printed image by image is, so that a listing of
// any length passes through.
func normalizeListing(c *cli.Context, env *Env, r road, q selection.Query, d *normalizing) error {
	if err := checkListing(q, r.out); err != nil {
		return err
	}
	if !r.readOnly() {
		r.dryRun = true
	}
	from := c.String("from")
	in, err := openListing(c.Context, env, from)
	if err != nil {
		return err
	}
	defer in.Close()
	out := bufio.NewWriterSize(env.Out, 1<<16)
	l := &listing{env: env, d: d, chooser: selection.NewChooser(q), untold: map[string]int{}}
	err = l.print(c, r, bufio.NewReaderSize(in, 1<<16), out)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err == nil { // of a listing that breaks off it is not known what it lacks
		l.failed += tellChoice(env, l.chooser)
	}
	l.tell()
	if err != nil {
		return err
	}
	return outcome(r, l.changed, l.right, l.failed)
}

// listing is a saved listing while it is decided on.
type listing struct {
	env     *Env
	d       *normalizing
	chooser *selection.Chooser
	untold  map[string]int // properties whose text the listing does not tell, and on how many images
	// changed counts the images that are to change, right those that are as
	// they shall be, failed those without lines and the names without images.
	changed, right, failed int
}

func (l *listing) print(c *cli.Context, r road, in io.Reader, out io.Writer) error {
	from := func(err error) error {
		if err != nil {
			err = fmt.Errorf("--from %s: %w", c.String("from"), err)
		}
		return err
	}
	each := func(do func(image.Image, plan.Image) error) error {
		for rec, err := range offline.Read(in) {
			if err != nil {
				return from(err)
			}
			if p := l.decide(rec); len(p.Changes) > 0 {
				if err := do(rec.Image, p); err != nil {
					return err
				}
			}
			if err := c.Context.Err(); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case c.IsSet("emit"):
		return from(offline.Edit(in, out, func(rec offline.Record) ([]byte, error) {
			return rec.Edited(l.decide(rec)), c.Context.Err()
		}))
	case r.openstack, r.volumes:
		return each(func(_ image.Image, p plan.Image) error {
			if p.ID == "" {
				p.ID = p.Name
			}
			if p.ID == "" {
				l.env.fail(fmt.Errorf("an image with %s: %w", p.Changes[0].Property, errNoName))
				l.changed--
				l.failed++
				return nil
			}
			return printChangeLines(l.env, out, p, r.volumes)
		})
	case r.output.Format == render.FormatJSON, r.output.Format == render.FormatTable:
		s := render.NewPlanStream(out, r.command, r.output, l.env.colour())
		if err := each(func(img image.Image, p plan.Image) error {
			var machine []string
			if r.showsHardware() {
				machine = machineDiff(img, p)
			}
			return s.Add(p, machine)
		}); err != nil {
			return err
		}
		return s.Close()
	}
	p := plan.Plan{Version: plan.Version, Command: r.command}
	err := each(func(_ image.Image, img plan.Image) error {
		p.Images = append(p.Images, img)
		return nil
	})
	if err != nil {
		return err
	}
	return asUsage(render.PlanData(out, p, r.output))
}

// decide decides on one record, if it is one of those that are meant.
func (l *listing) decide(rec offline.Record) plan.Image {
	if !l.chooser.Chooses(rec.Image) {
		return plan.Image{}
	}
	for _, name := range rec.Unknown {
		l.untold[name]++
	}
	img := rec.Image
	img.Nulls = append(slices.Clone(img.Nulls), rec.Unknown...)
	p, _, _ := l.d.decide(img) // warns and refuses nothing
	if len(p.Changes) > 0 {
		l.changed++
	} else {
		l.right++
	}
	return p
}

// tell says what is to be told of the whole listing.
func (l *listing) tell() {
	if len(l.untold) > 0 {
		l.env.note("what Glance holds is not known of %s: openstack image show prints true or a number whatever the text; these stay as they are",
			strings.Join(slices.Sorted(maps.Keys(l.untold)), ", "))
	}
	l.d.tell()
}
