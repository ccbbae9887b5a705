package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"hither/cache"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/why"
)

// Bounds of the commands' side of the control socket.
const (
	DialWait  = 3 * time.Second  // to connect
	askWait   = 35 * time.Second // for an answer: a little longer than the daemon takes at most
	stallWait = time.Minute      // between two lines of a stream
)

var (
	// ErrNotRunning makes the exit status 3.
	ErrNotRunning = errors.New("Hither does not run")
	// ErrEnding is the answer of a Hither whose command has ended: wait for it to go, then start another.
	ErrEnding = errors.New("this Hither is about to end")
)

// Client asks a running Hither through its control socket. Its fields may be changed before the first question; its methods may be
// called at once.
type Client struct {
	state string
	Call  func(command string) string // what to type for a command with that state directory
	Start string                      // how to have it started, in words; empty: by `hither up`
	HTTP  *http.Client                // by which it asks, on a connection each
}

// NewClient does not connect yet.
func NewClient(state string) *Client {
	return &Client{state: state, Call: func(command string) string { return "hither " + command }, HTTP: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, DialWait)
			defer cancel()
			return Dial(ctx, state)
		},
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: askWait,
	}}}
}

// State is the directory of the Hither that is asked.
func (c *Client) State() string { return c.state }

// PID is that of the Hither that is asked, as its file tells it, for a message only; 0: it is not known.
func (c *Client) PID() int { return ReadPID(c.state) }

// Ready tells where the running Hither is; ErrNotRunning if there is none.
func (c *Client) Ready(ctx context.Context) (out Ready, err error) {
	return out, c.Ask(ctx, http.MethodGet, "/ready", nil, &out)
}

// Status tells how it stands.
func (c *Client) Status(ctx context.Context) (out Status, err error) {
	return out, c.Ask(ctx, http.MethodGet, "/status", nil, &out)
}

// Why explains a URL.
func (c *Client) Why(ctx context.Context, u string) (out why.Explanation, err error) {
	return out, c.Ask(ctx, http.MethodGet, "/why", url.Values{"url": {u}}, &out)
}

// Usage tells what is kept.
func (c *Client) Usage(ctx context.Context) (out cache.Usage, err error) {
	return out, c.Ask(ctx, http.MethodGet, "/cache", nil, &out)
}

// Remove takes what u means out of the cache; the empty u is everything.
func (c *Client) Remove(ctx context.Context, u string) (out Removal, err error) {
	query := url.Values{"url": {u}}
	if u == "" {
		query = url.Values{"all": {"1"}}
	}
	return out, c.Ask(ctx, http.MethodDelete, "/cache", query, &out)
}

// Drain returns when no other command uses that Hither any more; it takes on no new ones.
func (c *Client) Drain(ctx context.Context) error {
	c = NewClient(c.state)
	c.HTTP.Transport.(*http.Transport).ResponseHeaderTimeout = 0 // another command may run for hours; ctx ends it
	return c.Ask(ctx, http.MethodPost, "/drain", nil, nil)
}

// Verify reads lines until the check is done; the last one is returned.
func (c *Client) Verify(ctx context.Context, progress func(Verification)) (Verification, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body, err := c.do(ctx, http.MethodPost, "/cache/verify", nil)
	if err != nil {
		return Verification{}, err
	}
	defer body.Close()
	stall := time.AfterFunc(stallWait, func() { cancel(errors.New("Hither says nothing any more: see `hither status`")) })
	defer stall.Stop()
	lines := json.NewDecoder(body)
	for {
		var v Verification
		if err := lines.Decode(&v); err != nil {
			return v, cutShort(ctx, "the check", err)
		}
		stall.Reset(stallWait)
		if v.Err != "" {
			return v, errors.New(v.Err)
		}
		if v.Done {
			return v, nil
		}
		progress(v)
	}
}

// Lease is Ready with the promise that a Hither started for another command stays until stop is called. Gone is closed
// when it ended all the same. Until then, what our children work on may be read there; see projects.
func (c *Client) Lease(ctx context.Context) (ready Ready, gone <-chan struct{}, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	body, err := c.do(ctx, http.MethodGet, "/lease", url.Values{"pid": {strconv.Itoa(os.Getpid())}})
	if err != nil {
		cancel()
		return Ready{}, nil, nil, err
	}
	lines := json.NewDecoder(body)
	if err := lines.Decode(&ready); err != nil {
		cancel()
		body.Close()
		return Ready{}, nil, nil, fmt.Errorf("%w: it went away", ErrEnding)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer body.Close()
		_, _ = io.Copy(io.Discard, body)
	}()
	return ready, ended, func() { cancel(); <-ended }, nil
}

// Begun tells that a command has begun, so that what its project needs can come while it starts. pid must be below the process
// that has a Lease. args are what it was started with: by the time that somebody looks, it may have written over them.
func (c *Client) Begun(ctx context.Context, pid int, args []string) error {
	return c.Ask(ctx, http.MethodPost, "/begun", url.Values{"pid": {strconv.Itoa(pid)}, "arg": args}, nil)
}

// Ask wants one JSON answer; out may be nil.
func (c *Client) Ask(ctx context.Context, method, path string, query url.Values, out any) error {
	body, err := c.do(ctx, method, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("the running Hither answered something else (%w): is it another version?", err)
	}
	return nil
}

// do returns the body of a success. The caller closes it.
func (c *Client) do(ctx context.Context, method, path string, query url.Values) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://hither"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.HTTP.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		start := cmp.Or(c.Start, "start it with `"+c.Call("up")+"`")
		return nil, fmt.Errorf("%w with the state directory %s: %s, or for one command with `%s -- COMMAND`", ErrNotRunning, c.state, start, c.Call("run"))
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%w with the state directory %s, which is no directory: name another with --state", ErrNotRunning, c.state)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: only the user whose state directory %s is may ask its Hither: ask as that user, or name one of your own with --state", errors.Unwrap(err), c.state)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the running Hither: %w; if it does not recover, end it and start it again", errors.Unwrap(err))
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, readRefusal(resp)
}

func readRefusal(resp *http.Response) error {
	var refusal struct{ Error string }
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&refusal) // without a sentence the status must do
	if resp.StatusCode == http.StatusServiceUnavailable {
		return ErrEnding
	}
	if refusal.Error == "" {
		return fmt.Errorf("the running Hither answered %s: is it another version?", resp.Status)
	}
	if resp.StatusCode == http.StatusNotFound {
		return mirrors.Unknown(refusal.Error)
	}
	return errors.New(refusal.Error)
}
