package commands

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"glance-profile/internal/apply"
	"glance-profile/internal/journal"
	"glance-profile/internal/plan"
	"glance-profile/internal/render"
	"glance-profile/internal/selection"
)

// partialError says that some images are done and others not.
type partialError struct{ message string }

func (e *partialError) Error() string { return e.message }

// carryOut shows the plan and, where it is to go on, confirms, records and
// applies it.
func carryOut(ctx context.Context, env *Env, s *session, r road, todo pending) error {
	p := plan.Plan{Version: plan.Version, Command: r.command, Images: todo.images}
	switch {
	case r.readOnly():
		if err := handOut(env, r, p, todo.hardware); err != nil {
			return err
		}
		return outcome(r, len(p.Images), todo.right, todo.failed)
	case len(p.Images) == 0:
		env.note("nothing to do")
		if err := printCarriedOut(env, r.output, p); err != nil {
			return err
		}
		return outcome(r, 0, todo.right, todo.failed)
	}
	if !r.yes || !env.quiet { // nobody is asked to agree to what was not shown
		if err := render.PlanText(env.messages(), p, todo.hardware, env.colourErr()); err != nil {
			return err
		}
	}
	if err := confirm(ctx, env, r, p.Images); err != nil {
		return err
	}
	log, err := openJournal(env, r.journal, r.verb, r.command)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	defer log.Close()
	changer := newChanger(env, s, r, todo, log)
	report, applyErr := changer.Apply(ctx, p)
	if changer.Progress != nil {
		fmt.Fprintln(env.Err)
	}
	tellReport(env, r, report, todo.failed, log.Path())
	p.Images = report.Images
	if err := printCarriedOut(env, r.output, p); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return &partialError{fmt.Sprintf("interrupted: %s changed, %d not begun; glance-profile rollback %s takes them back",
			countImages(report.Done), report.Skipped, shellQuote(log.Path()))}
	case applyErr != nil && report.Done > 0:
		return &partialError{applyErr.Error()}
	case applyErr != nil:
		return applyErr
	}
	return outcome(road{}, 0, report.Done+report.Unchanged+todo.right, todo.failed+report.Failed+report.Lost+report.Skipped)
}

// handOut saves or prints a plan that is not to be carried out now.
func handOut(env *Env, r road, p plan.Plan, hardware [][]string) error {
	switch {
	case r.out != "":
		if err := savePlan(r.out, p); err != nil {
			return err
		}
		env.note("plan of %s saved in %s", countImages(len(p.Images)), r.out)
		return nil
	case r.openstack, r.volumes:
		for _, img := range p.Images {
			if err := printChangeLines(env, env.Out, img, r.volumes); err != nil {
				return err
			}
		}
		return nil
	}
	return printPlanTo(env, r.output, p, hardware)
}

// newChanger is what carries the plan out.
func newChanger(env *Env, s *session, r road, todo pending, log *journal.Journal) apply.Changer {
	changer := apply.Changer{Glance: s.glance, Recorder: log, Wait: apply.Sleep, Jobs: r.jobs, Force: r.force,
		Notify: func(format string, args ...any) { env.warn(format, args...) }}
	if env.ErrIsTerminal && !env.quiet {
		changer.Progress = func(done, total int) { fmt.Fprintf(env.Err, "\r%d of %d images", done, total) }
	}
	switch {
	case len(todo.images) <= maxSingleReads:
	case len(todo.listings) > 0:
		changer.Listings = todo.listings
	default:
		changer.Listings = []url.Values{selection.PlainListing()}
	}
	return changer
}

// tellReport says what became of the images. failed counts those that could not
// be planned for.
func tellReport(env *Env, r road, report apply.Report, failed int, journal string) {
	for _, img := range report.Images {
		if img.Error != nil {
			env.fail(fmt.Errorf("image %s (%s): %s", img.Name, img.ID, *img.Error))
		}
	}
	env.note("%s done, %d unchanged, %d failed, %d not begun; journal %s",
		countImages(report.Done), report.Unchanged, report.Failed+report.Lost+failed, report.Skipped, journal)
	if report.Lost > 0 && r.onLost != "" {
		env.note("%s", r.onLost)
	}
	if report.Done > 0 && r.onDone != "" {
		env.note("%s", r.onDone)
	}
}

// printCarriedOut prints a plan with its results for scripts; people were told.
func printCarriedOut(env *Env, o render.Options, p plan.Plan) error {
	if o.Format == render.FormatTable {
		return nil
	}
	return asUsage(render.PlanData(env.Out, p, o))
}

// outcome turns counts into the error that carries the exit code.
func outcome(r road, pending, done, failed int) error {
	switch {
	case failed > 0 && done+pending > 0:
		return &partialError{fmt.Sprintf("%s failed, %d did not", countImages(failed), done+pending)}
	case failed > 0:
		return fmt.Errorf("%s failed, and no other was changed", countImages(failed))
	case r.check && pending > 0:
		return errFindings
	}
	return nil
}

// openJournal makes the journal of a run, at path or where journals are kept.
func openJournal(env *Env, path, verb, command string) (*journal.Journal, error) {
	if path == "" {
		var err error
		if path, err = env.journalDir(); err != nil {
			return nil, err
		}
	}
	return journal.Create(path, verb, command, env.Now)
}

// countImages is a number of images in words.
func countImages(n int) string {
	if n == 1 {
		return "1 image"
	}
	return fmt.Sprintf("%d images", n)
}

func printPlanTo(env *Env, o render.Options, p plan.Plan, hardware [][]string) error {
	if o.Format == render.FormatTable {
		return render.PlanText(env.Out, p, hardware, env.colour())
	}
	return asUsage(render.PlanData(env.Out, p, o))
}

// toDo says in words what is to be done to how many images.
func toDo(images []plan.Image) string {
	counts := map[string]int{}
	for _, img := range images {
		counts[img.Action]++
	}
	var parts []string
	for _, action := range []string{plan.ActionChange, plan.ActionDelete} {
		if n := counts[action]; n > 0 {
			parts = append(parts, action+" "+countImages(n))
		}
	}
	return strings.Join(parts, " and ")
}

// confirm asks on a terminal, and elsewhere demands --yes.
func confirm(ctx context.Context, env *Env, r road, images []plan.Image) error {
	if r.yes {
		return nil
	}
	what := toDo(images)
	if !env.ErrIsTerminal || !env.inIsTerminal() {
		return usagef("there is no terminal to ask at whether to %s; add --yes, or --dry-run to see the plan only", what)
	}
	fmt.Fprintf(env.Err, "%s? [y/N] ", strings.ToUpper(what[:1])+what[1:])
	answered := make(chan string, 1)
	go func() { // ends with the program where Ctrl-C comes first
		answer, _ := bufio.NewReader(env.In).ReadString('\n')
		answered <- answer
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(env.Err)
		return errors.New("interrupted; nothing was changed")
	case answer := <-answered:
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			return errors.New("declined; nothing was changed")
		}
	}
	return nil
}

// savePlan writes a plan for apply --plan. The file must not be there: a plan
// that was agreed on is not to be replaced by accident.
func savePlan(path string, p plan.Plan) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return usagef("--out: %v", err)
	}
	_, err = file.Write(append(data, '\n'))
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// maxPlanBytes bounds a saved plan: that of 100,000 images has some 60 MiB.
const maxPlanBytes = 512 << 20

// loadPlan reads a saved plan, and refuses one that no --out has written.
func loadPlan(path string) (plan.Plan, error) {
	var p plan.Plan
	file, err := os.Open(path)
	if err != nil {
		return p, usagef("--plan: %v", err)
	}
	defer file.Close()
	dec := json.NewDecoder(io.LimitReader(file, maxPlanBytes))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return p, usagef("--plan %s: %v", path, err)
	}
	if p.Version != plan.Version {
		return p, usagef("--plan %s: version %d, and this program reads version %d", path, p.Version, plan.Version)
	}
	if err := p.Check(); err != nil {
		return p, usagef("--plan %s: %v", path, err)
	}
	return p, nil
}
