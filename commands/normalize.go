package commands

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/image"
	"glance-profile/internal/normalize"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
)

func normalizeCommand(env *Env) *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "infer", Usage: "also set os_distro, os_version, os_type and architecture where they are missing and the image's name and properties agree on them"},
		&cli.StringFlag{Name: "vocabulary", Value: "glance", Usage: "whose words os_distro is to have, `WORDS`: glance (ubuntu) or libosinfo (ubuntu22.04), for clouds whose Nova uses libosinfo"},
		&cli.StringFlag{Name: "map", Usage: "aliases of your own, YAML `FILE`: {os_distro: {our-ubuntu: ubuntu}}"},
		&cli.StringSliceFlag{Name: "only", Usage: "change this `PROPERTY` only; may be repeated"},
		&cli.StringSliceFlag{Name: "except", Usage: "leave this `PROPERTY` as it is; may be repeated"},
		osinfoFlag(),
		&cli.StringFlag{Name: "from", Usage: "decide on the images of a saved listing, `FILE` or - for stdin, without a cloud; changes nothing"},
		&cli.StringFlag{Name: "emit", Usage: "with --from: print the listing as it is to be, as `json`"},
	}
	flags = append(append(append(flags, selectionFlags()...), roadFlags()...), outputFlags(render.KindList)...)
	return &cli.Command{
		Name:      "normalize",
		Usage:     "bring the properties of images to one vocabulary",
		ArgsUsage: "[IMAGE...]",
		Description: "os_distro, os_version, os_type, architecture and the words of Nova become what Glance's documentation and\n" +
			"libosinfo call them. A value is changed only where there is one reading of it; the rest is left alone and told,\n" +
			"for --map to settle. A second run changes nothing.\n" +
			"--from reads a page of Glance's API, a list, single images, JSON lines or what openstack image show -f json prints.",
		Flags:  flags,
		Action: func(c *cli.Context) error { return runNormalize(c, env) },
	}
}

func runNormalize(c *cli.Context, env *Env) error {
	r, err := readRoad(c, env, "normalize")
	if err != nil {
		return err
	}
	o, err := readNormalize(c, env)
	if err != nil {
		return err
	}
	n, err := normalize.New(o)
	if err != nil {
		return usagef("--map %v", err)
	}
	d := &normalizing{env: env, n: n}
	if err := checkEmit(c, r); err != nil {
		return err
	}
	q, err := readQuery(c, r.readOnly() || c.IsSet("from"))
	if err != nil {
		return err
	}
	if c.IsSet("from") {
		return normalizeListing(c, env, r, q, d)
	}
	s, err := connect(c.Context, c, env)
	if err != nil {
		return err
	}
	defer s.finish()
	todo, err := selectAndPlan(c.Context, env, s, r, q, d.decide)
	if err != nil {
		return err
	}
	d.tell()
	return carryOut(c.Context, env, s, r, todo)
}

// readNormalize reads the options of the decision.
func readNormalize(c *cli.Context, env *Env) (normalize.Options, error) {
	o := normalize.Options{Infer: c.Bool("infer"), Only: c.StringSlice("only"), Except: c.StringSlice("except")}
	switch words := c.String("vocabulary"); words {
	case "glance":
	case "libosinfo":
		o.Vocabulary = normalize.Libosinfo
	default:
		return o, usagef("--vocabulary %s: it may be glance or libosinfo", render.Quoted(words))
	}
	for _, list := range []struct {
		option string
		names  []string
	}{{"only", o.Only}, {"except", o.Except}} {
		for _, name := range list.names {
			if _, known := property.Lookup(name); !known {
				return o, usagef("--%s %s: no such property is known", list.option, render.Quoted(name))
			}
			if list.option == "except" && slices.Contains(o.Only, name) {
				return o, usagef("--only %s and --except %s contradict each other", name, name)
			}
		}
	}
	if c.IsSet("map") {
		path := c.String("map")
		data, err := os.ReadFile(path)
		if err != nil {
			return o, usagef("--map: %v", err)
		}
		if o.Map, err = normalize.ParseMap(path, data); err != nil {
			return o, usagef("--map %v", err)
		}
	}
	var err error
	o.DB, err = openOsinfo(env, c)
	return o, err
}

// checkEmit refuses --emit where something else is to be printed.
func checkEmit(c *cli.Context, r road) error {
	switch {
	case !c.IsSet("emit"):
		return nil
	case c.String("emit") != "json":
		return usagef("--emit %s: json is all there is", render.Quoted(c.String("emit")))
	case !c.IsSet("from"):
		return usagef("--emit goes with --from")
	case r.out != "" || r.openstack || r.volumes || c.IsSet("format"):
		return usagef("--emit prints the listing; leave --out, --print-openstack and --format out")
	}
	return nil
}

// normalizing decides on images and gathers what is to be told of them.
type normalizing struct {
	env       *Env
	n         *normalize.Normalizer
	left      tally // values left alone, and why
	old       tally // old names
	elsewhere normalize.Elsewhere
}

// decide is the decision on one image.
func (d *normalizing) decide(img image.Image) (plan.Image, []string, error) {
	p, reports := d.n.Image(img)
	for _, r := range reports {
		if r.Kind == normalize.OldName {
			d.old.add(r.Property, img)
			continue
		}
		text := render.Safe(r.Property) + "=" + render.Quoted(r.Value) + ": " + r.Message
		if len(r.Candidates) > 0 {
			text += "; candidates: " + strings.Join(r.Candidates, ", ")
		}
		if !d.left.add(text, img) { // one text too many to be kept: told at once
			d.env.note("%s: %s", (&tallied{images: 1, first: img}).where(), text)
		}
	}
	d.elsewhere.Add(p)
	return p, nil, nil
}

// tell says what was gathered: each thing once, however many images it is about.
func (d *normalizing) tell() {
	for _, t := range d.left.entries {
		d.env.note("%s: %s", t.where(), t.text)
	}
	var names []string
	for _, t := range d.old.entries {
		names = append(names, t.text+" ("+countImages(t.images)+")")
	}
	if len(names) > 0 {
		d.env.note("old names, which are still read and stay: %s", strings.Join(names, ", "))
	}
	for _, w := range d.elsewhere.Warnings() {
		d.env.warn("%s", w)
	}
}

// tally counts images by a text, up to a bound of texts, in the order of their
// first ones.
type tally struct {
	entries []*tallied
	byText  map[string]*tallied
}

// tallied is one text, and which images it is about.
type tallied struct {
	text   string
	images int
	first  image.Image // its id and name
}

// maxTallied bounds the texts that are kept.
const maxTallied = 2000

// add counts an image, and returns false where the text is one too many.
func (t *tally) add(text string, img image.Image) bool {
	if e, ok := t.byText[text]; ok {
		e.images++
		return true
	}
	if len(t.entries) == maxTallied {
		return false
	}
	if t.byText == nil {
		t.byText = map[string]*tallied{}
	}
	e := &tallied{text: strings.Clone(text), images: 1, first: image.Image{ID: img.ID, Name: img.Name}}
	t.entries, t.byText[e.text] = append(t.entries, e), e
	return true
}

// where names the images: the first, and how many more there are.
func (t *tallied) where() string {
	which := "image " + t.first.Name + " (" + t.first.ID + ")"
	switch {
	case t.first.ID == "" && t.first.Name == "":
		which = "an image without name and id"
	case t.first.ID == "":
		which = "image " + render.Quoted(t.first.Name)
	}
	if t.images > 1 {
		which += fmt.Sprintf(" and %d more", t.images-1)
	}
	return which
}

// errNoName is why an image of a saved listing has no openstack line.
var errNoName = errors.New("it has neither an id nor a name for openstack to find it by")
