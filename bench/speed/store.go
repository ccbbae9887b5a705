//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// storeLimit is how much may be recorded, in bytes. A recording that would pass it is an error, not a surprise.
	storeLimit = 512 << 20
	// recordPatience is for one answer of a real registry.
	recordPatience = 2 * time.Minute
)

// store is what the real registries answered. What is missing is asked once, and kept on disk for ever: a bench that asks
// for something else tomorrow could not be compared with today's. Methods may be used at once.
type store struct {
	dir    string
	client *http.Client
	flight singleflight.Group

	mu      sync.Mutex
	answers map[string]*answer // read since the start, by key
	size    int64              // of everything on disk
}

// answer is one response. Its body is as it was sent, compressed perhaps.
type answer struct {
	URL    string            `json:"url"`
	Status int               `json:"status"`
	Header map[string]string `json:"header"`

	body []byte
}

// wish names an answer.
type wish struct {
	host   string
	target string // path and query, escaped
	short  bool   // the short packument is wanted
}

// keptHeaders are those that clients and caches look at.
func keptHeaders() []string {
	return []string{"Content-Type", "Content-Encoding", "Cache-Control", "Etag", "Last-Modified"}
}

func openStore(dir string) (*store, error) {
	s := &store{dir: dir, answers: map[string]*answer{}, client: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableCompression: true},
		Timeout:   recordPatience,
	}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of recordings: %w", err)
	}
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			s.size += info.Size()
		}
		return err
	})
	return s, err
}

// key is the name of the file.
func (w wish) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s%s %v", w.host, w.target, w.short))
	return hex.EncodeToString(sum[:16])
}

// url is where the real answer is. The checksum database is asked for through the module proxy, as the go command does.
func (w wish) url() string {
	if w.host == sumHost {
		return "https://" + goHost + "/sumdb/" + sumHost + w.target
	}
	return "https://" + w.host + w.target
}

// get returns an answer; recorded: it was not there before.
func (s *store) get(ctx context.Context, w wish) (a *answer, recorded bool, err error) {
	key := w.key()
	s.mu.Lock()
	a = s.answers[key]
	s.mu.Unlock()
	if a != nil {
		return a, false, nil
	}
	type found struct {
		*answer
		fresh bool
	}
	v, err, _ := s.flight.Do(key, func() (any, error) {
		a, fresh, err := s.find(context.WithoutCancel(ctx), w, key)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answers[key] = a
		return found{a, fresh}, nil
	})
	if err != nil {
		return nil, false, err
	}
	f := v.(found) // the function above returns nothing else
	return f.answer, f.fresh, nil
}

// find is get for what was not read yet.
func (s *store) find(ctx context.Context, w wish, key string) (a *answer, fresh bool, err error) {
	bulk := strings.HasSuffix(w.target, ".tgz")
	if w.host == yarnHost && bulk {
		return s.get(ctx, wish{npmHost, w.target, w.short})
	}
	a, err = s.read(key)
	if fresh = errors.Is(err, fs.ErrNotExist); fresh {
		a, err = s.record(ctx, w, key)
	}
	if err != nil || bulk || w.host != npmHost || a.Header["Content-Encoding"] != "" || len(a.body) < worthPacking {
		return a, fresh, err
	}
	a.body, a.Header["Content-Encoding"] = packed(a.body), "gzip"
	return a, true, s.keep(key, a)
}

// worthPacking is from how many bytes on a document of npm is sent compressed, as the registry sends it to all who take that. A
// proxy on the way to it may have unpacked what was recorded.
const worthPacking = 1000

func packed(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(body) // a Buffer takes all
	_ = z.Close()
	return out.Bytes()
}

// renamed is an answer with another host in its addresses.
func (a *answer) renamed(from, to string) (*answer, error) {
	body, compressed := a.body, a.Header["Content-Encoding"] == "gzip"
	if compressed {
		var err error
		if body, err = gunzip(body); err != nil {
			return nil, err
		}
	}
	if body = bytes.ReplaceAll(body, []byte("https://"+from+"/"), []byte("https://"+to+"/")); compressed {
		body = packed(body)
	}
	return &answer{URL: a.URL, Status: a.Status, Header: a.Header, body: body}, nil
}

// read takes a file: a line of JSON, then the body.
func (s *store) read(key string) (*answer, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, key))
	if err != nil {
		return nil, err
	}
	head, body, _ := bytes.Cut(data, []byte("\n"))
	a := &answer{body: body}
	if err := json.Unmarshal(head, a); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; remove it", filepath.Join(s.dir, key), err)
	}
	return a, nil
}

// record asks the real registry. Only answers that say something for ever are kept. Yarn's name for npm's registry answers as that
// does, with itself in the place of it.
func (s *store) record(ctx context.Context, w wish, key string) (*answer, error) {
	if w.host == yarnHost {
		a, _, err := s.get(ctx, wish{npmHost, w.target, w.short})
		if err != nil {
			return nil, err
		}
		if a, err = a.renamed(npmHost, yarnHost); err != nil {
			return nil, err
		}
		return a, s.keep(key, a)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url(), nil)
	if err != nil {
		return nil, err
	}
	if w.short {
		request.Header.Set("Accept", shortPackument)
	}
	if !strings.HasSuffix(w.target, ".zip") && !strings.HasSuffix(w.target, ".tgz") {
		request.Header.Set("Accept-Encoding", "gzip")
	}
	resp, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", w.url(), err)
	}
	defer resp.Body.Close()
	a := &answer{URL: w.url(), Status: resp.StatusCode, Header: map[string]string{}}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, storeLimit)); err != nil {
		return nil, fmt.Errorf("record %s: %w", w.url(), err)
	}
	switch a.Status {
	case http.StatusOK, http.StatusForbidden, http.StatusNotFound, http.StatusGone: // forbidden is what is never given out
	default:
		return nil, fmt.Errorf("record %s: %s", w.url(), resp.Status)
	}
	for _, name := range keptHeaders() {
		if value := resp.Header.Get(name); value != "" {
			a.Header[name] = value
		}
	}
	return a, s.keep(key, a)
}

func (s *store) keep(key string, a *answer) error {
	head, err := json.Marshal(a)
	if err != nil {
		return err
	}
	data := append(append(head, '\n'), a.body...)
	file := filepath.Join(s.dir, key)
	var before int64
	if info, err := os.Stat(file); err == nil {
		before = info.Size()
	}
	s.mu.Lock()
	s.size += int64(len(data)) - before
	full := s.size > storeLimit
	s.mu.Unlock()
	if full {
		return fmt.Errorf("recordings would pass %d MiB: remove %s and begin anew", storeLimit>>20, s.dir)
	}
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
