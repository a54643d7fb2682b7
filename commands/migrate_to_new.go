package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"glance-profile/internal/apply"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/render"
	"glance-profile/internal/selection"
	"glance-profile/internal/source"
)

// migrateToNew leaves a published image as it is and makes a migrated one
// beside it. Glance cannot copy data from image to image, so they pass through
// here as a stream: never on the disk, and proved by hash at both ends.
func migrateToNew(c *cli.Context, env *Env, r road, migrate decide) error {
	name := c.String("to-new")
	switch {
	case strings.TrimSpace(name) == "":
		return usagef("--to-new is empty; give the new image a name")
	case utf8.RuneCountInString(name) > maxNameLength:
		return usagef("--to-new: the name has %d characters; Glance takes %d", utf8.RuneCountInString(name), maxNameLength)
	case c.IsSet("from"), r.out != "", r.volumes:
		return usagef("--to-new copies data, so --from, --out and --print-openstack-volume do not go with it")
	case c.NArg() != 1 || c.Bool("all") || c.Bool("mine") || len(c.StringSlice("where")) > 0:
		return usagef("--to-new makes one image of one; name that IMAGE")
	}
	ctx := c.Context
	s, err := connect(ctx, c, env)
	if err != nil {
		return err
	}
	defer s.finish()
	old, err := oneImage(ctx, s, c.Args().First())
	if err != nil {
		return err
	}
	p, warnings, err := migrate(old)
	if err == nil {
		err = copyable(old)
	}
	if err != nil {
		return fmt.Errorf("image %s (%s): %w", render.Safe(old.Name), old.ID, err)
	}
	if len(p.Changes) == 0 {
		env.note("image %s (%s) is on VirtIO already: nothing to do", render.Safe(old.Name), old.ID)
		return nil
	}
	for _, w := range warnings {
		env.warn("image %s (%s): %s", render.Safe(old.Name), old.ID, w)
	}
	owner := s.ProjectID
	if s.IsAdmin() && old.Owner != "" {
		owner = old.Owner
	}
	planned := planToNew(s, old, p, name, owner, c.Bool("hide-old"))
	todo := pending{withHardware: r.showsHardware()}
	todo.add(old, p) // for what it does to the machine
	taken, err := imagesNamed(ctx, s, name, owner)
	if err != nil {
		return err
	}
	if len(taken) > 0 {
		return fmt.Errorf("image %s exists already, with the id %s; nothing was sent: choose another --to-new, or delete it", render.Quoted(name), taken[0].ID)
	}
	if old.Visibility == "shared" {
		env.note("the projects that image %s is shared with are not taken over: openstack image add project", old.ID)
	}
	if r.openstack {
		return printToNew(env, planned, old)
	}
	if r.readOnly() {
		if err := printPlanTo(env, r.output, plan.Plan{Version: plan.Version, Command: r.command, Images: planned}, todo.hardware); err != nil {
			return err
		}
		return outcome(r, 1, 0, 0)
	}
	return copyImage(ctx, env, s, r, old, planned, todo.hardware)
}

// oneImage finds the image that a name or id stands for.
func oneImage(ctx context.Context, s *session, name string) (image.Image, error) {
	found, err := selection.Select(ctx, s.glance, selection.Query{Names: []string{name}, Project: s.ProjectID, Admin: s.IsAdmin()})
	switch {
	case err != nil:
		return image.Image{}, err
	case len(found.Missing) > 0:
		return image.Image{}, found.Missing[0]
	}
	return found.Images[0], nil
}

// copyable refuses an image whose data alone do not make a second one.
func copyable(img image.Image) error {
	_, encrypted := img.Properties["cinder_encryption_key_id"]
	switch {
	case encrypted:
		return errors.New("it is encrypted with a key of its own, which a copy would share: deleting one of the two may delete the key of both; migrate the image itself")
	case img.Size == nil || *img.Size == 0:
		return errors.New("it has no data to copy: a server on a volume leaves its data in the volume's snapshot; migrate the image itself")
	}
	return nil
}

// planToNew plans the new image, and the hiding of the old one if asked for.
func planToNew(s *session, old image.Image, changed plan.Image, name, owner string, hide bool) []plan.Image {
	made := plan.Copy(old, changed, uuid.NewString(), name)
	if owner != s.ProjectID {
		made.Changes = append(made.Changes, plan.Change{Property: "owner", After: owner, Why: "as image " + old.ID + " has it"})
	}
	planned := []plan.Image{made}
	if hide && !old.Hidden {
		planned = append(planned, plan.Set(old, []plan.Wanted{{Property: "os_hidden", After: true, Why: "--hide-old"}}, false))
	}
	for i := range planned {
		s.locate(&planned[i])
	}
	return planned
}

// copyImage shows the plan, makes the new image and then hides the old one.
// Making an image only adds, so it is asked for nothing; hiding is.
func copyImage(ctx context.Context, env *Env, s *session, r road, old image.Image, planned []plan.Image, hardware [][]string) error {
	p := plan.Plan{Version: plan.Version, Command: r.command, Images: planned}
	if err := render.PlanText(env.messages(), p, hardware, env.colourErr()); err != nil {
		return err
	}
	if len(planned) > 1 {
		if err := confirm(ctx, env, r, planned[1:]); err != nil {
			return err
		}
	}
	log, err := openJournal(env, r.journal, r.verb, r.command)
	if err != nil {
		return fmt.Errorf("nothing was sent: %w", err)
	}
	defer log.Close()
	size := *old.Size
	bar := render.NewProgress(env.Err, env.ErrIsTerminal && !env.quiet, size, env.Width, env.Now)
	data := &apply.Data{
		Source: &source.Remote{
			Label: "the data of image " + old.ID, Length: size, Wait: apply.Sleep,
			Fetch: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
				return s.glance.Download(ctx, old.ID, offset)
			},
		},
		Begin:  func() ([]io.Writer, func() error) { bar.Restart(); return []io.Writer{bar}, nil },
		Origin: &old,
	}
	made, err := makeImage(ctx, env, s, log, bar, apply.Creation{Plan: planned[0], Data: data})
	if err != nil {
		return err
	}
	done := plan.ResultDone
	p.Images[0].ID, p.Images[0].Result = made.ID, &done
	env.note("image %s (%s) was made of the data of %s; journal %s", render.Safe(made.Name), made.ID, old.ID, log.Path())
	if len(planned) > 1 {
		changer := apply.Changer{Glance: s.glance, Recorder: log, Wait: apply.Sleep, Notify: env.warn}
		report, err := changer.Apply(ctx, plan.Plan{Version: plan.Version, Command: r.command, Images: planned[1:]})
		if err == nil && report.Images[0].Error != nil {
			err = errors.New(*report.Images[0].Error)
		}
		if err != nil {
			return &partialError{fmt.Sprintf("the new image %s is there, but the old one, %s, was not hidden: %v", made.ID, old.ID, err)}
		}
		p.Images = append(p.Images[:1], report.Images...)
		env.note("image %s (%s) is hidden", render.Safe(old.Name), old.ID)
	}
	if r.output.Format != render.FormatTable {
		return asUsage(render.PlanData(env.Out, p, r.output))
	}
	return nil
}

// printToNew prints the lines of the standard client that do the same.
func printToNew(env *Env, planned []plan.Image, old image.Image) error {
	file := old.ID + "." + old.DiskFormat
	create := []string{"openstack", "image", "create", "--file", file}
	for _, change := range planned[0].Changes {
		if change.Property == "owner" {
			create = append(create, "--project", fmt.Sprint(change.After))
		}
		create = append(create, openstackOption(change)...)
	}
	lines := []string{
		join([]string{"openstack", "image", "save", "--file", file, old.ID}) + " &&",
		join(append(create, planned[0].Name)),
	}
	for _, img := range planned[1:] {
		lines[len(lines)-1] += " &&"
		more, _ := changeLines(img, false)
		lines = append(lines, more...)
	}
	return printLines(env.Out, lines)
}
