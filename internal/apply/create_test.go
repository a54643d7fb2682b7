package apply_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"glance-profile/internal/apply"
	"glance-profile/internal/cloud"
	"glance-profile/internal/glance"
	"glance-profile/internal/plan"
	"glance-profile/internal/sandbox"
	"glance-profile/internal/source"
)

// rig is a sandbox behind a layer of faults.
type rig struct {
	t       *testing.T
	sandbox *sandbox.Cloud
	glance  *glance.Client
	journal journal
	// fault, if it returns true, has answered the request itself.
	fault atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
}

// journal is a Recorder in memory.
type journal struct {
	lines []plan.Image
	err   error
}

func (j *journal) Record(img plan.Image) error {
	j.lines = append(j.lines, img)
	return j.err
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	c, err := sandbox.New(sandbox.Options{Dir: t.TempDir(), Middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if fault := r.fault.Load(); fault == nil || !(*fault)(w, req) {
				next.ServeHTTP(w, req)
			}
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(func() { server.Close(); c.Close() })
	r.sandbox = c
	env := cloud.Env{
		LookupEnv: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
		ReadFile: func(string) ([]byte, error) { return c.CloudsYAML(server.URL), nil }, WorkDir: t.TempDir(),
	}
	config, err := cloud.Load(cloud.Options{Cloud: "sandbox-admin"}, env)
	if err != nil {
		t.Fatal(err)
	}
	s, err := cloud.Connect(t.Context(), config, cloud.ConnectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.glance = glance.New(s.Image)
	return r
}

// during sets the fault.
func (r *rig) during(fault func(http.ResponseWriter, *http.Request) bool) { r.fault.Store(&fault) }

func isUpload(req *http.Request) bool {
	return req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, "/file")
}

// breakOff reads some of the body and cuts the connection.
func breakOff(w http.ResponseWriter, req *http.Request) {
	_, _ = io.CopyN(io.Discard, req.Body, 100)
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func (r *rig) creator() *apply.Creator {
	return &apply.Creator{
		Glance: r.glance, Recorder: &r.journal, NewID: uuid.NewString,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func job(data *apply.Data, extra ...plan.Change) apply.Creation {
	changes := append([]plan.Change{
		{Property: "name", After: "img"}, {Property: "disk_format", After: "raw"}, {Property: "container_format", After: "bare"},
		{Property: "hw_disk_bus", After: "virtio"},
	}, extra...)
	return apply.Creation{Plan: plan.Image{Action: plan.ActionCreate, ID: uuid.NewString(), Name: "img", Changes: changes}, Data: data}
}

const content = "MBR-less disk content; MBR-less disk content; MBR-less disk content; MBR-less disk content; it has more than a hundred bytes"

// repeatable is a source that can be read again.
type repeatable struct{ text string }

func (s repeatable) Name() string                              { return "disk.raw" }
func (s repeatable) Size() (int64, bool)                       { return int64(len(s.text)), true }
func (s repeatable) Repeatable() bool                          { return true }
func (s repeatable) Head(context.Context, int) ([]byte, error) { return []byte(s.text), nil }
func (s repeatable) Close() error                              { return nil }
func (s repeatable) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(s.text)), nil
}

func file() *apply.Data { return &apply.Data{Source: repeatable{content}} }

// left returns the images that are in the cloud.
func (r *rig) left() []string {
	r.t.Helper()
	r.fault.Store(nil)
	var names []string
	for img, err := range r.glance.List(context.Background(), nil) {
		if err != nil {
			r.t.Fatal(err)
		}
		names = append(names, img.Name+" "+img.Status)
	}
	return names
}

func (r *rig) results() string {
	var words []string
	for _, line := range r.journal.lines {
		if line.Result == nil {
			words = append(words, "begun")
		} else {
			words = append(words, *line.Result)
		}
	}
	return strings.Join(words, " ")
}

func (r *rig) want(err error, wantErr string, left string, results string) {
	r.t.Helper()
	switch {
	case wantErr == "" && err != nil, wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)):
		r.t.Errorf("error %v, want %q", err, wantErr)
	}
	if got := strings.Join(r.left(), ", "); got != left {
		r.t.Errorf("in the cloud: %q, want %q", got, left)
	}
	if got := r.results(); got != results {
		r.t.Errorf("journal: %s, want %s", got, results)
	}
}

func TestCreate(t *testing.T) {
	r := newRig(t)
	out, err := r.creator().Create(t.Context(), job(file()))
	r.want(err, "", "img active", "begun done")
	if out.Image.Properties["hw_disk_bus"] != "virtio" || *out.Image.Size != int64(len(content)) {
		t.Errorf("image %+v", out.Image)
	}
}

func TestNothingIsSentWithoutAJournal(t *testing.T) {
	r := newRig(t)
	before := len(r.sandbox.Requests())
	r.journal.err = errors.New("disk full")
	_, err := r.creator().Create(t.Context(), job(file()))
	r.want(err, "disk full", "", "begun")
	for _, req := range r.sandbox.Requests()[before:] {
		if req.Method != http.MethodGet {
			t.Errorf("%s %s was sent", req.Method, req.Path)
		}
	}
}

func TestARefusalLeavesNothing(t *testing.T) {
	r := newRig(t)
	_, err := r.creator().Create(t.Context(), job(file(), plan.Change{Property: "os_glance_x", After: "1"}))
	r.want(err, "Glance answered 403", "", "begun undone")
}

func TestBrokenUploadIsRepeatedFromAFile(t *testing.T) {
	r := newRig(t)
	breaks := 0
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if !isUpload(req) || breaks == 2 {
			return false
		}
		breaks++
		breakOff(w, req)
		return true
	})
	_, err := r.creator().Create(t.Context(), job(file()))
	r.want(err, "", "img active", "begun done")
	if breaks != 2 {
		t.Errorf("%d breaks", breaks)
	}
}

func TestBrokenUploadOfAPipeIsTakenBack(t *testing.T) {
	r := newRig(t)
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if isUpload(req) {
			breakOff(w, req)
			return true
		}
		return false
	})
	pipe := &apply.Data{Source: source.FromPipe(strings.NewReader(content), "standard input")}
	_, err := r.creator().Create(t.Context(), job(pipe))
	r.want(err, "can be read only once", "", "begun undone")
}

func TestOnlyTheAnswerWasLost(t *testing.T) {
	r := newRig(t)
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if !isUpload(req) {
			return false
		}
		recorder := httptest.NewRecorder()
		r.sandbox.Handler() // the fault layer is part of it, so step aside first
		r.fault.Store(nil)
		r.sandbox.Handler().ServeHTTP(recorder, req)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
		return true
	})
	_, err := r.creator().Create(t.Context(), job(file()))
	r.want(err, "", "img active", "begun done")
}

func TestWrongHashIsTakenBack(t *testing.T) {
	r := newRig(t)
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if isUpload(req) {
			data, _ := io.ReadAll(req.Body)
			data[0] ^= 1
			req.Body = io.NopCloser(strings.NewReader(string(data)))
		}
		return false
	})
	_, err := r.creator().Create(t.Context(), job(file()))
	r.want(err, "sha512", "", "begun undone")
}

func TestKeepPartial(t *testing.T) {
	r := newRig(t)
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if isUpload(req) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	})
	j := job(file())
	j.KeepPartial = true
	_, err := r.creator().Create(t.Context(), j)
	r.want(err, "is kept", "img queued", "begun failed")
	if err == nil || !strings.Contains(err.Error(), j.Plan.ID) {
		t.Errorf("the error does not name the image: %v", err)
	}
}

// Glance would delete the volume's key together with the image.
func TestTheKeySurvivesACleanUp(t *testing.T) {
	r := newRig(t)
	var deleted, patched bool
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		switch {
		case isUpload(req):
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		case req.Method == http.MethodPatch:
			data, _ := io.ReadAll(req.Body)
			patched = strings.Contains(string(data), `"/cinder_encryption_key_deletion_policy"`) && !deleted
			req.Body = io.NopCloser(strings.NewReader(string(data)))
		case req.Method == http.MethodDelete:
			deleted = true
			if !patched {
				t.Error("deleted before the policy was taken off")
			}
		}
		return false
	})
	_, err := r.creator().Create(t.Context(), job(file(),
		plan.Change{Property: "cinder_encryption_key_id", After: uuid.NewString()},
		plan.Change{Property: "cinder_encryption_key_deletion_policy", After: "on_image_deletion"},
		plan.Change{Property: "protected", After: true}))
	r.want(err, "413", "", "begun undone")
	if !deleted {
		t.Error("not deleted")
	}
}

func TestAFailedCleanUpNamesTheImage(t *testing.T) {
	r := newRig(t)
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if isUpload(req) || req.Method == http.MethodDelete {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	j := job(file())
	_, err := r.creator().Create(t.Context(), j)
	r.want(err, "could not be deleted and may still be there", "img queued", "begun failed")
	if err == nil || !strings.Contains(err.Error(), j.Plan.ID) {
		t.Errorf("the error does not name the image: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.during(func(_ http.ResponseWriter, req *http.Request) bool {
		if isUpload(req) {
			cancel()
			_, _ = io.Copy(io.Discard, req.Body) // ends when the client hangs up
			return true
		}
		return false
	})
	_, err := r.creator().Create(ctx, job(file()))
	r.want(err, "was deleted", "", "begun undone")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// An id that the user chose may be that of an image that is there already.
func TestAnImageThatHasTheIDIsLeftAlone(t *testing.T) {
	r := newRig(t)
	first := job(file(), plan.Change{Property: "protected", After: true})
	if _, err := r.creator().Create(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	r.journal.lines = nil
	second := job(file())
	second.Plan.ID, second.FixedID = first.Plan.ID, true
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/images") {
			breakOff(w, req)
			return true
		}
		return false
	})
	_, err := r.creator().Create(t.Context(), second)
	r.want(err, "is in use", "img active", "begun undone")
}

// A gateway gave up, but Glance had made the record.
func TestLostAnswerToThePost(t *testing.T) {
	r := newRig(t)
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Path, "/images") {
			return false
		}
		r.fault.Store(nil)
		r.sandbox.Handler().ServeHTTP(httptest.NewRecorder(), req)
		w.WriteHeader(http.StatusGatewayTimeout)
		return true
	})
	_, err := r.creator().Create(t.Context(), job(file()))
	r.want(err, "", "img active", "begun done")
}

// The connection breaks with half of the data in the staging area.
func TestTruncatedStage(t *testing.T) {
	r := newRig(t)
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasSuffix(req.URL.Path, "/stage") {
			return false
		}
		data, _ := io.ReadAll(req.Body)
		half := req.Clone(req.Context())
		half.Body, half.ContentLength = io.NopCloser(strings.NewReader(string(data[:len(data)/2]))), int64(len(data)/2)
		r.fault.Store(nil)
		r.sandbox.Handler().ServeHTTP(w, half)
		return true
	})
	j := job(file())
	j.Import = true
	_, err := r.creator().Create(t.Context(), j)
	r.want(err, "another number of bytes", "", "begun undone")
}

// An upload that Glance never lets go of is begun anew under another id.
func TestStuckInSaving(t *testing.T) {
	r := newRig(t)
	first := ""
	r.during(func(w http.ResponseWriter, req *http.Request) bool {
		switch {
		case isUpload(req) && (first == "" || strings.Contains(req.URL.Path, first)):
			first = strings.Split(req.URL.Path, "/")[4]
			breakOff(w, req)
			return true
		case req.Method == http.MethodGet && first != "" && strings.HasSuffix(req.URL.Path, first):
			fmt.Fprintf(w, `{"id":%q,"name":"img","status":"saving"}`, first)
			return true
		}
		return false
	})
	out, err := r.creator().Create(t.Context(), job(file()))
	r.want(err, "", "img active", "begun undone begun done")
	if out.Image.ID == first {
		t.Error("the id is that of the stuck image")
	}
}

func TestEndOfStreamIsJudgedBeforeGlanceIsTold(t *testing.T) {
	r := newRig(t)
	data := &apply.Data{
		Source: source.FromPipe(strings.NewReader(content), "standard input"),
		Begin:  func() ([]io.Writer, func() error) { return nil, func() error { return errors.New("cut off") } },
	}
	_, err := r.creator().Create(t.Context(), job(data))
	r.want(err, "cut off", "", "begun undone")
}
