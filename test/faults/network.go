// Package faults makes a service behave as badly as networks and clouds do:
// middleware for tests, between the program and a Glance, real or not.
package faults

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Network drops, delays, truncates and refuses a third of all requests. What
// it does to the n-th request of a kind depends on the seed alone, whatever
// order requests come in.
type Network struct {
	Seed string

	mu    sync.Mutex
	nth   map[string]uint64
	busy  map[string]int
	count Count
	now   int // requests under way
}

// Count is what has passed a Network.
type Count struct {
	Requests, Hit int
	Patches       int // requests to change an image, those that were hit too
	Changed       int // of them, those that changed an image
	MostAtOnce    int
	SameAtOnce    int // PATCHes that began while another to the same image was under way
}

// Count returns what has passed so far.
func (n *Network) Count() Count {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count
}

// Serve lets a request through to next, or does it harm.
func (n *Network) Serve(w http.ResponseWriter, req *http.Request, next http.Handler) {
	random, leave := n.enter(req)
	defer leave()
	if random == nil {
		n.pass(w, req, next)
		return
	}
	switch random.IntN(8) {
	case 0:
		leave() // the client may be back before this function has ended
		cut(w)
	case 1: // only the answer is lost
		n.pass(httptest.NewRecorder(), req, next)
		leave()
		cut(w)
	case 2: // a gateway lost patience, but the request arrived
		n.pass(httptest.NewRecorder(), req, next)
		w.WriteHeader(http.StatusBadGateway)
	case 3:
		answer := httptest.NewRecorder()
		n.pass(answer, req, next)
		w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	case 4:
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	case 5:
		w.WriteHeader(http.StatusInternalServerError)
	case 6:
		w.WriteHeader(http.StatusServiceUnavailable)
	case 7: // too late for a client that does not wait
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		n.pass(w, req, next)
	}
}

// enter counts a request. random is nil for one that is to be left alone.
func (n *Network) enter(req *http.Request) (random *rand.Rand, leave func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nth == nil {
		n.nth, n.busy = map[string]uint64{}, map[string]int{}
	}
	key := req.Method + req.URL.Path
	n.nth[key]++
	n.count.Requests++
	n.now++
	n.count.MostAtOnce = max(n.count.MostAtOnce, n.now)
	patch := req.Method == http.MethodPatch
	if patch {
		n.count.Patches++
		if n.busy[key]++; n.busy[key] > 1 {
			n.count.SameAtOnce++
		}
	}
	hash := fnv.New64a()
	fmt.Fprint(hash, n.Seed, key, n.nth[key])
	random = rand.New(rand.NewPCG(hash.Sum64(), 1))
	if random.IntN(3) != 0 {
		random = nil
	} else {
		n.count.Hit++
	}
	return random, sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.now--
		if patch {
			n.busy[key]--
		}
	})
}

// pass hands a request on, and counts the change if it was one.
func (n *Network) pass(w http.ResponseWriter, req *http.Request, next http.Handler) {
	seen := &status{ResponseWriter: w}
	next.ServeHTTP(seen, req)
	if req.Method == http.MethodPatch && seen.code == http.StatusOK {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.count.Changed++
	}
}

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(p []byte) (int, error) {
	if s.code == 0 {
		s.code = http.StatusOK
	}
	return s.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what is underneath.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// cut breaks the connection off without an answer.
func cut(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = connection.Close()
}
