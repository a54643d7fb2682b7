package auth

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"glance-profile/internal/cloud"
	"glance-profile/internal/glance"
)

// TestRevokedToken revokes the session's token at the real Keystone and goes on:
// requests, many at once, and an upload.
func TestRevokedToken(t *testing.T) {
	file := devcloud(t)
	values, err := Values(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, name := range []string{"devcloud-member", "devcloud-appcred", "devcloud-tls"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OS_CLIENT_CONFIG_FILE", file)
			other := connect(ctx, t, cloud.Options{Cloud: name})
			img, err := glance.New(other.Image).Create(ctx, glance.Record{"name": "renew", "disk_format": "raw", "container_format": "bare"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := glance.New(other.Image).Delete(context.WithoutCancel(ctx), img.ID); err != nil {
					t.Error(err)
				}
			})

			s := connect(ctx, t, cloud.Options{Cloud: name})
			before := revoke(ctx, t, s, values["AUTH_URL"])
			data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
			opened := 0
			body := func() (io.ReadCloser, error) { opened++; return io.NopCloser(bytes.NewReader(data)), nil }
			if err := glance.New(s.Image).Upload(ctx, img.ID, body, int64(len(data)), ""); err != nil {
				t.Fatalf("upload after the token's end: %v", err)
			}
			got, err := glance.New(other.Image).Get(ctx, img.ID)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha512.Sum512(data)
			if got.Status != "active" || got.HashValue != hex.EncodeToString(sum[:]) {
				t.Errorf("image %+v has not the data sent", got)
			}
			if opened != 2 || s.Image.Token() == before {
				t.Errorf("the data was opened %d times; a new token: %v", opened, s.Image.Token() != before)
			}

			revoke(ctx, t, s, values["AUTH_URL"])
			var wg sync.WaitGroup
			failures := make([]error, 8)
			for i := range failures {
				wg.Go(func() { _, failures[i] = glance.New(s.Image).Get(ctx, img.ID) })
			}
			wg.Wait()
			if err := errors.Join(failures...); err != nil {
				t.Errorf("requests after the token's end: %v", err)
			}
		})
	}
	t.Run("token", func(t *testing.T) {
		fresh, err := Values(file)
		if err != nil {
			t.Fatal(err)
		}
		s := connect(ctx, t, cloud.Options{AuthType: "token", Token: fresh["TOKEN"], AuthURL: fresh["AUTH_URL"], ProjectID: fresh["PROJECT_ID"]})
		revoke(ctx, t, s, fresh["AUTH_URL"])
		_, err = glance.New(s.Image).Get(ctx, "none")
		if !errors.Is(err, cloud.ErrNotRenewable) || strings.Contains(err.Error(), "\n") {
			t.Errorf("after the token's end: %v", err)
		}
	})
}

func connect(ctx context.Context, t *testing.T, opts cloud.Options) *cloud.Session {
	t.Helper()
	cfg, err := cloud.Load(opts, cloud.OSEnv())
	if err != nil {
		t.Fatal(err)
	}
	s, err := cloud.Connect(ctx, cfg, cloud.ConnectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// revoke ends the session's token and returns it.
func revoke(ctx context.Context, t *testing.T, s *cloud.Session, authURL string) string {
	t.Helper()
	token := s.Image.Token()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, authURL+"/auth/tokens", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("X-Subject-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("revoke the token: %s", resp.Status)
	}
	return token
}
