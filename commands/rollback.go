package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/apply"
	"glance-profile/internal/journal"
	"glance-profile/internal/plan"
	"glance-profile/internal/render"
)

func rollbackCommand(env *Env) *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "last", Usage: "take back the last run on the same image service and project that was no rollback"},
		&cli.BoolFlag{Name: "list", Usage: "list the journals"},
		&cli.BoolFlag{Name: "show", Usage: "show what a journal holds"},
		&cli.BoolFlag{Name: "force", Usage: "overwrite what somebody else has changed since"},
	}
	flags = append(append(flags, roadFlags()...), outputFlags(render.KindList)...)
	return &cli.Command{
		Name:      "rollback",
		Usage:     "put back what a journal says was there before",
		ArgsUsage: "[JOURNAL]",
		Description: "Takes back a run, whole or cut off at any instant. An image that somebody else has changed since is\n" +
			"left alone and named. Images that the run made are deleted. A rollback keeps a journal of its own.",
		Flags:  flags,
		Action: func(c *cli.Context) error { return runRollback(c, env) },
	}
}

func runRollback(c *cli.Context, env *Env) error {
	dir, err := env.journalDir()
	if err != nil && c.NArg() == 0 {
		return err
	}
	if c.Bool("list") {
		if c.NArg() > 0 || c.Bool("last") {
			return usagef("--list lists all journals; leave the others out")
		}
		output, err := readOutput(c, env, render.KindList, journalColumns)
		if err != nil {
			return err
		}
		return listJournals(env, dir, output)
	}
	r, err := readRoad(c, env, journal.VerbRollback)
	if err != nil {
		return err
	}
	r.force = c.Bool("force")
	switch {
	case c.NArg() > 1:
		return usagef("one JOURNAL at a time")
	case c.NArg() == 1 && c.Bool("last"):
		return usagef("--last and a JOURNAL contradict each other")
	case c.NArg() == 0 && !c.Bool("last"):
		return usagef("which run? name its JOURNAL, or use --last; --list shows them")
	case c.NArg() == 1 && c.Bool("show"):
		return showJournal(env, c.Args().First(), r.output)
	}
	s, err := connect(c.Context, c, env)
	if err != nil {
		return err
	}
	defer s.finish()
	path := c.Args().First()
	if c.Bool("last") {
		last, rolledBack, err := journal.Last(dir, s.Endpoint, s.ProjectID)
		if err != nil {
			return err
		}
		path = last.Path
		if c.Bool("show") {
			return showJournal(env, path, r.output)
		}
		if rolledBack {
			env.note("there was a rollback since the last run, and --last reaches no further back: to take back an earlier run name its JOURNAL, which --list shows")
		}
	}
	return rollBack(c.Context, env, s, r, path)
}

// rollBack takes back what a journal holds of the cloud that is logged in to.
func rollBack(ctx context.Context, env *Env, s *session, r road, path string) error {
	entries, err := journal.LoadEnded(path)
	if err != nil {
		return err
	}
	var here, open []plan.Image
	elsewhere := 0
	for _, img := range journal.Images(entries) {
		if strings.TrimRight(img.Endpoint, "/") != strings.TrimRight(s.Endpoint, "/") {
			elsewhere++
			continue
		}
		here = append(here, img)
		if img.Result == nil {
			open = append(open, img)
		}
	}
	switch {
	case elsewhere > 0 && len(here) == 0:
		return usagef("journal %s is of another image service than %s; choose the cloud with --os-cloud", path, s.Endpoint)
	case elsewhere > 0:
		env.note("%s of other image services left out; choose their cloud with --os-cloud", countImages(elsewhere))
	}
	back, lost := plan.Invert(here)
	todo := pending{images: back, failed: len(lost)}
	for _, img := range lost {
		env.fail(fmt.Errorf("image %s (%s) was deleted, which cannot be taken back", img.Name, img.ID))
	}
	env.note("taking back %s", path)
	todo.readMachines(ctx, env, s, r)
	r.onLost = "an image that somebody else has changed since is left as it is; --force overwrites that"
	if err := carryOut(ctx, env, s, r, todo); err != nil || r.readOnly() {
		return err
	}
	return lateArrivals(ctx, env, s, open)
}

// late is how long a request may have been on its way when its run was cut off.
const late = 3 * time.Second

// lateArrivals looks once more at the images whose requests were under way when
// the run was cut off: one that was still in the network may have arrived after
// it was taken back.
func lateArrivals(ctx context.Context, env *Env, s *session, open []plan.Image) error {
	if len(open) == 0 {
		return nil
	}
	if err := apply.Sleep(ctx, late); err != nil {
		return err
	}
	arrived := 0
	for _, p := range open {
		img, err := s.glance.Get(ctx, p.ID)
		if err != nil || p.Action != plan.ActionChange {
			continue
		}
		for _, c := range p.Changes {
			if held := img.Value(c.Property); !plan.Equal(held, c.Before) && plan.Equal(held, c.After) {
				env.fail(fmt.Errorf("image %s (%s): the request that was under way has arrived after all", img.Name, img.ID))
				arrived++
				break
			}
		}
	}
	if arrived > 0 {
		return &partialError{fmt.Sprintf("%s changed after the rollback; run it again", countImages(arrived))}
	}
	env.note("%s had a request under way when the run was cut off, and none has arrived since; if the network may hold it for longer, run the rollback again",
		countImages(len(open)))
	return nil
}

// journalColumns are those of rollback --list.
var journalColumns = []string{"Time", "Images", "Service", "Command", "Journal"}

func listJournals(env *Env, dir string, o render.Options) error {
	journals, err := journal.List(dir)
	if err != nil {
		return err
	}
	var rows [][]any
	for _, j := range journals {
		clouds := ""
		for i, place := range j.Places {
			if i > 0 {
				clouds += ", "
			}
			clouds += place.Endpoint
		}
		command := j.Command
		if j.Err != nil {
			command = j.Err.Error()
		}
		rows = append(rows, []any{j.Time.Format(time.RFC3339), j.Images, clouds, command, j.Path})
	}
	return asUsage(render.List(env.Out, journalColumns, rows, o))
}

func showJournal(env *Env, path string, o render.Options) error {
	entries, err := journal.Load(path)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return errors.New("the journal is empty: nothing was begun")
	}
	return printPlanTo(env, o, plan.Plan{Version: plan.Version, Command: entries[0].Command, Images: journal.Images(entries)}, nil)
}
