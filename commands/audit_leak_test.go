package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/cloud"
)

// failingWriter takes a few writes and then no more.
type failingWriter struct{ left int }

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// However an audit ends, it leaves no goroutine behind.
func TestAuditLeavesNoGoroutine(t *testing.T) {
	var page []string
	for i := range 1000 {
		page = append(page, fmt.Sprintf(`{"id":"%d","name":"image %d","hw_disk_bus":"no-such-bus","hw_vif_model":"none-such"}`, i, i))
	}
	images := strings.Join(page, ",")
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request, cancel func())
		out    io.Writer
		code   int
	}{
		{"whole", func(w http.ResponseWriter, _ *http.Request, _ func()) { io.WriteString(w, `{"images":[`+images+`]}`) }, io.Discard, exitFindings},
		{"broken", func(w http.ResponseWriter, _ *http.Request, _ func()) { io.WriteString(w, `{"images":[`+images) }, io.Discard, exitFailed},
		{"full disk", func(w http.ResponseWriter, _ *http.Request, _ func()) { io.WriteString(w, `{"images":[`+images+`]}`) }, &failingWriter{left: 1}, exitFailed},
		{"interrupted", func(w http.ResponseWriter, r *http.Request, cancel func()) {
			io.WriteString(w, `{"images":[`+images)
			w.(http.Flusher).Flush()
			cancel()
			<-r.Context().Done()
		}, io.Discard, exitInterrupted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tt.answer(w, r, cancel) }))
			defer server.Close()
			config := filepath.Join(t.TempDir(), "clouds.yaml")
			if err := os.WriteFile(config, []byte("clouds:\n  a: {auth_type: none, auth: {endpoint: '"+server.URL+"'}}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			lookup := func(name string) (string, bool) {
				if name == "OS_CLIENT_CONFIG_FILE" {
					return config, true
				}
				return "", false
			}
			var stderr bytes.Buffer
			env := &Env{
				Out: tt.out, Err: &stderr, Args: []string{"audit", "--os-cloud", "a", "-f", "json"}, LookupEnv: lookup, Now: time.Now, Cloud: cloud.OSEnv(),
			}
			env.Cloud.LookupEnv, env.Cloud.Environ = lookup, func() []string { return []string{"OS_CLIENT_CONFIG_FILE=" + config} }
			if code := Run(ctx, env); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, &stderr)
			}
			// With the server go the connections that were kept for more requests.
			server.CloseClientConnections()
			server.Close()
			cancel()
			deadline := time.Now().Add(10 * time.Second)
			for runtime.NumGoroutine() > before {
				if time.Now().After(deadline) {
					stacks := make([]byte, 1<<20)
					t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}
