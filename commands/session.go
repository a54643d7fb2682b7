package commands

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"glance-profile/internal/cloud"
	"glance-profile/internal/glance"
	"glance-profile/internal/plan"
)

// session is a login to one cloud. Commands open it only when they need it.
type session struct {
	*cloud.Session
	glance *glance.Client
	finish func()
}

// connect logs in to the cloud that the options, the variables and clouds.yaml
// name, in the order of the openstack client.
func connect(ctx context.Context, c *cli.Context, env *Env) (*session, error) {
	return connectTo(ctx, c, env, c.String("os-cloud"))
}

// connectTo is connect for another cloud than that of --os-cloud.
func connectTo(ctx context.Context, c *cli.Context, env *Env, name string) (*session, error) {
	if c.Bool("insecure") && c.Bool("verify") {
		return nil, usagef("--insecure and --verify contradict each other")
	}
	options := cloud.Options{Insecure: c.Bool("insecure"), Verify: c.Bool("verify")}
	for _, option := range cloudOptions {
		*option.field(&options) = c.String(option.flag)
	}
	options.Cloud = name
	config, err := cloud.Load(options, env.Cloud)
	if err != nil {
		return nil, err
	}
	if c.Bool("all-regions") {
		config.Region = "" // the catalog has them all, whichever is configured
	}
	for _, note := range config.Notes {
		env.note("%s", note)
	}
	connectOptions := cloud.ConnectOptions{UserAgent: "glance-profile/" + env.Version}
	if c.Bool("debug") {
		connectOptions.Debug = env.messages()
	}
	if env.ErrIsTerminal && env.inIsTerminal() {
		connectOptions.AskPassword = func(prompt string) (string, error) {
			fmt.Fprint(env.Err, prompt)
			password, err := term.ReadPassword(int(env.In.Fd()))
			fmt.Fprintln(env.Err)
			return string(password), err
		}
	}
	var times timings
	if c.Bool("timing") {
		connectOptions.Timing = times.add // never called twice at once
	}
	s, err := cloud.Connect(ctx, config, connectOptions)
	if err != nil {
		times.print(env)
		return nil, err
	}
	env.detail("logged in to %s, project %s, image service %s", s.Name, s.ProjectID, s.Endpoint)
	if left := s.Expires.Sub(env.Now()); !s.Expires.IsZero() && left < soon {
		env.warn("the token expires in %s and cannot be renewed: what takes longer will fail, unless glance-profile itself logs in, with a password or an application credential",
			max(left, 0).Round(time.Second))
	}
	return &session{Session: s, glance: glance.New(s.Image), finish: func() { times.print(env) }}, nil
}

// soon is how little time a token that cannot be renewed may have left without a
// warning: an upload of some gigabytes takes as long.
const soon = 10 * time.Minute

// locate writes into a plan where its image is.
func (s *session) locate(img *plan.Image) {
	img.Cloud, img.Endpoint, img.Region, img.Project = s.Name, s.Endpoint, s.Region, s.ProjectID
}

// timings collects the requests of a run for --timing.
type timings struct {
	rows []timing
}

type timing struct {
	method, url string
	took        time.Duration
}

func (t *timings) add(method, url string, took time.Duration) {
	t.rows = append(t.rows, timing{method, url, took})
}

// print writes the list to stderr: stdout carries the answer alone.
func (t *timings) print(env *Env) {
	if len(t.rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(env.messages(), 0, 8, 2, ' ', 0)
	var total time.Duration
	fmt.Fprintln(w, "SECONDS\tREQUEST")
	for _, row := range t.rows {
		total += row.took
		fmt.Fprintf(w, "%.3f\t%s %s\n", row.took.Seconds(), row.method, row.url)
	}
	fmt.Fprintf(w, "%.3f\ttotal\n", total.Seconds())
	w.Flush()
}

// in returns the session in another region of the same cloud.
func (s *session) in(region string) (*session, error) {
	other, err := s.In(region)
	if err != nil {
		return nil, err
	}
	return &session{Session: other, glance: glance.New(other.Image), finish: s.finish}, nil
}
