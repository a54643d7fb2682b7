package commands

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/audit"
	"glance-profile/internal/cloud"
	"glance-profile/internal/image"
	"glance-profile/internal/selection"
)

// place is where images are judged: a region of a cloud, or a saved listing.
type place struct {
	cloud  string // of clouds.yaml; "" for the one that variables and options make
	region string // "" for the cloud's own choice
	from   string // a saved listing instead
	// session is the login, where there is one already.
	session *session
	err     error // why there is none
}

func (p place) saved() bool { return p.from != "" }

func (p place) location() audit.Location {
	if p.session != nil {
		return audit.Location{Cloud: p.session.Name, Region: p.session.Region}
	}
	return audit.Location{Cloud: p.cloud, Region: p.region}
}

func (p place) name() string {
	name := "cloud " + p.cloud
	if p.cloud == "" {
		name = "the cloud"
	}
	if p.region != "" {
		name += ", region " + p.region
	}
	return name
}

// failure is what went wrong at a place, without its cloud, which logging in
// names too.
func (p place) failure(err error) string {
	return strings.TrimPrefix(err.Error(), "cloud "+p.cloud+": ")
}

// ofOneCloud are the options that say where one cloud is, or who one is there:
// with several, a secret would go to those that it is not for.
var ofOneCloud = []string{
	"os-auth-url", "os-endpoint", "os-password", "os-token",
	"os-application-credential-id", "os-application-credential-name", "os-application-credential-secret",
}

// readPlaces reads the options that say where the images are, and which.
func readPlaces(c *cli.Context, env *Env) ([]place, selection.Query, error) {
	q, err := readQuery(c, true)
	if err != nil {
		return nil, q, err
	}
	clouds, err := readClouds(c, env)
	if err != nil {
		return nil, q, err
	}
	if c.IsSet("from") {
		switch {
		case c.String("from") == "":
			return nil, q, usagef("--from is empty; give it a value or leave it out")
		case c.Bool("all-clouds") || c.Bool("all-regions") || len(clouds) > 1:
			return nil, q, usagef("--from has its images already; leave clouds and regions out")
		}
		return []place{{from: c.String("from")}}, q, checkListing(q, "")
	}
	if c.Bool("all-regions") && c.String("os-region-name") != "" {
		return nil, q, usagef("--all-regions and --os-region-name contradict each other")
	}
	for _, name := range ofOneCloud {
		if c.String(name) != "" && (len(clouds) > 1 || c.Bool("all-clouds")) {
			return nil, q, usagef("--%s is of one cloud, and several are to be judged: put it into clouds.yaml", name)
		}
		variable := "OS_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(name, "os-"), "-", "_"))
		if env.getenv(variable) != "" && (len(clouds) > 1 || c.Bool("all-clouds")) {
			return nil, q, usagef("$%s is of one cloud, and several are to be judged: unset it", variable)
		}
	}
	var places []place
	for _, name := range clouds {
		places = append(places, place{cloud: name})
	}
	return places, q, nil
}

// readClouds are the clouds that the line names, each once.
func readClouds(c *cli.Context, env *Env) ([]string, error) {
	chosen := c.String("os-cloud")
	known, err := cloud.CloudNames(env.Cloud)
	switch {
	case c.Bool("all-clouds") && chosen != "":
		return nil, usagef("--all-clouds and --os-cloud contradict each other")
	case c.Bool("all-clouds") && err != nil:
		return nil, err
	case c.Bool("all-clouds") && len(known) == 0:
		return nil, usagef("--all-clouds: there is no clouds.yaml, or no cloud in it")
	case c.Bool("all-clouds"):
		return known, nil
	case !strings.Contains(chosen, ",") || slices.Contains(known, chosen):
		return []string{chosen}, nil
	case err != nil:
		return nil, err
	}
	var names []string
	for name := range strings.SplitSeq(chosen, ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
			return nil, usagef("--os-cloud %s: a name between the commas is empty", chosen)
		case !slices.Contains(known, name):
			return nil, usagef("--os-cloud: cloud %q not found: there are %s", name, strings.Join(known, ", "))
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	return names, nil
}

// logIn opens the sessions of all places, one for each region where all are
// asked for. What fails is kept with its place.
func logIn(c *cli.Context, env *Env, places []place) []place {
	var opened []place
	for _, p := range places {
		if p.saved() {
			opened = append(opened, p)
			continue
		}
		p.session, p.err = connectTo(c.Context, c, env, p.cloud)
		if p.err != nil || !c.Bool("all-regions") {
			opened = append(opened, p)
			continue
		}
		if len(p.session.Regions) == 0 {
			p.err = errors.New("--all-regions: the catalog names no region of the image service")
			opened = append(opened, p)
			continue
		}
		for _, region := range p.session.Regions {
			here := place{cloud: p.session.Name, region: region}
			here.session, here.err = p.session.in(region)
			opened = append(opened, here)
		}
	}
	return opened
}

// judgePlace judges the images of one place, in their order, while they come.
// missing counts names that lead nowhere.
func (a *auditing) judgePlace(c *cli.Context, env *Env, p place, q selection.Query) (missing int, err error) {
	if p.err != nil {
		return 0, p.err
	}
	at, catalog := p.location(), &audit.Catalog{}
	line := newJudges(c.Context, func(img image.Image) audit.Result { return a.judge(at, img) }, func(img image.Image, result audit.Result) error {
		if !a.run.Judges(img) {
			a.others++
			return nil
		}
		a.judged++
		catalog.Add(img)
		return a.take(result)
	})
	var unmet []string
	judge := func(img image.Image) error { line.judge(img); return line.failed() }
	if p.saved() {
		missing, err = chooseSaved(c.Context, env, p.from, q, judge)
	} else {
		defer p.session.finish()
		q.Project, q.Admin, q.Jobs = p.session.ProjectID, true, c.Int("jobs") // images of others are judged too
		q.BothEnds = q.Jobs > 1
		var found selection.Result
		found, err = selection.Each(c.Context, p.session.glance, q, judge)
		for _, name := range found.Missing {
			env.fail(name)
		}
		missing, unmet = len(found.Missing), found.Unmet
	}
	if judgeErr := line.close(); judgeErr != nil {
		err = judgeErr // it is why the reading ended
	}
	if err == nil && a.judged+a.others > 0 {
		warnUnmet(env, unmet)
	}
	if catalogErr := a.takeCatalog(at, catalog); catalogErr != nil {
		return missing, catalogErr
	}
	return missing, err
}

// judges judge images on all processors and hand the results on in the order of
// the images, while more of them come.
type judges struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	order  chan *judgement
	work   chan *judgement
	batch  *judgement
	done   chan struct{}
}

// judgement is a few images and what was found in each.
type judgement struct {
	images  []image.Image
	bytes   int // of their properties
	results []audit.Result
	ready   chan struct{}
}

// batchSize is how many images are judged by one goroutine in a row, less where
// their properties come to more than batchBytes; ahead is how many such batches
// may wait.
const (
	batchSize  = 32
	batchBytes = 1 << 20
	ahead      = 8
)

func newJudges(ctx context.Context, judge func(image.Image) audit.Result, take func(image.Image, audit.Result) error) *judges {
	j := &judges{order: make(chan *judgement, ahead), work: make(chan *judgement, ahead), done: make(chan struct{})}
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for b := range j.work {
				for _, img := range b.images {
					b.results = append(b.results, judge(img))
				}
				close(b.ready)
			}
		}()
	}
	go func() {
		defer close(j.done)
		for b := range j.order {
			<-b.ready
			for i, img := range b.images {
				if j.ctx.Err() != nil {
					break // what is left is only taken off the line
				}
				if err := take(img, b.results[i]); err != nil {
					j.cancel(err)
				}
			}
		}
	}()
	return j
}

// judge takes an image up.
func (j *judges) judge(img image.Image) {
	if j.batch == nil {
		j.batch = &judgement{ready: make(chan struct{})}
	}
	j.batch.images = append(j.batch.images, img)
	for name, value := range img.Properties {
		j.batch.bytes += len(name) + len(value)
	}
	if len(j.batch.images) == batchSize || j.batch.bytes > batchBytes {
		j.flush()
	}
}

func (j *judges) flush() {
	if j.batch != nil {
		j.order <- j.batch
		j.work <- j.batch
		j.batch = nil
	}
}

// failed is why no more images are to be judged, nil while they are.
func (j *judges) failed() error { return context.Cause(j.ctx) }

// close waits for the last result. The error is that of handing one on, or the
// context's.
func (j *judges) close() error {
	j.flush()
	close(j.order)
	close(j.work)
	<-j.done
	err := j.failed()
	j.cancel(nil)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}
