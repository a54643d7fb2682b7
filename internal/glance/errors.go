package glance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// Error is an answer of Glance's that is not the one asked for. Message is
// Glance's own explanation, without its HTML, in one line.
type Error struct {
	Status    int // HTTP status
	Message   string
	RequestID string // x-openstack-request-id, by which the cloud's operator finds the cause of a 5xx

	retryAfter time.Duration
}

// MaxRetryAfter bounds how long a server can make the program wait.
const MaxRetryAfter = time.Minute

// RetryAfter is how long the server asks to be left alone, at most a minute; 0
// where it does not say.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// readRetryAfter reads the header of that name: seconds, or a date.
func readRetryAfter(text string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

func (e *Error) Error() string {
	text := e.Message
	if text == "" {
		text = http.StatusText(e.Status)
	}
	if e.RequestID != "" && e.Status >= 500 {
		text += " (request " + e.RequestID + ")"
	}
	return fmt.Sprintf("Glance answered %d: %s", e.Status, text)
}

// Status returns the HTTP status of the Glance answer that caused err, or 0
// where there was none (a broken connection, a wrong record).
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// maxMessage bounds what is repeated of a server's explanation, in bytes.
const maxMessage = 600

var (
	htmlTitle = regexp.MustCompile(`(?is)<(title|h1)>.*?</(title|h1)>`)
	htmlTag   = regexp.MustCompile(`(?s)<[^>]*>`)
	spaces    = regexp.MustCompile(`\s+`)
)

// explain takes the sentence out of an error body: Glance wraps it in an HTML
// page (webob's), Keystone and newer middleware in JSON.
func explain(body []byte) string {
	var wrapped struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	text := string(body)
	if json.Unmarshal(body, &wrapped) == nil {
		var inner struct {
			Message string `json:"message"`
		}
		switch {
		case wrapped.Message != "":
			text = wrapped.Message
		case json.Unmarshal(wrapped.Error, &inner) == nil && inner.Message != "":
			text = inner.Message
		}
	}
	// Glance's JSON has its page's HTML inside.
	text = htmlTitle.ReplaceAllString(text, " ")
	text = htmlTag.ReplaceAllString(text, " ")
	text = html.UnescapeString(text)
	text = strings.TrimSpace(spaces.ReplaceAllString(text, " "))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// convert turns gophercloud's errors into ours; others pass unchanged.
func convert(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var reauth *gophercloud.ErrUnableToReauthenticate
	if errors.As(err, &reauth) {
		return fmt.Errorf("the token has expired or was revoked, and it could not be renewed: %w", reauth.ErrReauth)
	}
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		return answerError(code.Actual, code.ResponseHeader, code.Body)
	}
	return err
}

func answerError(status int, header http.Header, body []byte) *Error {
	e := &Error{Status: status, Message: explain(body), RequestID: header.Get("X-Openstack-Request-Id"),
		retryAfter: readRetryAfter(header.Get("Retry-After"), time.Now())}
	e.Message = strings.TrimPrefix(e.Message, strconv.Itoa(status)+" "+http.StatusText(status)+": ")
	return e
}
