package commands

import (
	"bufio"
	"bytes"
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
	if !r.readOnly() {
		r.dryRun = true
	}
	from := c.String("from")
	in, err := openListing(env, from)
	if err != nil {
		return err
	}
	defer in.Close()
	out := bufio.NewWriterSize(env.Out, 1<<16)
	l := &listing{env: env, d: d, q: q, met: map[string]bool{}, untold: map[string]int{}}
	err = l.print(c, r, bufio.NewReaderSize(in, 1<<16), out)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	l.tell()
	if err != nil {
		return err
	}
	return outcome(r, l.changed, 0, l.failed)
}

// listing is a saved listing while it is decided on.
type listing struct {
	env     *Env
	d       *normalizing
	q       selection.Query
	met     map[string]bool // names of the query that an image had
	untold  map[string]int  // properties whose text the listing does not tell, and on how many images
	changed int
	failed  int
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
				l.failed++
				return nil
			}
			lines, left := changeLines(p, r.volumes)
			for _, name := range left {
				l.env.warn("image %s (%s): the openstack client cannot name the property %s, which the lines leave out", p.Name, p.ID, render.Quoted(name))
			}
			for _, line := range lines {
				if _, err := fmt.Fprintln(out, line); err != nil {
					return err
				}
			}
			return nil
		})
	case r.out == "" && (r.output.Format == render.FormatJSON || r.output.Format == render.FormatTable):
		s := &planStream{out: out, r: r, colour: l.env.colour()}
		if err := each(s.add); err != nil {
			return err
		}
		return s.close()
	}
	p := plan.Plan{Version: plan.Version, Command: r.command}
	err := each(func(_ image.Image, img plan.Image) error {
		p.Images = append(p.Images, img)
		return nil
	})
	switch {
	case err != nil:
		return err
	case r.out == "":
		return asUsage(render.PlanData(out, p, r.output))
	}
	if err := savePlan(r.out, p); err != nil {
		return err
	}
	l.env.note("plan of %s saved in %s", countImages(len(p.Images)), r.out)
	return nil
}

// decide decides on one record, if it is one of those that are meant.
func (l *listing) decide(rec offline.Record) plan.Image {
	if !l.chosen(rec.Image) {
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
	}
	return p
}

// chosen reports whether the command line means an image.
func (l *listing) chosen(img image.Image) bool {
	named := false
	for _, name := range l.q.Names {
		if name == img.ID || name == img.Name {
			l.met[name], named = true, true
		}
	}
	if len(l.q.Names) > 0 {
		return named
	}
	for range selection.Filter(func(yield func(image.Image, error) bool) { yield(img, nil) }, l.q) {
		return true
	}
	return false
}

// tell says what is to be told of the whole listing.
func (l *listing) tell() {
	for _, name := range l.q.Names {
		if !l.met[name] {
			l.met[name] = true
			l.failed++
			l.env.fail(&selection.NameError{Name: name})
		}
	}
	if len(l.untold) > 0 {
		l.env.note("what Glance holds is not known of %s: openstack image show prints true or a number whatever the text; these stay as they are",
			strings.Join(slices.Sorted(maps.Keys(l.untold)), ", "))
	}
	l.d.tell()
}

// planStream prints a plan image by image, as render prints it whole.
type planStream struct {
	out     io.Writer
	r       road
	colour  bool
	images  int
	changes map[string]int // by sign
	tail    []byte
}

func (s *planStream) add(img image.Image, p plan.Image) error {
	one := plan.Plan{Version: plan.Version, Command: s.r.command, Images: []plan.Image{p}}
	var b bytes.Buffer
	var err error
	if s.r.output.Format == render.FormatJSON {
		err = s.addJSON(&b, one)
	} else {
		err = s.addText(&b, img, one)
	}
	if err == nil {
		s.images++
		_, err = s.out.Write(b.Bytes())
	}
	return err
}

// addJSON prints one image of the plan, the first one with what stands before
// it in the plan.
func (s *planStream) addJSON(b *bytes.Buffer, one plan.Plan) error {
	if err := render.PlanData(b, one, s.r.output); err != nil {
		return asUsage(err)
	}
	text := b.Bytes()
	head := bytes.Index(text, []byte(`"images": [`)) + len(`"images": [`)
	end := bytes.LastIndexByte(text, ']')
	end = bytes.LastIndexByte(text[:end], '}') + 1 // of the image
	s.tail = slices.Clone(text[end:])
	body := slices.Clone(text[:end])
	if s.images > 0 {
		body = slices.Concat([]byte(","), text[head:end])
		if s.r.output.NoIndent {
			body = slices.Concat([]byte(", "), text[head:end])
		}
	}
	b.Reset()
	b.Write(body)
	return nil
}

// addText prints one image of the plan without the summary that closes it.
func (s *planStream) addText(b *bytes.Buffer, img image.Image, one plan.Plan) error {
	var hardware [][]string
	if s.r.showsHardware() {
		hardware = [][]string{machineDiff(img, one.Images[0])}
	}
	if err := render.PlanText(b, one, hardware, s.colour); err != nil {
		return err
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	block := slices.Clone(text[:bytes.LastIndexByte(text, '\n')])
	b.Reset()
	if s.images > 0 {
		b.WriteByte('\n')
	}
	b.Write(block)
	if s.changes == nil {
		s.changes = map[string]int{}
	}
	for _, c := range one.Images[0].Changes {
		switch {
		case c.Before == nil:
			s.changes["added"]++
		case c.After == nil:
			s.changes["removed"]++
		default:
			s.changes["changed"]++
		}
	}
	return nil
}

func (s *planStream) close() error {
	whole := plan.Plan{Version: plan.Version, Command: s.r.command, Images: []plan.Image{}}
	switch {
	case s.images == 0:
		return printEmpty(s.out, s.r.output, whole, s.colour)
	case s.r.output.Format == render.FormatJSON:
		_, err := s.out.Write(s.tail)
		return err
	}
	var values []string
	for _, what := range []string{"added", "changed", "removed"} {
		if n := s.changes[what]; n > 0 {
			values = append(values, fmt.Sprintf("%d %s", n, what))
		}
	}
	_, err := fmt.Fprintf(s.out, "\nImages: %d to change. Values: %s.\n", s.images, strings.Join(values, ", "))
	return err
}

// printEmpty prints a plan that holds nothing.
func printEmpty(out io.Writer, o render.Options, p plan.Plan, colour bool) error {
	if o.Format == render.FormatTable {
		return render.PlanText(out, p, nil, colour)
	}
	return asUsage(render.PlanData(out, p, o))
}
