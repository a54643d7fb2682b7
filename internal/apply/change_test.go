package apply_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"glance-profile/internal/apply"
	"glance-profile/internal/cloud"
	"glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/sandbox"
	"glance-profile/test/faults"
)

// catalogue is a sandbox with many images.
type catalogue struct {
	t       *testing.T
	sandbox *sandbox.Cloud
	url     string
	clouds  []byte
	admin   *glance.Client
	token   string
	ids     []string
	// network stands between the client and the cloud, unless it is nil.
	network atomic.Pointer[func(w http.ResponseWriter, req *http.Request, next http.Handler)]
}

func imageID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

// newCatalogue makes n images, each unlike the others.
func newCatalogue(t *testing.T, n int) *catalogue {
	t.Helper()
	c := &catalogue{t: t}
	var seed []map[string]any
	for i := range n {
		img := map[string]any{
			"id": imageID(i), "name": fmt.Sprintf("img %d", i), "visibility": "public", "status": "active",
			"disk_format": "qcow2", "container_format": "bare", "hw_disk_bus": "ide", "hw_vif_model": "e1000",
			"serial": fmt.Sprint(i), "empty": "", "odd/na~me": fmt.Sprint("ö\n", i), "metadata": "text", "min_disk": i % 7,
		}
		switch i % 5 {
		case 0:
			img["name"] = nil
		case 1:
			img["tags"] = []string{"b", "a"}
		case 2:
			delete(img, "hw_vif_model")
		case 3:
			img["protected"] = true
		}
		seed = append(seed, img)
		c.ids = append(c.ids, imageID(i))
	}
	data, err := json.Marshal(seed)
	if err != nil {
		t.Fatal(err)
	}
	c.sandbox, err = sandbox.New(sandbox.Options{Dir: t.TempDir(), Seed: bytes.NewReader(data), Middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if network := c.network.Load(); network != nil {
				(*network)(w, req, next)
			} else {
				next.ServeHTTP(w, req)
			}
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.sandbox.Handler())
	t.Cleanup(func() { server.Close(); c.sandbox.Close() })
	c.url, c.clouds = server.URL, c.sandbox.CloudsYAML(server.URL)
	c.admin = c.login("sandbox-admin")
	return c
}

func (c *catalogue) login(name string) *glance.Client {
	c.t.Helper()
	env := cloud.Env{
		LookupEnv: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
		ReadFile: func(string) ([]byte, error) { return c.clouds, nil }, WorkDir: c.t.TempDir(),
	}
	config, err := cloud.Load(cloud.Options{Cloud: name}, env)
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := cloud.Connect(c.t.Context(), config, cloud.ConnectOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	c.token = s.Image.Token()
	return glance.New(s.Image)
}

func (c *catalogue) during(network func(w http.ResponseWriter, req *http.Request, next http.Handler)) {
	c.network.Store(&network)
}

// raw returns the records as Glance's JSON has them, but for the time of the
// last change.
func (c *catalogue) raw() map[string]map[string]any {
	c.t.Helper()
	c.network.Store(nil)
	records := map[string]map[string]any{}
	for _, id := range c.ids {
		req, err := http.NewRequest(http.MethodGet, c.url+"/image/v2/images/"+id, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		req.Header.Set("X-Auth-Token", c.token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			c.t.Fatal(err)
		}
		var record map[string]any
		err = json.NewDecoder(resp.Body).Decode(&record)
		resp.Body.Close()
		if resp.StatusCode == http.StatusNotFound {
			continue
		}
		if err != nil {
			c.t.Fatal(err)
		}
		delete(record, "updated_at")
		records[id] = record
	}
	return records
}

// plan is the same for all images: values added, changed and removed, and
// base fields of each type.
func (c *catalogue) plan() plan.Plan {
	c.t.Helper()
	p := plan.Plan{Version: plan.Version}
	for _, id := range c.ids {
		held, err := c.admin.Get(c.t.Context(), id)
		if err != nil {
			c.t.Fatal(err)
		}
		p.Images = append(p.Images, plan.Set(held, []plan.Wanted{
			{Property: "hw_disk_bus", After: "virtio"}, {Property: "hw_vif_model", After: "virtio"}, {Property: "hw_scsi_model", After: "virtio-scsi"},
			{Property: "odd/na~me"}, {Property: "empty"}, {Property: "min_disk", After: int64(9)}, {Property: "tags", After: []string{"done"}},
			{Property: "protected", After: true}, {Property: "name", After: "new"},
		}, false))
	}
	return p
}

// changed is what the plan makes of the records.
func changed(records map[string]map[string]any) map[string]map[string]any {
	want := map[string]map[string]any{}
	for id, record := range records {
		w := maps.Clone(record)
		w["hw_disk_bus"], w["hw_vif_model"], w["hw_scsi_model"] = "virtio", "virtio", "virtio-scsi"
		w["min_disk"], w["tags"], w["protected"], w["name"] = 9.0, []any{"done"}, true, "new"
		delete(w, "odd/na~me")
		delete(w, "empty")
		want[id] = w
	}
	return want
}

func (c *catalogue) same(got, want map[string]map[string]any) {
	c.t.Helper()
	wrong := 0
	for id := range want {
		if !reflect.DeepEqual(got[id], want[id]) {
			if wrong++; wrong < 4 {
				c.t.Errorf("image %s:\n got %v\nwant %v", id, got[id], want[id])
			}
		}
	}
	if wrong > 0 || len(got) != len(want) {
		c.t.Errorf("%d of %d images are not as they should be, %d are there", wrong, len(want), len(got))
	}
}

// ledger is a Recorder in memory for many at once.
type ledger struct {
	mu    sync.Mutex
	lines []plan.Image
	err   error
}

func (l *ledger) Record(img plan.Image) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.lines = append(l.lines, img)
	return nil
}

// states returns the last lines of all images.
func (l *ledger) states() []plan.Image {
	l.mu.Lock()
	defer l.mu.Unlock()
	var images []plan.Image
	at := map[string]int{}
	for _, line := range l.lines {
		if i, ok := at[line.ID]; ok && line.Result != nil {
			images[i] = line
			continue
		}
		at[line.ID] = len(images)
		images = append(images, line)
	}
	return images
}

func noWait(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func (c *catalogue) changer(l apply.Recorder) *apply.Changer {
	return &apply.Changer{Glance: c.admin, Recorder: l, Wait: noWait, Listings: []url.Values{{"limit": {"1000"}}}}
}

func (c *catalogue) counts(r apply.Report, done, unchanged, failed, lost, skipped int) {
	c.t.Helper()
	got := [...]int{r.Done, r.Unchanged, r.Failed, r.Lost, r.Skipped}
	if got != [...]int{done, unchanged, failed, lost, skipped} {
		c.t.Errorf("done, unchanged, failed, lost, skipped: %v", got)
		for _, img := range r.Images {
			if img.Error != nil {
				c.t.Logf("%s: %s: %s", img.ID, *img.Result, *img.Error)
			}
		}
	}
}

// sent counts the requests that the cloud has answered.
func (c *catalogue) sent(method string, status int) int {
	n := 0
	for _, req := range c.sandbox.Requests() {
		if req.Method == method && (status == 0 || req.Status == status) {
			n++
		}
	}
	return n
}

func TestChangeAndRollBack(t *testing.T) {
	c := newCatalogue(t, 10)
	was, p, l := c.raw(), c.plan(), &ledger{}
	before := c.sent("", 0) + c.sent(http.MethodGet, 0)
	var through []int
	changer := c.changer(l)
	changer.Progress = func(n, total int) { through = append(through, n*100+total) }
	report, err := changer.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 10, 0, 0, 0, 0)
	if gets, patches := c.sent(http.MethodGet, 0)-before, c.sent(http.MethodPatch, 0); gets != 11 || patches != 10 {
		t.Errorf("%d GET and %d PATCH for 10 images; want one each and one listing", gets, patches)
	}
	if len(through) != 10 {
		t.Errorf("progress: %v", through)
	}
	c.same(c.raw(), changed(was))

	report, err = changer.Apply(t.Context(), p)
	if err != nil || c.sent(http.MethodPatch, 0) != 10 || len(l.lines) != 20 {
		t.Errorf("a plan that is carried out already was sent: %v, %d lines in the journal", err, len(l.lines))
	}
	c.counts(report, 0, 10, 0, 0, 0)

	back, _ := plan.Invert(l.states())
	report, err = c.changer(&ledger{}).Apply(t.Context(), plan.Plan{Images: back})
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 10, 0, 0, 0, 0)
	c.same(c.raw(), was)
}

// A third of all requests is dropped before or after it arrived, cut short,
// delayed or answered with an error.
func TestABadNetwork(t *testing.T) {
	const images, jobs = 300, 24
	c := newCatalogue(t, images)
	was, p := c.raw(), c.plan()
	gets := c.sent(http.MethodGet, 0)
	network := &faults.Network{Seed: "seed 1"}
	c.during(network.Serve)
	changer := c.changer(&ledger{})
	changer.Jobs = jobs
	report, err := changer.Apply(t.Context(), p)
	if err != nil {
		t.Error(err)
	}
	c.counts(report, images, 0, 0, 0, 0)
	seen := network.Count()
	t.Logf("%+v; %d GET reached the cloud", seen, c.sent(http.MethodGet, 0)-gets)
	if surplus := seen.Patches - images; surplus > images || surplus == 0 {
		t.Errorf("%d PATCHes too many for %d images", surplus, images)
	}
	if seen.Changed != images {
		t.Errorf("%d PATCHes changed an image; one that had arrived was sent again", seen.Changed)
	}
	if seen.MostAtOnce > jobs || seen.SameAtOnce > 0 {
		t.Errorf("%d requests at once with %d jobs; %d times two PATCHes to one image", seen.MostAtOnce, jobs, seen.SameAtOnce)
	}
	c.same(c.raw(), changed(was))
}

// mortal dies at a random moment, as the whole program does by kill -9: from
// then on nothing is written or sent, but what had left may arrive.
type mortal struct {
	*glance.Client
	record apply.Recorder
	mu     sync.Mutex
	left   int // steps to live
	random *rand.Rand
}

var errDead = fmt.Errorf("killed: %w", context.Canceled)

func (m *mortal) step() (alive, last bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	return m.left >= 0, m.left == 0 && m.random.IntN(2) == 0
}

func (m *mortal) Get(ctx context.Context, id string) (image.Image, error) {
	if alive, _ := m.step(); !alive {
		return image.Image{}, errDead
	}
	return m.Client.Get(ctx, id)
}

func (m *mortal) Patch(ctx context.Context, id string, ops []glance.Operation) (image.Image, error) {
	alive, last := m.step()
	if !alive {
		return image.Image{}, errDead
	}
	held, err := m.Client.Patch(ctx, id, ops)
	if last { // it arrived, but nobody was there to hear
		return held, errDead
	}
	return held, err
}

func (m *mortal) Record(img plan.Image) error {
	if alive, _ := m.step(); !alive {
		return errDead
	}
	return m.record.Record(img)
}

func TestKilledAtAnyMoment(t *testing.T) {
	const images, rounds = 30, 20
	c := newCatalogue(t, images)
	was, p := c.raw(), c.plan()
	random := rand.New(rand.NewPCG(11, 11))
	for round := range rounds {
		l := &ledger{}
		m := &mortal{Client: c.admin, record: l, left: 1 + random.IntN(4*images), random: rand.New(rand.NewPCG(uint64(round), 7))}
		first := c.changer(m)
		first.Glance, first.Jobs, first.Listings = m, 1+random.IntN(6), nil
		if _, err := first.Apply(t.Context(), p); err == nil && m.left < 0 {
			t.Error("the death was not noticed")
		}
		half := changed(was)
		now, touched := c.raw(), 0
		for id, record := range now {
			switch {
			case reflect.DeepEqual(record, half[id]):
				touched++
			case !reflect.DeepEqual(record, was[id]):
				t.Fatalf("round %d: image %s is half changed: %v", round, id, record)
			}
		}
		back, _ := plan.Invert(l.states())
		report, err := c.changer(&ledger{}).Apply(t.Context(), plan.Plan{Images: back})
		if err != nil {
			t.Fatal(err)
		}
		if report.Done != touched || report.Failed+report.Lost+report.Skipped > 0 {
			t.Errorf("round %d: %d images were changed, %+v", round, touched, report)
		}
		c.same(c.raw(), was)
		if t.Failed() {
			return
		}
	}
}

func TestALostRace(t *testing.T) {
	c := newCatalogue(t, 4)
	p := c.plan()
	if _, err := c.admin.Patch(t.Context(), c.ids[1], []glance.Operation{{Op: "replace", Name: "hw_disk_bus", Value: "sata"}}); err != nil {
		t.Fatal(err)
	}
	was := c.raw()
	l := &ledger{}
	report, err := c.changer(l).Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 3, 0, 0, 1, 0)
	want := changed(was)
	want[c.ids[1]] = was[c.ids[1]]
	c.same(c.raw(), want)
	if img := report.Images[1]; *img.Result != plan.ResultFailed || !strings.Contains(*img.Error, `hw_disk_bus is "sata", not "ide"`) {
		t.Errorf("reported as %s: %s", *img.Result, *img.Error)
	}

	forced := c.changer(l)
	forced.Force = true
	report, err = forced.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 1, 3, 0, 0, 0)
	// What was there is what the other one had made of it.
	back, _ := plan.Invert(l.states())
	if _, err := c.changer(l).Apply(t.Context(), plan.Plan{Images: back}); err != nil {
		t.Fatal(err)
	}
	c.same(c.raw(), was)
}

// Between our GET and our PATCH somebody else writes.
func TestSomebodyElseAtTheSameMoment(t *testing.T) {
	c := newCatalogue(t, 2)
	p := c.plan()
	var once sync.Once
	c.during(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if req.Method == http.MethodPatch && strings.HasSuffix(req.URL.Path, c.ids[0]) {
			once.Do(func() {
				other := req.Clone(req.Context())
				other.Body = io.NopCloser(strings.NewReader(`[{"op":"add","path":"/theirs","value":"1"}]`))
				next.ServeHTTP(httptest.NewRecorder(), other)
			})
		}
		next.ServeHTTP(w, req)
	})
	l := &ledger{}
	report, err := c.changer(l).Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 1, 0, 0, 1, 0)
	if e := report.Images[0].Error; e == nil || !strings.Contains(*e, "theirs from absent to \"1\"") {
		t.Errorf("error %v", e)
	}
	if last := l.lines[len(l.lines)-1]; last.Result == nil {
		t.Error("the journal does not say how it ended")
	}
}

// An image that is changed after us and before the end is not done.
func TestTheEndIsVerified(t *testing.T) {
	for _, how := range []string{"listing", "GET"} {
		c := newCatalogue(t, 2)
		p := c.plan()
		undo := func(next http.Handler, req *http.Request) {
			other := httptest.NewRequest(http.MethodPatch, "/image/v2/images/"+c.ids[1], strings.NewReader(`[{"op":"replace","path":"/hw_disk_bus","value":"ide"}]`))
			other.Header = req.Header.Clone()
			other.Header.Set("Content-Type", "application/openstack-images-v2.1-json-patch")
			next.ServeHTTP(httptest.NewRecorder(), other)
		}
		seen := 0
		c.during(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			if req.Method == http.MethodGet && (strings.HasSuffix(req.URL.Path, "/images") || strings.HasSuffix(req.URL.Path, c.ids[1])) {
				if seen++; seen == 2 {
					undo(next, req)
				}
			}
			next.ServeHTTP(w, req)
		})
		l := &ledger{}
		changer := c.changer(l)
		if how == "GET" {
			changer.Listings = nil
		}
		changer.Jobs = 1
		report, err := changer.Apply(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		c.counts(report, 1, 0, 0, 1, 0)
		last := l.lines[len(l.lines)-1]
		if last.ID != c.ids[1] || *last.Result != plan.ResultFailed || !strings.Contains(*last.Error, `hw_disk_bus is "ide" instead of "virtio"`) {
			t.Errorf("%s: journal ends with %+v", how, last)
		}
	}
}

func TestRefusalsDoNotKeepTheOthersBack(t *testing.T) {
	c := newCatalogue(t, 5)
	p := c.plan()
	p.Images[0].Changes = append(p.Images[0].Changes, plan.Change{Property: "os_glance_x", After: "1"})
	p.Images[1].Changes = []plan.Change{{Property: "visibility", Before: "public", After: "nowhere"}}
	p.Images[2].Changes = append(p.Images[2].Changes, plan.Change{Property: " blank", After: "1"})
	was := c.raw()
	c.during(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if req.Method == http.MethodPatch && strings.HasSuffix(req.URL.Path, c.ids[3]) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		next.ServeHTTP(w, req)
	})
	p.Images = append(p.Images, plan.Image{Action: plan.ActionChange, ID: imageID(99), Changes: p.Images[4].Changes})
	report, err := c.changer(&ledger{}).Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 1, 0, 5, 0, 0)
	for i, text := range []string{"403", "400", "blanks", "413", "", "not there"} {
		img := report.Images[i]
		if text == "" && img.Error != nil || text != "" && (img.Error == nil || !strings.Contains(*img.Error, text)) {
			t.Errorf("image %d: %v, want %q", i, img.Error, text)
		}
	}
	want := changed(was)
	for _, id := range c.ids[:4] {
		want[id] = was[id]
	}
	c.same(c.raw(), want)
}

// Another project's public image is seen, but not to be changed.
func TestAMemberAndAnothersImage(t *testing.T) {
	c := newCatalogue(t, 1)
	p := c.plan()
	changer := c.changer(&ledger{})
	changer.Glance = c.login("sandbox-member")
	report, err := changer.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 0, 0, 1, 0, 0)
	if n := c.sent(http.MethodPatch, 403); n != 1 {
		t.Errorf("the refused PATCH was sent %d times", n)
	}
}

func TestDeletedUnderWay(t *testing.T) {
	c := newCatalogue(t, 2)
	p := c.plan()
	c.during(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if req.Method == http.MethodPatch && strings.HasSuffix(req.URL.Path, c.ids[0]) {
			other := req.Clone(req.Context())
			other.Method, other.Body, other.ContentLength = http.MethodDelete, http.NoBody, 0
			next.ServeHTTP(httptest.NewRecorder(), other)
		}
		next.ServeHTTP(w, req)
	})
	report, err := c.changer(&ledger{}).Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 1, 0, 1, 0, 0)
}

// Ctrl-C with PATCHes under way.
func TestInterruptedChanges(t *testing.T) {
	const images, jobs = 30, 3
	c := newCatalogue(t, images)
	was, p := c.raw(), c.plan()
	ctx, cancel := context.WithCancel(t.Context())
	var underway atomic.Int32
	c.during(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if req.Method == http.MethodPatch {
			if underway.Add(1) == jobs {
				cancel()
			}
			<-ctx.Done()
		}
		next.ServeHTTP(w, req)
	})
	l := &ledger{}
	changer := c.changer(l)
	changer.Jobs = jobs
	report, err := changer.Apply(ctx, p)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	c.counts(report, jobs, 0, 0, 0, images-jobs)
	if n := c.sent(http.MethodPatch, 0); n != jobs {
		t.Errorf("%d PATCHes were sent", n)
	}
	for _, img := range l.states() {
		if img.Result == nil || *img.Result != plan.ResultDone {
			t.Errorf("image %s was begun and not recorded as done", img.ID)
		}
	}
	now, want, all := c.raw(), map[string]map[string]any{}, changed(was)
	for _, img := range report.Images {
		want[img.ID] = was[img.ID]
		if *img.Result == plan.ResultDone {
			want[img.ID] = all[img.ID]
		}
	}
	c.same(now, want)
}

func TestNoChangeWithoutAJournal(t *testing.T) {
	c := newCatalogue(t, 9)
	report, err := c.changer(&ledger{err: errors.New("disk full")}).Apply(t.Context(), c.plan())
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v", err)
	}
	if n := c.sent(http.MethodPatch, 0); n != 0 {
		t.Errorf("%d PATCHes were sent", n)
	}
	if report.Done != 0 || report.Failed == 0 || report.Failed+report.Skipped != 9 {
		t.Errorf("%+v", report)
	}
}

// A service that is down is not asked for every image of a catalogue.
func TestAnOutageEndsTheRun(t *testing.T) {
	c := newCatalogue(t, 20)
	p := c.plan()
	dead := &down{c.admin}
	changer := c.changer(&ledger{})
	changer.Glance = dead
	report, err := changer.Apply(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "does not answer any more") {
		t.Errorf("error %v", err)
	}
	if report.Failed > 2*apply.DefaultJobs || report.Failed+report.Skipped != 20 {
		t.Errorf("%+v", report)
	}
}

// Twenty lost races are no outage.
func TestManyLostRaces(t *testing.T) {
	c := newCatalogue(t, 20)
	p := c.plan()
	for i := range p.Images {
		p.Images[i].Changes[0].Before = "something"
	}
	report, err := c.changer(&ledger{}).Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 0, 0, 0, 20, 0)
}

// A Glance that answers every other image is not down.
func TestHiccupsDoNotEndTheRun(t *testing.T) {
	c := newCatalogue(t, 20)
	p := c.plan()
	changer := c.changer(&ledger{})
	changer.Jobs = 1
	changer.Glance = &hiccups{c.admin}
	report, err := changer.Apply(t.Context(), p)
	if err != nil {
		t.Error(err)
	}
	c.counts(report, 10, 0, 10, 0, 0)
}

type hiccups struct{ *glance.Client }

func (h *hiccups) Get(ctx context.Context, id string) (image.Image, error) {
	if strings.ContainsAny(id[len(id)-1:], "13579") {
		return image.Image{}, &glance.Error{Status: http.StatusServiceUnavailable}
	}
	return h.Client.Get(ctx, id)
}

type down struct{ *glance.Client }

func (d *down) Get(context.Context, string) (image.Image, error) {
	return image.Image{}, &glance.Error{Status: http.StatusServiceUnavailable}
}

// slow asks for patience once.
type slow struct {
	*glance.Client
	asked bool
}

type patience struct{ error }

func (patience) RetryAfter() time.Duration { return 7 * time.Second }
func (p patience) Unwrap() error           { return p.error }

func (s *slow) Patch(ctx context.Context, id string, ops []glance.Operation) (image.Image, error) {
	if !s.asked {
		s.asked = true
		return image.Image{}, patience{&glance.Error{Status: http.StatusTooManyRequests}}
	}
	return s.Client.Patch(ctx, id, ops)
}

func TestRetryAfterIsHonoured(t *testing.T) {
	c := newCatalogue(t, 1)
	var waits []time.Duration
	changer := c.changer(&ledger{})
	changer.Glance = &slow{Client: c.admin}
	changer.Wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	report, err := changer.Apply(t.Context(), c.plan())
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 1, 0, 0, 0, 0)
	if len(waits) != 1 || waits[0] != 7*time.Second {
		t.Errorf("waited %v", waits)
	}
}

// The answer that a removed property is not there means, after a lost answer,
// that it was removed.
func TestARepeatedRemoval(t *testing.T) {
	c := newCatalogue(t, 1)
	p := plan.Plan{Images: []plan.Image{{Action: plan.ActionChange, ID: c.ids[0], Changes: []plan.Change{{Property: "serial", Before: "0"}}}}}
	c.during(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if req.Method == http.MethodPatch {
			body, _ := io.ReadAll(req.Body)
			first := req.Clone(req.Context())
			first.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(httptest.NewRecorder(), first) // some proxy sent it twice
			req.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, req)
	})
	report, err := c.changer(&ledger{}).Apply(t.Context(), p)
	if err != nil || c.sent(http.MethodPatch, 409) != 1 {
		t.Fatal(err, "no conflict came about")
	}
	c.counts(report, 1, 0, 0, 0, 0)
}

func TestAPlanOfTwoStepsForOneImage(t *testing.T) {
	c := newCatalogue(t, 1)
	step := func(from, to string) plan.Image {
		return plan.Image{Action: plan.ActionChange, ID: c.ids[0], Changes: []plan.Change{{Property: "hw_disk_bus", Before: from, After: to}}}
	}
	was, l := c.raw(), &ledger{}
	report, err := c.changer(l).Apply(t.Context(), plan.Plan{Images: []plan.Image{step("ide", "sata"), step("sata", "scsi"), step("scsi", "virtio")}})
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 3, 0, 0, 0, 0)
	back, _ := plan.Invert(l.states())
	report, err = c.changer(l).Apply(t.Context(), plan.Plan{Images: back})
	if err != nil {
		t.Fatal(err)
	}
	c.counts(report, 3, 0, 0, 0, 0)
	c.same(c.raw(), was)
}

func TestRollBackACreation(t *testing.T) {
	r := newRig(t)
	for _, extra := range [][]plan.Change{nil, {{Property: "protected", After: true}}} {
		if _, err := r.creator().Create(t.Context(), job(file(), extra...)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.creator().Create(t.Context(), job(file())); err != nil {
		t.Fatal(err)
	}
	var ended []plan.Image
	for _, line := range r.journal.lines {
		if line.Result != nil {
			ended = append(ended, line)
		}
	}
	// The last one is somebody's by now.
	if _, err := r.glance.Patch(t.Context(), ended[2].ID, []glance.Operation{{Op: "replace", Name: "name", Value: "theirs"}}); err != nil {
		t.Fatal(err)
	}
	back, _ := plan.Invert(ended)
	changer := &apply.Changer{Glance: r.glance, Recorder: &ledger{}, Wait: noWait}
	report, err := changer.Apply(t.Context(), plan.Plan{Images: back})
	if err != nil || report.Done != 2 || report.Lost != 1 {
		t.Errorf("%v, %+v", err, report)
	}
	if got := strings.Join(r.left(), ", "); got != "theirs active" {
		t.Errorf("left: %s", got)
	}
	report, err = changer.Apply(t.Context(), plan.Plan{Images: back})
	if err != nil || report.Unchanged != 2 || report.Lost != 1 {
		t.Errorf("again: %v, %+v", err, report)
	}
	changer.Force = true
	report, err = changer.Apply(t.Context(), plan.Plan{Images: back})
	if err != nil || report.Done != 1 || len(r.left()) != 0 {
		t.Errorf("with force: %v, %+v", err, report)
	}
}

// Whoever protects an image wants it kept, unless it was we who did; and a
// rollback that was killed after it had taken the protection off goes on.
func TestProtectionAndTheRollBackOfACreation(t *testing.T) {
	r := newRig(t)
	for _, extra := range [][]plan.Change{
		{{Property: "cinder_encryption_key_deletion_policy", After: "on_image_deletion"}, {Property: "protected", After: true}}, nil,
	} {
		if _, err := r.creator().Create(t.Context(), job(file(), extra...)); err != nil {
			t.Fatal(err)
		}
	}
	made := []plan.Image{r.journal.lines[1], r.journal.lines[3]}
	for i, ops := range [][]glance.Operation{
		{{Op: "replace", Name: "protected", Value: false}, {Op: "remove", Name: "cinder_encryption_key_deletion_policy"}},
		{{Op: "replace", Name: "protected", Value: true}},
	} {
		if _, err := r.glance.Patch(t.Context(), made[i].ID, ops); err != nil {
			t.Fatal(err)
		}
	}
	back, _ := plan.Invert(made)
	changer := &apply.Changer{Glance: r.glance, Recorder: &ledger{}, Wait: noWait}
	report, err := changer.Apply(t.Context(), plan.Plan{Images: back})
	if err != nil || report.Done != 1 || report.Lost != 1 {
		t.Errorf("%v, %+v", err, report)
	}
	if e := report.Images[0].Error; e == nil || !strings.Contains(*e, "protected is true, not false") {
		t.Errorf("error %v", e)
	}
}

// A property that Glance holds as null cannot be put back by a plan.
func TestANullIsNotOverwritten(t *testing.T) {
	c := newCatalogue(t, 1)
	if _, err := c.admin.Patch(t.Context(), c.ids[0], []glance.Operation{{Op: "add", Name: "kernel_id", Value: nil}}); err != nil {
		t.Fatal(err)
	}
	p := plan.Plan{Images: []plan.Image{{Action: plan.ActionChange, ID: c.ids[0], Changes: []plan.Change{{Property: "kernel_id", After: imageID(7)}}}}}
	report, err := c.changer(&ledger{}).Apply(t.Context(), p)
	if err != nil || report.Failed != 1 || c.sent(http.MethodPatch, 0) != 1 {
		t.Errorf("%v, %+v", err, report)
	}
}
