package commands

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/cloud"
	"glance-profile/internal/complete"
	"glance-profile/internal/glance"
	"glance-profile/internal/imagecache"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/selection"
	"glance-profile/profiles"
)

// world is what completion looks up outside of the program. Nothing in it may
// take long, and nothing fails: what cannot be found out is not offered.
type world interface {
	clouds() []string
	profiles(files []string) *profiles.Set
	systems(dir string) *osinfo.DB
	// images are those of the cloud that the line is for, as last listed, sorted
	// by name.
	images(*complete.Context) []imagecache.Image
	journals() []string // paths, the newest first
	files() []string    // of the working directory, folders with a slash
}

// How often images are listed for completion.
const (
	fresh          = 20 * time.Second // a listing that is not older is not renewed
	refreshTime    = 30 * time.Second // a renewal is given up after that
	afterSuccess   = 5 * time.Second  // and not begun again before
	afterFailure   = time.Minute
	afterRejection = 10 * time.Minute // wrong passwords can lock an account
)

// realWorld is the machine's, for one line.
type realWorld struct {
	env  *Env
	line complete.Line
}

func (w *realWorld) clouds() []string {
	names, _ := cloud.CloudNames(assigned(w.env.Cloud, w.line.Assigned))
	return names
}

func (w *realWorld) profiles(files []string) *profiles.Set {
	var dirs []string
	if dir := w.env.profileDir(); dir != "" {
		dirs = append(dirs, dir)
	}
	set, _, err := profiles.Load(context.Background(), dirs, files)
	if err != nil {
		set, err = profiles.Embedded() // a slip in a file of one's own
	}
	if err != nil {
		return &profiles.Set{}
	}
	return set
}

func (w *realWorld) systems(dir string) *osinfo.DB {
	// To read another database takes longer than a shell waits, and what most
	// people want of it is in the built-in one too.
	return osinfo.Builtin()
}

func (w *realWorld) journals() []string {
	dir, err := w.env.journalDir()
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir(dir)
	var paths []string
	for _, entry := range slices.Backward(entries) { // their names begin with the time
		if strings.HasSuffix(entry.Name(), ".jsonl") {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths
}

func (w *realWorld) files() []string {
	entries, _ := os.ReadDir(w.env.Cloud.WorkDir)
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasPrefix(name, "."), strings.HasPrefix(name, "-"):
		case entry.IsDir():
			names = append(names, name+"/")
		default:
			names = append(names, name)
		}
	}
	return names
}

// job is what a detached process needs to list the images.
type job struct {
	Options  cloud.Options
	Assigned []string
}

// images returns what is remembered, and has it renewed. There is none where the
// line does not say for sure which cloud it is for.
func (w *realWorld) images(ctx *complete.Context) []imagecache.Image {
	j := job{Assigned: w.line.Assigned}
	for _, option := range cloudOptions {
		given := ctx.Given(option.flag)
		if len(given) == 0 {
			continue
		}
		value := given[len(given)-1]
		if slices.ContainsFunc(w.line.Unsure, func(word string) bool { return strings.HasSuffix(word, value) }) {
			return nil // a variable, or a command that only the shell can run
		}
		*option.field(&j.Options) = value
	}
	j.Options.Insecure, j.Options.Verify = ctx.Given("insecure") != nil, ctx.Given("verify") != nil
	config, err := cloud.Load(j.Options, assigned(w.env.Cloud, j.Assigned))
	if err != nil || config.NeedsPassword() {
		return nil
	}
	cache, ok := imageCache(w.env, config)
	if !ok {
		return nil
	}
	images, listed := cache.Read()
	now := w.env.Now()
	if age := now.Sub(listed); (age > fresh || age < 0) && cache.Begin(now, refreshTime+afterFailure) {
		w.refresh(j)
	}
	return images
}

// refresh starts the detached process. The job goes through a pipe: there may be
// a password in it.
func (w *realWorld) refresh(j job) {
	program, err := os.Executable()
	if err != nil {
		return
	}
	input, err := json.Marshal(j)
	if err != nil || len(input) > 32<<10 { // less than a pipe holds
		return
	}
	_ = imagecache.Detach(program, []string{refreshWord}, input)
}

func imageCache(env *Env, config cloud.Config) (imagecache.Cache, bool) {
	dir := env.xdgDir("XDG_CACHE_HOME", ".cache")
	if dir == "" {
		return imagecache.Cache{}, false
	}
	return imagecache.At(filepath.Join(dir, "glance-profile"), config.Login()), true
}

// refreshImages lists the images and remembers them. It is the detached process.
func refreshImages(ctx context.Context, env *Env) {
	var j job
	if err := json.NewDecoder(io.LimitReader(env.In, 64<<10)).Decode(&j); err != nil {
		return
	}
	config, err := cloud.Load(j.Options, assigned(env.Cloud, j.Assigned))
	if err != nil || config.NeedsPassword() {
		return
	}
	cache, ok := imageCache(env, config)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	images, err := listForCompletion(ctx, env, config)
	if err == nil {
		err = cache.Write(images, env.Now())
	}
	hold := afterSuccess
	var failure *cloud.Error
	switch {
	case errors.As(err, &failure) && failure.Kind == cloud.KindCredentials:
		hold = afterRejection
	case err != nil:
		hold = afterFailure
	}
	_ = cache.Hold(env.Now(), hold)
}

func listForCompletion(ctx context.Context, env *Env, config cloud.Config) ([]imagecache.Image, error) {
	s, err := cloud.Connect(ctx, config, cloud.ConnectOptions{UserAgent: "glance-profile/" + env.Version})
	if err != nil {
		return nil, err
	}
	images := []imagecache.Image{}
	for img, err := range glance.New(s.Image).List(ctx, selection.PlainListing()) {
		if err != nil {
			return nil, err
		}
		if complete.Harmless(img.ID) {
			entry := imagecache.Image{ID: img.ID}
			if complete.Harmless(img.Name) {
				entry.Name = img.Name
			}
			images = append(images, entry)
		}
		if len(images) == imagecache.MaxImages {
			break
		}
	}
	slices.SortStableFunc(images, func(a, b imagecache.Image) int { return strings.Compare(a.Name, b.Name) })
	return images, nil
}

// assigned is an environment with variables that are set for one command alone:
// OS_CLOUD=prod glance-profile …
func assigned(env cloud.Env, variables []string) cloud.Env {
	if len(variables) == 0 {
		return env
	}
	lookup, environ := env.LookupEnv, env.Environ
	env.LookupEnv = func(name string) (string, bool) {
		for _, v := range slices.Backward(variables) {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value, true
			}
		}
		return lookup(name)
	}
	env.Environ = func() []string { return append(environ(), variables...) }
	return env
}
