package commands

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/audit"
	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/policy"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
	"glance-profile/internal/report"
	"glance-profile/internal/selection"
)

func auditCommand(env *Env) *cli.Command {
	fix := &listFlag{cli.StringSliceFlag{Name: "fix", Usage: "turn findings with a fix into a plan, of each `RULE` that follows or of all, and carry it out as apply does; images stand before it", Category: categoryRoad}}
	flags := []cli.Flag{
		policyFlag(),
		&cli.StringFlag{Name: "severity", Value: "info", Usage: "show findings of this `SEVERITY` or worse only: error, warning or info"},
		&cli.StringFlag{Name: "fail-on", Value: "error", Usage: "exit with 3 for findings of this `SEVERITY` or worse: error, warning, info, or never"},
		novaFlag(),
		osinfoFlag(),
		&cli.StringFlag{Name: "from", Usage: "judge the images of a saved listing, `FILE` or - for stdin, without a cloud"},
		&cli.BoolFlag{Name: "all-clouds", Usage: "judge the images of every cloud of clouds.yaml; some of them: --os-cloud a,b"},
		&cli.BoolFlag{Name: "all-regions", Usage: "judge the images of every region of the cloud"},
		&cli.BoolFlag{Name: "all-images", Usage: "show images without findings in the table too"},
		fix,
	}
	flags = append(append(append(flags, selectionFlags()...), roadFlags()...), outputFlagsFor(render.KindList, report.Formats())...)
	return &cli.Command{
		Name:      "audit",
		Usage:     "find what is wrong or missing in a catalog, say why, and mend it",
		ArgsUsage: "[IMAGE...]",
		Description: "Judges all images that a plain listing shows, or those chosen: what Nova, libvirt or Glance refuse, what has no\n" +
			"effect, runs slowly or misleads. audit rules lists the rules, audit explain RULE says why there is one and what\n" +
			"mends it. Exits with 3 where there are findings of --fail-on or worse.\n" +
			"--policy chooses and weighs the rules; audit policy NAME prints one to start from, glance-profile-policy(5) has all\n" +
			"of the format. Columns: " + list(report.Columns()) + ".\n" +
			"With --fix it changes images: it shows its plan, asks, and keeps a journal for rollback.",
		Flags:  flags,
		Action: func(c *cli.Context) error { return runAudit(c, env) },
		Subcommands: []*cli.Command{
			leaf(auditRulesCommand(env)), leaf(auditExplainCommand(env)), leaf(auditPolicyCommand(env)),
		},
	}
}

func policyFlag() cli.Flag {
	return &cli.StringFlag{Name: "policy", Value: policy.Default, Usage: "which rules count and how much, `POLICY`: " + list(policy.Embedded()) + ", or a YAML file of your own"}
}

func novaFlag() cli.Flag {
	var releases []string
	for _, r := range hardware.Releases() {
		releases = append(releases, string(r))
	}
	return &cli.StringFlag{Name: "nova", Value: string(hardware.Newest), Usage: "`RELEASE` of OpenStack to judge by: " + list(releases)}
}

// readRelease reads --nova.
func readRelease(c *cli.Context) (hardware.Release, error) {
	release, err := hardware.ParseRelease(c.String("nova"))
	if err != nil {
		return "", usagef("--nova: %v", err)
	}
	return release, nil
}

// readPolicy reads --policy: the name of an embedded policy, or a file.
func readPolicy(c *cli.Context, env *Env) (*policy.Policy, error) {
	name := c.String("policy")
	if slices.Contains(policy.Embedded(), name) {
		return policy.Get(name)
	}
	if !strings.ContainsRune(name, filepath.Separator) && !strings.ContainsRune(name, '/') && !isFile(name) {
		_, err := policy.Get(name)
		return nil, usagef("--policy: %v; or name a file", err)
	}
	data, err := readSmall(name, policy.MaxBytes)
	if err != nil {
		return nil, usagef("--policy: %v", err)
	}
	p, err := policy.Parse(name, data, ruleIDs())
	if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 1 {
		for _, problem := range several.Unwrap() {
			env.fail(problem)
		}
		return nil, usagef("--policy %s: the %d mistakes above", name, len(several.Unwrap()))
	}
	if err != nil {
		return nil, usagef("--policy %v", err)
	}
	for _, doubt := range p.Doubts() {
		env.warn("%s", doubt)
	}
	return p, nil
}

// readSmall reads a file of at most max bytes.
func readSmall(path string, max int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, max+1))
	if err == nil && int64(len(data)) > max {
		err = fmt.Errorf("%s: larger than the %d KiB that it may have", path, max>>10)
	}
	return data, err
}

func ruleIDs() []string {
	var ids []string
	for _, r := range audit.Rules() {
		ids = append(ids, r.ID)
	}
	return ids
}

// never is --fail-on never: no finding is as bad as that.
const never = property.Error + 1

// auditOptions are the options of audit.
type auditOptions struct {
	policy  *policy.Policy
	failOn  property.Severity
	shown   property.Severity // the mildest that is
	release hardware.Release
	systems *osinfo.DB
	now     time.Time
}

func readAudit(c *cli.Context, env *Env) (o auditOptions, err error) {
	o.now = env.Now()
	if o.policy, err = readPolicy(c, env); err != nil {
		return o, err
	}
	if text := c.String("fail-on"); text == "never" {
		o.failOn = never
	} else if o.failOn, err = property.ParseSeverity(text); err != nil {
		return o, usagef("--fail-on %s: it may be error, warning, info or never", render.Quoted(text))
	}
	if o.shown, err = property.ParseSeverity(c.String("severity")); err != nil {
		return o, usagef("--severity %s: it may be error, warning or info", render.Quoted(c.String("severity")))
	}
	if o.release, err = readRelease(c); err != nil {
		return o, err
	}
	o.systems, err = openOsinfo(env, c)
	return o, err
}

func (o auditOptions) auditor() *audit.Auditor {
	return audit.New(audit.Options{DB: o.systems, Nova: o.release, Now: o.now})
}

func runAudit(c *cli.Context, env *Env) error {
	o, err := readAudit(c, env)
	if err != nil {
		return err
	}
	if c.IsSet("fix") {
		return fixFindings(c, env, o)
	}
	for _, flag := range roadFlags() {
		if name := flag.Names()[0]; c.IsSet(name) && name != "jobs" {
			return usagef("--%s goes with --fix", name)
		}
	}
	out, err := outputOptions(c, env, render.KindList)
	if err != nil {
		return err
	}
	if err := asUsage(report.Check(out)); err != nil {
		return err
	}
	places, q, err := readPlaces(c, env)
	if err != nil {
		return err
	}
	failOn := o.failOn
	if failOn == never {
		failOn = property.Error
	}
	r, err := report.New(env.Out, report.Options{
		Output: out, Colour: env.colour(), AllImages: c.Bool("all-images"), FailOn: failOn, Now: o.now, Version: env.Version,
		Rules: o.policy.Weigh(audit.Rules()),
	})
	if err != nil {
		return asUsage(err)
	}
	a := &auditing{o: o, auditor: o.auditor(), run: o.policy.Run(o.now), add: r.Add, plain: q.All && len(q.Where) == 0}
	return a.report(c, env, logIn(c, env, places), q, r)
}

// report judges the images of all places and closes the report, whatever comes
// in between: what was found is to be read.
func (a *auditing) report(c *cli.Context, env *Env, places []place, q selection.Query, r *report.Report) error {
	summary := report.Summary{}
	var failed, missing int
	var last error
	interrupted := false
	for _, p := range places {
		state := report.Cloud{Location: p.location()}
		err := c.Context.Err()
		if err == nil {
			var n int
			n, err = a.judgePlace(c, env, p, q)
			missing += n
		}
		switch {
		case errors.Is(err, errWriting):
			return err
		case err != nil && c.Context.Err() != nil:
			interrupted, state.Error = true, "interrupted"
		case err != nil:
			failed, last = failed+1, err
			state.Error = p.failure(err)
			if len(places) > 1 {
				env.fail(errors.New(p.name() + ": " + state.Error))
			}
		}
		if !p.saved() {
			summary.Clouds = append(summary.Clouds, state)
		}
	}
	late, stale := a.run.Finish()
	for _, result := range late {
		if err := a.take(result); err != nil {
			return err
		}
	}
	for _, s := range stale {
		if s.Expired || a.plain && failed == 0 && !interrupted {
			env.warn("%s:%d: %s", s.File, s.Line, s.Message)
			summary.StaleIgnores = append(summary.StaleIgnores, fmt.Sprintf("%s:%d: %s", s.File, s.Line, s.Message))
		}
	}
	summary.Images = a.judged
	if a.others > 0 {
		env.note("%s not judged, which the policy %s is not for", countImages(a.others), a.o.policy.Name)
	}
	if err := r.Close(summary); err != nil {
		return fmt.Errorf("%w: %w", errWriting, err)
	}
	if a.judged+a.others == 0 && failed+missing == 0 && !interrupted && !places[0].saved() { // of a listing that is told where it is read
		env.note("no image matches")
	}
	switch {
	case interrupted:
		return fmt.Errorf("interrupted; the report is of the %s judged before", countImages(a.judged))
	case failed > 0 && failed == len(places):
		if failed > 1 {
			return fmt.Errorf("none of %d clouds and regions could be judged", failed)
		}
		return last
	case failed > 0:
		return &partialError{fmt.Sprintf("%d of %d clouds and regions could not be judged", failed, len(places))}
	case missing > 0 && a.judged > 0:
		return &partialError{fmt.Sprintf("%s not found, %d judged", countImages(missing), a.judged)}
	case missing > 0:
		return errors.New("no image was judged")
	case a.found(a.o.failOn):
		return errFindings
	}
	return nil
}

// errWriting says that the report could not be written.
var errWriting = errors.New("write the report")

// auditing is a run of audit: it judges images, keeps what the rules on whole
// catalogs need, and hands on what was found.
type auditing struct {
	o       auditOptions
	auditor *audit.Auditor
	run     *policy.Run
	add     func(audit.Result) error
	plain   bool // all images are judged, so that an ignore without a finding is stale

	judged int // images
	others int // images that the policy is not for
	counts [never + 1]int
}

// judge is what is found in one image. Several goroutines may call it.
func (a *auditing) judge(at audit.Location, img image.Image) audit.Result {
	return audit.Result{Location: at, ID: img.ID, Name: img.Name, Findings: a.run.Judge(at, img, a.auditor.Image(img))}
}

// take hands a result on.
func (a *auditing) take(result audit.Result) error {
	for _, f := range result.Findings {
		a.counts[f.Severity]++
	}
	result.Findings = slices.DeleteFunc(result.Findings, func(f audit.Finding) bool { return f.Severity < a.o.shown })
	if err := a.add(result); err != nil {
		return fmt.Errorf("%w: %w", errWriting, err)
	}
	return nil
}

// found reports whether there were findings of a severity or worse.
func (a *auditing) found(from property.Severity) bool {
	for severity := from; severity < never; severity++ {
		if a.counts[severity] > 0 {
			return true
		}
	}
	return false
}

// takeCatalog hands on what the rules on all images of a place find.
func (a *auditing) takeCatalog(at audit.Location, catalog *audit.Catalog) error {
	for f := range a.run.Catalog(at, catalog.Findings()) {
		if err := a.take(audit.Result{Location: at, ID: f.ID, Name: f.Name, Findings: []audit.Finding{f.Finding}}); err != nil {
			return err
		}
	}
	return nil
}
