package selection_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"glance-profile/internal/cloud"
	"glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/internal/sandbox"
	"glance-profile/internal/selection"
)

// rig is a sandbox, which gives pages of three images, and what was asked of it.
type rig struct {
	t      *testing.T
	server *httptest.Server
	cloud  *sandbox.Cloud

	mu       sync.Mutex
	requests []*url.URL
	fault    func(http.ResponseWriter, *http.Request) bool
}

// person is somebody who is logged in.
type person struct {
	*glance.Client
	t       *testing.T
	project string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	c, err := sandbox.New(sandbox.Options{Dir: t.TempDir(), PageMax: 3, Middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.mu.Lock()
			if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/v2/images") {
				r.requests = append(r.requests, req.URL)
			}
			fault := r.fault
			r.mu.Unlock()
			if fault == nil || !fault(w, req) {
				next.ServeHTTP(w, req)
			}
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.cloud, r.server = c, httptest.NewServer(c.Handler())
	t.Cleanup(func() { r.server.Close(); c.Close() })
	return r
}

func (r *rig) logIn(name string) *person {
	r.t.Helper()
	env := cloud.Env{
		LookupEnv: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
		ReadFile: func(string) ([]byte, error) { return r.cloud.CloudsYAML(r.server.URL), nil }, WorkDir: r.t.TempDir(),
	}
	config, err := cloud.Load(cloud.Options{Cloud: name}, env)
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := cloud.Connect(r.t.Context(), config, cloud.ConnectOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return &person{glance.New(s.Image), r.t, s.ProjectID}
}

// asked returns the queries since the last call.
func (r *rig) asked() []*url.URL {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.requests
	r.requests = nil
	return list
}

func (r *rig) during(fault func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = fault
}

// make makes an image without data and returns its id.
func (p *person) make(name string, more ...any) string {
	p.t.Helper()
	record := glance.Record{"name": name, "visibility": "private"}
	for i := 0; i < len(more); i += 2 {
		record[more[i].(string)] = more[i+1]
	}
	img, err := p.Create(p.t.Context(), record)
	if err != nil {
		p.t.Fatal(err)
	}
	return img.ID
}

func where(t *testing.T, texts ...string) []selection.Expr {
	t.Helper()
	var list []selection.Expr
	for _, text := range texts {
		list = append(list, mustParse(t, text))
	}
	return list
}

func names(images []image.Image) string {
	var list []string
	for _, img := range images {
		list = append(list, img.Name)
	}
	return strings.Join(list, " ")
}

func TestSelectByConditions(t *testing.T) {
	r := newRig(t)
	admin, member, other := r.logIn("sandbox-admin"), r.logIn("sandbox-member"), r.logIn("sandbox-other")
	member.make("m-linux", "os_type", "linux", "tags", []string{"gold", "new"})
	member.make("m-windows", "os_type", "windows", "tags", []string{"gold"})
	member.make("m-bare")
	member.make("m-hidden", "os_hidden", true, "os_type", "linux")
	member.make("m-community", "visibility", "community")
	member.make("m:odd,\"na\\me", "os_type", "odd")
	other.make("o-private", "os_type", "linux")
	other.make("o-community", "visibility", "community", "os_type", "linux")
	other.make("o-hidden-community", "visibility", "community", "os_hidden", true)
	admin.make("a-public", "visibility", "public", "os_type", "linux")
	admin.make("a-hidden-public", "visibility", "public", "os_hidden", true)

	for _, test := range []struct {
		name    string
		who     *person
		q       selection.Query
		want    string
		leftOut int
		pages   string // what the first page of each listing asked for, beside the usual
	}{
		{"all of a member's", member, selection.Query{All: true},
			"m-bare m-community m-linux m-windows m:odd,\"na\\me", 1, "os_hidden=false"},
		{"all of an admin's", admin, selection.Query{All: true, Admin: true},
			"a-public m-bare m-linux m-windows m:odd,\"na\\me o-private", 0, "os_hidden=false"},
		{"mine", admin, selection.Query{Mine: true, Admin: true}, "a-public", 0, "os_hidden=false owner=ADMIN"},
		{"a property", member, selection.Query{Where: where(t, "os_type=linux")}, "m-linux", 1, "os_hidden=false"},
		{"all must hold", member, selection.Query{Where: where(t, "os_type", "os_type!=linux", "tag=gold")}, "m-windows", 0, "os_hidden=false tag=gold"},
		{"two tags", member, selection.Query{Where: where(t, "tag=gold", "tag=new")}, "m-linux", 0, "os_hidden=false tag=gold tag=new"},
		{"a tag in another case", member, selection.Query{Where: where(t, "tag=GOLD")}, "", 0, "os_hidden=false tag=GOLD"},
		{"mine and a condition", member, selection.Query{Mine: true, Where: where(t, "not os_type")}, "m-bare m-community", 0, "os_hidden=false owner=MEMBER"},
		{"community", member, selection.Query{Where: where(t, "visibility=community")}, "m-community", 1, "os_hidden=false visibility=community"},
		{"community by glob", admin, selection.Query{Admin: true, Where: where(t, "visibility~comm*")}, "m-community o-community", 0, "os_hidden=false visibility=all"},
		{"hidden", member, selection.Query{Where: where(t, "hidden=true")}, "m-hidden", 1, "os_hidden=true"},
		{"hidden, said in two other ways", member, selection.Query{Where: where(t, "hidden!=false", "hidden")}, "m-hidden", 1, "os_hidden=true"},
		{"hidden and community", admin, selection.Query{Admin: true, Where: where(t, "hidden=true", "visibility=community")}, "o-hidden-community", 0, "os_hidden=true visibility=community"},
		{"hidden or not", member, selection.Query{Mine: true, Where: where(t, "hidden~*", "os_type=linux")}, "m-hidden m-linux", 0, "os_hidden=false owner=MEMBER; os_hidden=true owner=MEMBER"},
		{"not hidden", member, selection.Query{Where: where(t, "not hidden", "os_type=windows")}, "m-windows", 0, "os_hidden=false"},
		{"contradiction", member, selection.Query{Where: where(t, "hidden", "not hidden")}, "", 0, ""},
		{"status", member, selection.Query{Where: where(t, "status=queued", "name~m-[lw]*")}, "m-linux m-windows", 0, "os_hidden=false status=queued"},
		{"an odd name", member, selection.Query{Where: where(t, "name=m:odd,\"na\\me")}, "m:odd,\"na\\me", 0, "name=eq:m:odd,\"na\\me os_hidden=false"},
		{"another's", member, selection.Query{Where: where(t, "owner="+other.project, "visibility=community")}, "", 1, "os_hidden=false owner=OTHER visibility=community"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.q.Project = test.who.project
			r.asked()
			got, err := selection.Select(t.Context(), test.who, test.q)
			if err != nil {
				t.Fatal(err)
			}
			if names(got.Images) != test.want || got.LeftOut != test.leftOut || len(got.Missing) > 0 {
				t.Errorf("chosen: %s; left out: %d; missing: %v; want %s; %d", names(got.Images), got.LeftOut, got.Missing, test.want, test.leftOut)
			}
			var pages []string
			for _, u := range r.asked() {
				query := u.Query()
				if query.Get("limit") != "1000" || query.Get("sort") != "created_at:asc,id:asc" {
					t.Errorf("asked for %s", u)
				}
				if query.Has("marker") {
					continue
				}
				var parts []string
				for name, values := range query {
					for _, value := range values {
						if name != "limit" && name != "sort" {
							parts = append(parts, name+"="+value)
						}
					}
				}
				slices.Sort(parts)
				pages = append(pages, strings.Join(parts, " "))
			}
			want := strings.NewReplacer("ADMIN", admin.project, "MEMBER", member.project, "OTHER", other.project).Replace(test.pages)
			if asked := strings.Join(pages, "; "); asked != want {
				t.Errorf("asked for %s, want %s", asked, want)
			}
		})
	}
}

func TestSelectByName(t *testing.T) {
	r := newRig(t)
	member, other, admin := r.logIn("sandbox-member"), r.logIn("sandbox-other"), r.logIn("sandbox-admin")
	one := member.make("one")
	odd := member.make(`in:a,"b\`)
	onlyHidden := member.make("only hidden", "os_hidden", true)
	theirs := other.make("theirs", "visibility", "community")
	rotated := member.make("rotated")
	member.make("rotated", "os_hidden", true)
	squatted := admin.make("squatted", "visibility", "public")
	other.make("squatted", "visibility", "community")
	twice := []string{member.make("twice"), member.make("twice")}
	slices.Sort(twice)
	member.make("ONE two")
	likeID := "12345678-1234-4234-8234-123456789abc"
	named := member.make(likeID)

	for _, test := range []struct{ name, id string }{
		{"one", one}, {one, one}, {`in:a,"b\`, odd}, {"only hidden", onlyHidden}, {onlyHidden, onlyHidden},
		{"theirs", theirs}, {theirs, theirs}, {"rotated", rotated}, {"squatted", squatted}, {likeID, named},
	} {
		got, err := selection.Select(t.Context(), member, selection.Query{Names: []string{test.name}, Project: member.project})
		if err != nil || len(got.Missing) > 0 || len(got.Images) != 1 || got.Images[0].ID != test.id {
			t.Errorf("%s: %v, %v, want %s", test.name, got, err, test.id)
		}
	}
	for _, name := range []string{"One", "nothing", "", "87654321-1234-4234-8234-123456789abc", "one ", "a\xff", "*", other.make("private of theirs")} {
		got, err := selection.Select(t.Context(), member, selection.Query{Names: []string{name}, Project: member.project})
		var missing *selection.NameError
		if err != nil || len(got.Images) > 0 || len(got.Missing) != 1 || !errors.As(got.Missing[0], &missing) || missing.Name != name || len(missing.IDs) > 0 {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}

	// The rest is chosen all the same, each image once, whichever way it was named.
	got, err := selection.Select(t.Context(), member, selection.Query{
		Names: []string{"gone", "twice", one, "one", "theirs", "gone"}, Project: member.project, Jobs: 4,
		Where: where(t, "visibility=community"),
	})
	if err != nil || names(got.Images) != "one theirs" || got.LeftOut != 1 {
		t.Errorf("%s, %d left out, %v", names(got.Images), got.LeftOut, err)
	}
	if len(got.Missing) != 2 {
		t.Fatalf("missing: %v", got.Missing)
	}
	if text := got.Missing[0].Error(); !strings.Contains(text, `"gone"`) {
		t.Error(text)
	}
	if text := got.Missing[1].Error(); !strings.Contains(text, `"twice"`) || !strings.Contains(text, strings.Join(twice, ", ")) {
		t.Error(text)
	}
}

func TestSelectAsksNoMoreThanItMust(t *testing.T) {
	r := newRig(t)
	member := r.logIn("sandbox-member")
	id := member.make("one")
	for name, want := range map[string]int{id: 1, "one": 1, "nothing": 2} {
		r.asked()
		if _, err := selection.Select(t.Context(), member, selection.Query{Names: []string{name}, Project: member.project}); err != nil {
			t.Error(err)
		}
		if asked := r.asked(); len(asked) != want {
			t.Errorf("%s: %v, want %d requests", name, asked, want)
		}
	}
}

func TestSelectFails(t *testing.T) {
	r := newRig(t)
	member := r.logIn("sandbox-member")
	id := member.make("one")
	if _, err := selection.Select(t.Context(), member, selection.Query{}); !errors.Is(err, selection.ErrEmpty) {
		t.Errorf("an empty query: %v", err)
	}
	if _, err := selection.Select(t.Context(), member, selection.Query{Mine: true, Admin: true}); err == nil || !strings.Contains(err.Error(), "no project") {
		t.Errorf("mine without a project: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, q := range []selection.Query{{Names: []string{"one"}}, {All: true}} {
		if _, err := selection.Select(ctx, member, q); !errors.Is(err, context.Canceled) {
			t.Errorf("%v: %v after an interruption", q, err)
		}
	}
	answer := func(status int) {
		r.during(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			return true
		})
	}
	answer(http.StatusForbidden)
	got, err := selection.Select(t.Context(), member, selection.Query{Names: []string{id}})
	if err != nil || len(got.Missing) != 1 || glance.Status(got.Missing[0]) != 403 || !strings.Contains(got.Missing[0].Error(), id) {
		t.Errorf("forbidden: %v, %v", got, err)
	}
	answer(http.StatusBadRequest) // not repeated, unlike a 500
	for _, q := range []selection.Query{{Names: []string{id}}, {Names: []string{"one"}}, {All: true}} {
		if got, err := selection.Select(t.Context(), member, q); glance.Status(err) != 400 || len(got.Images) > 0 {
			t.Errorf("%v: %v, %v", q, got, err)
		}
	}
}

// What a server lists beside what it was asked for is not chosen.
func TestSelectChecksTheAnswer(t *testing.T) {
	got, err := selection.Select(t.Context(), careless, selection.Query{
		Names: []string{"wanted"}, Where: where(t, "status=active", "visibility=private", "name~w*"), Project: "p",
	})
	if err != nil || names(got.Images) != "wanted" || got.LeftOut != 0 || len(got.Missing) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// careless answers every listing with the same images, one of them twice.
var careless = catalogue{
	{ID: "1", Name: "wanted", Owner: "p", Status: "active", Visibility: "private"},
	{ID: "2", Name: "Wanted", Owner: "p", Status: "active", Visibility: "private"},
	{ID: "3", Name: "w", Owner: "p", Status: "queued", Visibility: "private"},
	{ID: "4", Name: "w", Owner: "p", Status: "active", Visibility: "public"},
	{ID: "1", Name: "wanted", Owner: "p", Status: "active", Visibility: "private"},
}

func each(images ...image.Image) iter.Seq2[image.Image, error] {
	return func(yield func(image.Image, error) bool) {
		for _, img := range images {
			if !yield(img, nil) {
				return
			}
		}
	}
}

func TestChooser(t *testing.T) {
	images := []image.Image{
		{ID: "1", Name: "b", Owner: "p", Properties: map[string]string{"os_type": "linux"}},
		{ID: "2", Name: "a", Owner: "q", Hidden: true, Visibility: "community"},
		{ID: "3", Name: "b", Owner: "q"},
	}
	for _, test := range []struct {
		q       selection.Query
		ids     string
		missing string
	}{
		{selection.Query{}, "123", ""},
		{selection.Query{All: true}, "123", ""},
		{selection.Query{Mine: true, Project: "q"}, "23", ""},
		{selection.Query{Mine: true}, "", ""},
		{selection.Query{Where: where(t, "os_type")}, "1", ""},
		{selection.Query{Where: where(t, "os_type"), Names: []string{"2", "x", "x", "y"}}, "12", "x y"},
		{selection.Query{Names: []string{"b", ""}}, "13", ""},
	} {
		c := selection.NewChooser(test.q)
		var ids, missing string
		for _, img := range images {
			if c.Chooses(img) {
				ids += img.ID
			}
		}
		for _, name := range c.Missing() {
			missing += " " + name.Name
		}
		if missing = strings.TrimSpace(missing); ids != test.ids || missing != test.missing || c.Chosen() != len(ids) {
			t.Errorf("%+v: %s, %d chosen, missing %s; want %s, %s", test.q, ids, c.Chosen(), missing, test.ids, test.missing)
		}
	}
}

// A negated condition on a property that no image has holds for all of them:
// its name may be a misspelt one.
func TestUnmet(t *testing.T) {
	images := []image.Image{
		{ID: "1", Properties: map[string]string{"hw_disk_bus": "virtio"}},
		{ID: "2", Nulls: []string{"kernel_id"}, Properties: map[string]string{"mine": ""}},
	}
	for _, test := range []struct{ exprs, want string }{
		{"hw_disk_bus!=ide", ""},
		{"hw_disk_buss!=virtio", "hw_disk_buss"},
		{"not hw_disk_buss", "hw_disk_buss"},
		{"not a,b!=1,not a,not mine", "a b"},
		{"hw_disk_buss=virtio,hw_disk_buss~*,hw_disk_buss", ""},
		{"not kernel_id", ""}, // there, as null
		{"hw_disk_bus=virtio,mine!=x", ""},
		{"not tag,hidden!=true,not os_hidden,not checksum,status!=active,not name,size!=1,updated_at!=2026-01-31T12:00:00Z", ""},
	} {
		q := selection.Query{Where: where(t, strings.Split(test.exprs, ",")...), Admin: true}
		c := selection.NewChooser(q)
		for _, img := range images {
			c.Chooses(img)
		}
		found, err := selection.Select(t.Context(), catalogue(images), q)
		if err != nil {
			t.Fatal(err)
		}
		if listed, saved := strings.Join(found.Unmet, " "), strings.Join(c.Unmet(), " "); listed != test.want || saved != test.want {
			t.Errorf("%s: %q of a cloud, %q of a listing; want %q", test.exprs, listed, saved, test.want)
		}
	}
}

// catalogue answers every listing with the same images.
type catalogue []image.Image

func (catalogue) Get(context.Context, string) (image.Image, error) {
	return image.Image{}, &glance.Error{Status: 404}
}

func (c catalogue) List(context.Context, url.Values) iter.Seq2[image.Image, error] { return each(c...) }

func TestEmpty(t *testing.T) {
	for _, q := range []selection.Query{{All: true}, {Mine: true}, {Names: []string{""}}, {Where: make([]selection.Expr, 1)}} {
		if q.Empty() {
			t.Errorf("%+v counts as empty", q)
		}
	}
	if !(selection.Query{Project: "p", Admin: true, Jobs: 4}).Empty() {
		t.Error("who asks is no condition")
	}
}
